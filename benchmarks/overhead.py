"""What agent-graph itself costs: milliseconds per run and per step, with tools and models that do nothing.

The tool returns at once, the model writes its whole reply at once, checkpoints are kept in memory.

- per run: a plan without steps, that is one call of the planner and one of the solver;
- per step: the slope over plans of 1 to 64 steps, in a chain and side by side, eager and plan first;
- large plans: 1,000 steps side by side, a chain of 200;
- per streamed chunk: the same plan in chunks of 4 characters, less the plan in one piece;
- 200 six-step runs at once in one process (tools take 0.2 to 1.0 s), and the longest time for which they
  kept anything else from running: a task that sleeps 5 ms at a time measures how late it wakes.

Beside the wall time stands the processor time of the process: where nothing waits the two are close, unless
other programs kept the machine busy, and then the wall time is theirs too.

    python benchmarks/overhead.py [--out benchmarks/results]
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from peers.model import INSTANT, TOKEN_CHARACTERS, Pace, PacedModel, plan_text
from peers.tool import NAME, Lookup
from peers.workloads import SIX_STEPS, Step, Workload

from agent_graph import Context, build_agent

RUNS = 20
"""Of each small plan."""
EMPTY_RUNS = 200
LARGE_RUNS = 5
SIZES = (1, 2, 4, 8, 16, 32, 64)
AT_ONCE = 200
NAP_S = 0.005
MOST_MS_PER_STEP, MOST_MS_PER_RUN = 2.0, 15.0
NO_STEPS = "Plan: no tool is needed."
DONE = "Done."
IN_CHUNKS = Pace("in chunks", 0.0, 1e12)
UNBOUND = Context(max_steps=1000, max_concurrency=256, evidence_tokens=500_000)
MODES = {"eager": True, "plan first": False}
SHAPES: dict[str, Callable[[int], Workload]] = {
    "side by side": lambda size: Workload("wide", (Step(0.0),) * size),
    "chain": lambda size: Workload(
        "chain", (Step(0.0), *(Step(0.0, (before,)) for before in range(1, size)))
    ),
}


class Spent(NamedTuple):
    """What a run took, in milliseconds."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{_shown(self.wall)} ({_shown(self.cpu)})"


Run = Callable[[], Awaitable[Spent]]


def runs(plan: str, tool: BaseTool, *, eager: bool = True, pace: Pace = INSTANT) -> Run:
    """Return what makes one run of the plan and says what it took."""
    models = {
        "planner": PacedModel(pace=pace, always=plan),
        "solver": PacedModel(pace=INSTANT, always=DONE),
    }
    agent = build_agent(models=models, tools=[tool], checkpointer=InMemorySaver())
    context = UNBOUND.model_copy(update={"eager": eager})
    threads = count()
    steps = plan.count("\n#E")

    async def run() -> Spent:
        config = RunnableConfig(configurable={"thread_id": str(next(threads))})
        started, worked = time.perf_counter(), time.process_time()
        result = await agent.ainvoke({"task": "What is it?"}, config, context=context)
        spent = Spent((time.perf_counter() - started) * 1000, (time.process_time() - worked) * 1000)
        done = sum(one.ok for one in result["evidence"].values())
        if done != steps:
            raise RuntimeError(f"{done} of {steps} steps have a value")
        return spent

    return run


def nothing() -> BaseTool:
    """Return a tool that returns at once."""

    async def lookup(query: str) -> str:
        """Look something up."""
        return f"{len(query)} characters"

    return StructuredTool.from_function(coroutine=lookup, name=NAME, metadata={"effects": "reads"})


async def median(run: Run, times: int) -> Spent:
    """Return the medians of so many runs, after one that is not counted."""
    await run()
    gc.collect()
    return Spent(*map(statistics.median, zip(*[await run() for _ in range(times)], strict=True)))


async def empty_runs() -> dict[str, Spent]:
    """Measure runs without steps, by mode."""
    return {
        mode: await median(runs(NO_STEPS, nothing(), eager=eager), EMPTY_RUNS)
        for mode, eager in MODES.items()
    }


async def steps(plan: Callable[[int], Workload], *, eager: bool) -> tuple[Spent, dict[int, Spent]]:
    """Return what one more step costs, and the runs of each size that this was read from."""
    sizes = {size: await median(runs(plan_text(plan(size)), nothing(), eager=eager), RUNS) for size in SIZES}
    slopes = (statistics.linear_regression(SIZES, spent).slope for spent in zip(*sizes.values(), strict=True))
    return Spent(*slopes), sizes


async def large(shape: str, size: int) -> dict[str, Spent]:
    """Measure a large plan, by mode."""
    plan = plan_text(SHAPES[shape](size))
    return {
        mode: await median(runs(plan, nothing(), eager=eager), LARGE_RUNS) for mode, eager in MODES.items()
    }


async def per_chunk() -> Spent:
    """Return what one more chunk of a streamed plan costs."""
    plan = plan_text(SHAPES["side by side"](64))
    whole = await median(runs(plan, nothing()), RUNS)
    pieces = await median(runs(plan, nothing(), pace=IN_CHUNKS), RUNS)
    chunks = len(plan) / TOKEN_CHARACTERS - 1
    return Spent((pieces.wall - whole.wall) / chunks, (pieces.cpu - whole.cpu) / chunks)


async def at_once() -> dict[str, float]:
    """Run many six-step plans at the same time in this process."""
    run = runs(plan_text(SIX_STEPS), Lookup(SIX_STEPS, 600).tool)
    await run()
    gc.collect()
    lateness: list[float] = []
    ticker = asyncio.create_task(_tick(lateness))
    started, worked = time.perf_counter(), time.process_time()
    walls = [spent.wall / 1000 for spent in await asyncio.gather(*(run() for _ in range(AT_ONCE)))]
    wall, cpu = time.perf_counter() - started, time.process_time() - worked
    ticker.cancel()
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "run_median_s": round(statistics.median(walls), 2),
        "run_max_s": round(max(walls), 2),
        "longest_stall_ms": round(max(lateness) * 1000, 1),
        "median_stall_ms": round(statistics.median(lateness) * 1000, 1),
    }


async def _tick(lateness: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(NAP_S)
        lateness.append(time.perf_counter() - before - NAP_S)


class Figures(NamedTuple):
    """Everything that was measured."""

    empty: dict[str, Spent]
    """By mode."""
    step: dict[str, dict[str, Spent]]
    """By shape and mode."""
    sizes: dict[str, dict[str, dict[int, Spent]]]
    """The runs behind `step`: by shape, mode and number of steps."""
    large: dict[str, dict[str, Spent]]
    """By name and mode."""
    chunk: Spent
    crowd: dict[str, float]
    load: float
    """What kept the machine busy before."""

    def record(self) -> dict[str, Any]:
        """Return it as plain data, in milliseconds."""
        return {
            "python": platform.python_version(),
            "load_before": self.load,
            "run_without_steps_ms": _plain(self.empty),
            "further_step_ms": _plain(self.step),
            "run_by_steps_ms": _plain(self.sizes),
            "large_run_ms": _plain(self.large),
            "streamed_chunk_ms": _plain(self.chunk),
            f"{AT_ONCE}_runs_at_once": self.crowd,
            "targets_missed": [*missed(self)],
        }


async def measure() -> Figures:
    """Measure everything."""
    load = round(os.getloadavg()[0], 2)
    empty = await empty_runs()
    slopes: dict[str, dict[str, Spent]] = {shape: {} for shape in SHAPES}
    sizes: dict[str, dict[str, dict[int, Spent]]] = {shape: {} for shape in SHAPES}
    for shape, plan in SHAPES.items():
        for mode, eager in MODES.items():
            slopes[shape][mode], sizes[shape][mode] = await steps(plan, eager=eager)
    most = {
        "1,000 steps side by side": await large("side by side", 1000),
        "a chain of 200": await large("chain", 200),
    }
    return Figures(empty, slopes, sizes, most, await per_chunk(), await at_once(), load)


def report(figures: Figures) -> Iterator[str]:
    """Yield the table, line by line."""
    yield "# What agent-graph itself costs"
    yield ""
    yield (
        f"Python {platform.python_version()}; medians in milliseconds of wall time (and of processor time). "
        f"Tools and models that do nothing, checkpoints in memory; {os.cpu_count()} cores, load {figures.load} before."
    )
    yield ""
    yield "| | eager | plan first |"
    yield "| --- | --: | --: |"
    yield f"| a run without steps | {_by_mode(figures.empty)} |"
    for shape, slopes in figures.step.items():
        yield f"| each further step, 1 to 64, {shape} | {_by_mode(slopes)} |"
    for name, walls in figures.large.items():
        yield f"| a run of {name} | {_by_mode(walls)} |"
    yield ""
    yield f"Each chunk in which a plan is streamed: {figures.chunk}, while the model writes."
    crowd = figures.crowd
    yield ""
    yield (
        f"{AT_ONCE} six-step runs at once in one process (critical path {SIX_STEPS.critical_path_s:g} s): "
        f"{crowd['wall_s']} s for all ({crowd['cpu_s']} s), {crowd['run_median_s']} s the median run. The event "
        f"loop was at most {crowd['longest_stall_ms']} ms late, {crowd['median_stall_ms']} ms in the median."
    )


def missed(figures: Figures) -> Iterator[str]:
    """Yield a sentence for every target that was missed."""
    for mode, spent in figures.empty.items():
        if spent.wall > MOST_MS_PER_RUN:
            yield f"Missed: {spent} ms per run ({mode}); {MOST_MS_PER_RUN:g} are allowed."
    for shape, slopes in figures.step.items():
        for mode, spent in slopes.items():
            if spent.wall > MOST_MS_PER_STEP:
                yield f"Missed: {spent} ms per step ({shape}, {mode}); {MOST_MS_PER_STEP:g} are allowed."


def _by_mode(figures: dict[str, Spent]) -> str:
    return " | ".join(str(figures[mode]) for mode in MODES)


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:,.{0 if milliseconds >= 100 else 2}f}"


def _plain(figures: Any) -> Any:
    if isinstance(figures, Spent):
        return {"wall": round(figures.wall, 3), "cpu": round(figures.cpu, 3)}
    return {str(name): _plain(one) for name, one in figures.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    out = parser.parse_args().out
    figures = asyncio.run(measure())
    out.mkdir(parents=True, exist_ok=True)
    (out / "overhead.json").write_text(json.dumps(figures.record(), indent=1) + "\n", encoding="utf-8")
    text = "\n".join(report(figures))
    (out / "overhead.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    for sentence in missed(figures):
        print(sentence, file=sys.stderr)
    return 1 if any(missed(figures)) else 0


if __name__ == "__main__":
    sys.exit(main())
