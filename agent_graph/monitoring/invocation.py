"""The span of one invocation of the agent, from its first node to its end; those of its nodes are its children.

A run that waits for a person, or whose process was killed, is resumed by another invocation: a second span of that
name in the trace of the first. The span of an invocation that was killed is never told.
"""

import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode

from agent_graph.monitoring import names
from agent_graph.monitoring.spans import duration
from agent_graph.monitoring.trace import within

_T = TypeVar("_T")


class Invocation:
    """One invocation, whose span opens with its first node: only there it is known which run it belongs to."""

    def __init__(self) -> None:
        self._at = time.time_ns()
        self._started = time.monotonic()
        self._span: Span | None = None

    def span(self, run: Mapping[str, str]) -> Span:
        """Return the span; the first call opens it, in the trace of the run where there is one."""
        if self._span is None:
            with within(run):
                self._span = trace.get_tracer(names.TRACER).start_span(
                    names.INVOKE_AGENT, attributes={names.OPERATION: names.INVOKE_AGENT}, start_time=self._at
                )
        return self._span

    def end(self, error: str) -> None:
        """Close the span; `error` is the type of the exception that ended the invocation."""
        if self._span is None:
            return
        if error:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()
        labels = {names.OPERATION: names.INVOKE_AGENT, **({"error.type": error} if error else {})}
        duration().record(time.monotonic() - self._started, labels)


_current: ContextVar[Invocation | None] = ContextVar("agent_graph_invocation", default=None)


async def invoked(parts: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
    """Yield what an invocation of the agent yields, within its span."""
    invocation, error = Invocation(), ""
    try:
        while True:
            # Not left set while the caller has the word: a generator runs in the caller's context.
            token = _current.set(invocation)
            try:
                part = await anext(parts)
            except StopAsyncIteration:
                return
            finally:
                _current.reset(token)
            yield part
    except Exception as raised:
        error = type(raised).__name__
        raise
    finally:
        await parts.aclose()
        invocation.end(error)


@contextmanager
def in_invocation(run: Mapping[str, str]) -> Iterator[None]:
    """Make the span of the invocation that is going on the parent of those opened inside.

    `run` names the span that the run began with, if it has begun.
    """
    invocation = _current.get()
    assert invocation is not None
    with trace.use_span(
        invocation.span(run), end_on_exit=False, record_exception=False, set_status_on_exception=False
    ):
        yield
