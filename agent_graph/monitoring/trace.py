"""One trace for one run, over nodes, processes and resumptions: carried as W3C `traceparent`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Not the configured propagators: those may add baggage, which is whoever's data.
_W3C = TraceContextTextMapPropagator()


def write_trace() -> dict[str, str]:
    """Return the headers that name the current span; none without an SDK."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier


def read_trace(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those of the headers that name a span."""
    return {name: headers[name] for name in _W3C.fields if name in headers}


@contextmanager
def within(trace: Mapping[str, str]) -> Iterator[None]:
    """Make the named span the parent of those opened inside; what names none changes nothing."""
    token = context.attach(_W3C.extract(trace, context.get_current()))
    try:
        yield
    finally:
        context.detach(token)
