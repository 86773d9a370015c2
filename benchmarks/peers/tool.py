"""The one tool that everyone calls: it sleeps as long as the step asked for takes and returns a text."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from langchain_core.tools import BaseTool, StructuredTool
from peers.workloads import Workload

NAME = "lookup"
_SENTENCE = "It was counted twice by two people who did not know of each other, and both came to the same. "


def query(number: int, needs: Sequence[int] = ()) -> str:
    """Return what to ask the tool for step `number`, with references to the steps it needs."""
    return " ".join([f"figure {number}", *(f"#E{need}" for need in needs)])


class Called(NamedTuple):
    """One call of the tool."""

    number: int
    started: float
    ended: float


class Lookup:
    """The tool for one workload, and the record of its calls."""

    def __init__(self, workload: Workload, characters: int) -> None:
        self._workload = workload
        self._characters = characters
        self.calls: list[Called] = []

    @property
    def tool(self) -> BaseTool:
        """The LangChain tool; its metadata says that it only reads, which only agent-graph looks at."""

        async def lookup(query: str) -> str:
            """Look up a figure; the query may say what earlier figures are."""
            number = int(query.split()[1])
            started = time.perf_counter()
            await asyncio.sleep(self._workload.steps[number - 1].seconds)
            self.calls.append(Called(number, started, time.perf_counter()))
            return self._text(number)

        return StructuredTool.from_function(coroutine=lookup, name=NAME, metadata={"effects": "reads"})

    def check(self) -> None:
        """Raise ValueError unless every step was called once, and after all that it needs had ended."""
        ended = {call.number: call.ended for call in self.calls}
        called = sorted(call.number for call in self.calls)
        if called != list(range(1, len(self._workload.steps) + 1)):
            raise ValueError(f"the steps that were called are {called}")
        for number, started, _ in self.calls:
            if any(ended[need] > started for need in self._workload.steps[number - 1].needs):
                raise ValueError(f"step {number} started before all that it needs had ended")

    def _text(self, number: int) -> str:
        head = f"Figure {number} is {number * 7 % 40}. "
        return (head + _SENTENCE * (self._characters // len(_SENTENCE) + 1))[: self._characters]
