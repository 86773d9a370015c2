"""One span and one duration per operation, one token count per model call."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from opentelemetry import metrics, trace
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span, Status, StatusCode

from agent_graph.monitoring import names
from agent_graph.usage import Role, RoleUsage


@contextmanager
def span(
    operation: str, subject: str = "", attributes: Mapping[str, str | int | float | bool] | None = None
) -> Iterator[Span]:
    """Open a span named `operation subject` and record how long it took; an exception marks it failed.

    Attributes carry names and counts, never message content; of an exception only its type is kept.
    """
    labels = {names.OPERATION: operation, **(attributes or {})}
    started = time.monotonic()
    error = ""
    opened = trace.get_tracer(names.TRACER).start_as_current_span(
        f"{operation} {subject}".strip(), record_exception=False, set_status_on_exception=False
    )
    with opened as current:
        current.set_attributes(labels)
        try:
            yield current
        except Exception as raised:
            error = type(raised).__name__
            current.set_status(Status(StatusCode.ERROR, error))
            raise
        finally:
            kept = {
                key: value
                for key, value in labels.items()
                if key in (names.OPERATION, names.TOOL, names.MODEL)
            }
            duration().record(
                time.monotonic() - started, {**kept, **({"error.type": error} if error else {})}
            )


def count_tokens(role: Role, model: str, usage: RoleUsage) -> None:
    """Record the tokens of one model call."""
    for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
        _tokens().record(tokens, {names.TOKEN_TYPE: kind, names.MODEL: model, names.ROLE: role})


@lru_cache(maxsize=1)
def duration() -> Histogram:
    """Return what records the seconds of operations."""
    return metrics.get_meter(names.TRACER).create_histogram(names.DURATION, unit="s")


@lru_cache(maxsize=1)
def _tokens() -> Histogram:
    return metrics.get_meter(names.TRACER).create_histogram(names.TOKENS, unit="{token}")
