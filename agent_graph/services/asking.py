"""A tool in another process asks a person: its question goes to the graph, and answers come with the call.

LangGraph's `interrupt` works on the configuration around it, where it counts questions and finds answers. The
worker's service gives a tool such a configuration, with the answers that came along; the graph's side asks the
question with an `interrupt` of its own. A tool that asks is run from its start with each answer, as in one process.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphInterrupt
from langgraph.types import interrupt


class _Answers:
    """Answers for one call of a tool, in the shape in which `interrupt` looks for them."""

    def __init__(self, given: Sequence[Any]) -> None:
        self.resume = list(given)
        self._asked = 0

    def interrupt_counter(self) -> int:
        """Count one more question, and return how many were asked before it."""
        self._asked += 1
        return self._asked - 1

    def get_null_resume(self, consume: bool) -> None:
        """Return an answer that is for no question in particular: there is none beside `resume`."""


@contextmanager
def answered(given: Sequence[Any]) -> Iterator[None]:
    """Let tools that are called inside ask a person: they get these answers in order, and then GraphInterrupt."""
    places = {"__pregel_scratchpad": _Answers(given), "__pregel_send": _noted, "checkpoint_ns": ""}
    token = var_child_runnable_config.set(RunnableConfig(configurable=places))
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


def answers() -> list[Any]:
    """Take the answers that a person has given to this step so far; only for a step that has asked."""
    given: list[Any] = []
    while True:
        try:
            given.append(interrupt(None))
        except GraphInterrupt:
            return given


def _noted(_: object) -> None:
    """Let LangGraph say that an answer was used: the graph has taken it already."""
