"""One environment's measuring process: reads what to run from its input, a JSON object per line, and answers so.

    {"runner": "...", "workload": "...", "pace": "...", "characters": 600}  ->  {"wall_s": ..., ...}
    {"versions": ["langgraph", ...]}                                        ->  {"langgraph": "1.2.22", ...}

A run that cannot be made, or that did not do what the workload asks for, is answered with {"error": "..."}.
"""

import asyncio
import gc
import json
import logging
import os
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from peers.model import INSTANT, PACES, PacedModel, answer
from peers.runners import RUNNERS, Ask, Runner
from peers.tool import Lookup
from peers.workloads import WARM_UP, WORKLOADS, Workload


class Built:
    """A runner's agent for one workload, ready to be measured."""

    def __init__(self, runner: Runner, workload: Workload, pace: str, characters: int) -> None:
        self._runner, self._workload = runner, workload
        self._build = runner.build()
        self._model = PacedModel(pace=PACES[pace])
        self._lookup = Lookup(workload, characters)
        self._ask: Ask | None = None

    async def measure(self) -> dict[str, Any]:
        """Run once and return the wall time and the counts.

        Raises ValueError or RuntimeError when the run was not the workload's.
        """
        if self._ask is None:
            self._ask = await self._build(self._model, self._lookup.tool)
        self._model.begin(self._runner.replies(self._workload))
        self._lookup.calls.clear()
        gc.collect()
        started = time.perf_counter()
        said = await self._ask()
        wall = time.perf_counter() - started
        self._lookup.check()
        if said != answer(self._workload):
            raise ValueError(f"the answer was {said!r}")
        return {"wall_s": wall, **self._model.end()}


class Worker:
    """Keeps what was built from one request to the next."""

    def __init__(self) -> None:
        self._built: dict[tuple[Any, ...], Built] = {}

    async def respond(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what one line asks for."""
        if "versions" in asked:
            return {name: _version(name) for name in asked["versions"]}
        try:
            return await (await self._ready(**asked)).measure()
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}

    async def _ready(self, runner: str, workload: str, pace: str, characters: int) -> Built:
        key = (runner, workload, pace, characters)
        if key not in self._built:
            if not any(known[0] == runner for known in self._built):
                await Built(RUNNERS[runner], WARM_UP, INSTANT.name, characters).measure()
            self._built[key] = Built(RUNNERS[runner], WORKLOADS[workload], pace, characters)
        return self._built[key]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main() -> None:
    # Libraries print: what they say goes to the errors, so that the output holds answers only.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.disable(logging.WARNING)
    worker = Worker()
    with asyncio.Runner() as loop:
        for line in sys.stdin:
            print(json.dumps(loop.run(worker.respond(json.loads(line)))), file=answers)


if __name__ == "__main__":
    main()
