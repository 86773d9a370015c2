"""Whether a process that serves grows: its memory over 2,000 runs, each on a new thread.

Measured are the process of the graph, with checkpoints in memory and in SQLite; the three role services, each by
itself, with the graph that calls them; and one instance of Aegra. Threads are deleted after their run, but for those
in SQLite, so that what grows is nothing that anybody asked to be kept. A run searches a document, calculates and
answers; the model is a server of its own.

    make .venv-aegra/.installed
    .venv/bin/python benchmarks/serving/memory.py [--runs 2000] [--only "roles"] [--out benchmarks/results]

The first hundred runs are not counted. The slope is that of the straight line that fits the second half of the
measurements best. Where the graph runs, the objects that Python's garbage collector sees are counted by type at a
quarter of the way and at the end: what leaks for each run shows there whatever the allocator does. A slope above
`MOST_KB_A_RUN` is a failure.

Aegra needs PostgreSQL where databases may be made (AGENT_GRAPH_TEST_POSTGRES, else 127.0.0.1:5432) and redis-server.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from statistics import linear_regression
from typing import Any, NamedTuple

import psutil
import psycopg
from langgraph_sdk import get_client

from benchmarks.serving.aegra import database
from benchmarks.serving.processes import (
    ANSWER,
    QUESTION,
    aegra_instance,
    ingest,
    key_of,
    memory_mb,
    model,
    role_service,
)
from deploy.processes import NotStarted, environment, free_port, redis

WARM_UP, EVERY, AT_ONCE = 100, 100, 8
ROLES = ("planner", "worker", "solver")
MOST_KB_A_RUN = 2.0
"""A leak of one small object for each run is a tenth of it, of one answer several times as much."""
MOST_OBJECTS_A_RUN = 0.5

Run = Callable[[], Awaitable[str]]
Watched = Mapping[str, psutil.Process]
Opened = AbstractAsyncContextManager[tuple[Run, Watched]]


class Series(NamedTuple):
    """The memory of one process as the runs went by."""

    measured: str
    runs: tuple[int, ...]
    mb: tuple[float, ...]

    @property
    def kb_a_run(self) -> float:
        """The slope over the second half."""
        half = len(self.runs) // 2
        return float(linear_regression(self.runs[half:], self.mb[half:]).slope * 1024)

    def at(self, runs: int) -> float:
        """Return the memory after so many runs, or the last one known before."""
        return [mb for number, mb in zip(self.runs, self.mb, strict=True) if number <= runs][-1]


class House(NamedTuple):
    """What one way of serving came to."""

    series: list[Series]
    lost: int
    seconds: float
    grown: dict[str, float]
    """Of the process of the graph: types with their new objects per run."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", choices=[*HOUSES], help="one way of serving; the others' results stay")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results")
    asked = parser.parse_args()
    place = asked.out / "memory.json"
    record: dict[str, Any] = json.loads(place.read_text()) if asked.only and place.exists() else {}
    failed = False
    for name in [asked.only] if asked.only else HOUSES:
        load = round(os.getloadavg()[0], 2)
        # A process of its own: the memory of one house is not that of another.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            try:
                house = alone.submit(_measured, name, asked.runs).result()
            except (NotStarted, psycopg.OperationalError) as error:
                print(f"{name} was not measured: {error}", file=sys.stderr)
                continue
        failed = failed or house.lost > 0 or any(one.kb_a_run > MOST_KB_A_RUN for one in house.series)
        record[name] = {
            "load_average_before": load,
            "runs": asked.runs,
            "lost": house.lost,
            "seconds": round(house.seconds),
            "memory_mb": {one.measured: dict(zip(one.runs, one.mb, strict=True)) for one in house.series},
            "kb_a_run": {one.measured: round(one.kb_a_run, 2) for one in house.series},
            "new_objects_a_run": house.grown,
        }
    told = _report(record)
    asked.out.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (asked.out / "memory.md").write_text(told, encoding="utf-8")
    print(told)
    return int(failed)


def _measured(name: str, runs: int) -> House:
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        folder = Path(home)
        env = environment(
            OPENAI_BASE_URL=stack.enter_context(model(folder)),
            OPENAI_API_KEY="none",
            AGENT_GRAPH_HOME=home,
            AGENT_GRAPH_WEB="off",
            AGENT_GRAPH_SERVICE_TOKEN=secrets.token_hex(),
        )
        ingest(env)
        os.environ.update(env)
        return asyncio.run(_run_all(HOUSES[name](folder, env), runs))


async def _run_all(opened: Opened, runs: int) -> House:
    async with opened as (run, watched):
        lost = await _lost(WARM_UP, run)
        began, done = time.perf_counter(), [0]
        seen = {name: [memory_mb(process)] for name, process in watched.items()}
        while done[-1] < runs:
            lost += await _lost(EVERY, run)
            done.append(done[-1] + EVERY)
            for name, process in watched.items():
                seen[name].append(memory_mb(process))
            if done[-1] == runs // 4 // EVERY * EVERY:
                counted = _objects()
            print(done[-1], {name: mb[-1] for name, mb in seen.items()}, file=sys.stderr, flush=True)
        grown = (
            _grown(counted, _objects(), done[-1] - runs // 4 // EVERY * EVERY) if _is_here(watched) else {}
        )
        series = [Series(name, tuple(done), tuple(mb)) for name, mb in seen.items()]
        return House(series, lost, time.perf_counter() - began, grown)


async def _lost(count: int, run: Run) -> int:
    """Make so many runs, and return how many did not answer."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> bool:
        async with room:
            return await run() == ANSWER

    return count - sum(await asyncio.gather(*(one() for _ in range(count))))


def _is_here(watched: Watched) -> bool:
    return any(process.pid == os.getpid() for process in watched.values())


def _objects() -> Counter[str]:
    gc.collect()
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


def _grown(before: Counter[str], after: Counter[str], runs: int) -> dict[str, float]:
    each = {name: (count - before[name]) / runs for name, count in after.items()}
    return {name: round(more, 2) for name, more in sorted(each.items()) if more >= MOST_OBJECTS_A_RUN}


@asynccontextmanager
async def _graph(place: str, keep: bool, name: str) -> AsyncIterator[tuple[Run, Watched]]:
    """Run the graph in this process, over the roles and the models that the environment names."""
    from agent_graph.bootstrap import build_agent, find_knowledge
    from agent_graph.checkpoint import open_checkpointer
    from agent_graph.settings import read_settings

    settings = read_settings()
    knowledge = None if settings.worker_urls else find_knowledge(settings)
    async with open_checkpointer(place) as saver:
        agent = build_agent(knowledge=knowledge, settings=settings, checkpointer=saver)

        async def run() -> str:
            thread = str(time.monotonic_ns())
            values = await agent.ainvoke({"task": QUESTION}, {"configurable": {"thread_id": thread}})
            if not keep:
                await saver.adelete_thread(thread)
            return str(values["answer"].text)

        yield run, {name: psutil.Process()}
    if knowledge is not None:
        knowledge.close()


def _in_memory(_: Path, __: dict[str, str]) -> Opened:
    return _graph("memory", False, "the graph, checkpoints in memory")


def _in_sqlite(folder: Path, _: dict[str, str]) -> Opened:
    return _graph(f"sqlite:///{folder}/threads.sqlite", True, "the graph, checkpoints in SQLite")


@asynccontextmanager
async def _roles(folder: Path, env: dict[str, str]) -> AsyncIterator[tuple[Run, Watched]]:
    with ExitStack() as stack:
        watched = {}
        for role in ROLES:
            port = free_port()
            started = stack.enter_context(role_service(role, port, folder=folder, env=env))
            watched[f"the {role} service"] = psutil.Process(started.pid)
            os.environ[f"AGENT_GRAPH_{role.upper()}_URLS"] = f"http://127.0.0.1:{port}"
        async with _graph("memory", False, "the graph that calls them") as (run, here):
            yield run, watched | dict(here)


@asynccontextmanager
async def _aegra(folder: Path, env: dict[str, str]) -> AsyncIterator[tuple[Run, Watched]]:
    with ExitStack() as stack:
        settings = {
            "DATABASE_URL": stack.enter_context(database()),
            "REDIS_URL": stack.enter_context(redis(folder, free_port())),
            "AGENT_GRAPH_MAX_RUNS": "1000",
            "AGENT_GRAPH_MAX_STEPS_A_DAY": "1000000",
            "AGENT_GRAPH_MAX_TOKENS_A_DAY": "1000000000",
        }
        served = stack.enter_context(aegra_instance(folder, env | settings, key=key_of(folder)))
        async with get_client(url=served.url, api_key=served.key, timeout=600) as client:

            async def run() -> str:
                thread = (await client.threads.create())["thread_id"]
                made = await client.runs.create(thread, "agent", input={"task": QUESTION})
                async for _ in client.runs.join_stream(thread, made["run_id"]):
                    pass
                state: Any = await client.threads.get_state(thread)
                await client.threads.delete(thread)
                return str(state["values"]["answer"]["text"])

            yield run, {"the Aegra instance": served.process}


HOUSES: dict[str, Callable[[Path, dict[str, str]], Opened]] = {
    "memory": _in_memory,
    "sqlite": _in_sqlite,
    "roles": _roles,
    "aegra": _aegra,
}


def _report(record: dict[str, Any]) -> str:
    lines, grown = [], []
    for house in record.values():
        marks = [house["runs"] * quarter // 4 for quarter in range(5)]
        for name, mb in house["memory_mb"].items():
            series = Series(name, tuple(map(int, mb)), tuple(mb.values()))
            stood = " | ".join(f"{series.at(mark):.0f}" for mark in marks)
            lines.append(
                f"| {name} | {stood} | {series.kb_a_run:.2f} | {house['lost']} | {house['seconds']} | "
                f"{house['load_average_before']} |"
            )
        grown += [f"{name} ({more} a run)" for name, more in house["new_objects_a_run"].items()]
    head = next(iter(record.values()), {"runs": 0})["runs"]
    columns = " | ".join(f"{head * quarter // 4:,}" for quarter in range(5))
    rows = "\n".join(lines)
    return f"""\
# Whether a process that serves grows

MB of resident memory after so many runs, each on a new thread, {AT_ONCE} at a time, after {WARM_UP} that are not counted.
Threads are deleted after their run, those in SQLite are kept. The slope is that of the second half. {os.cpu_count()}
processors, shared with the model and, for Aegra, with the databases. Made by `benchmarks/serving/memory.py`.

| process | {columns} | KB a run | lost | s | load average before |
|---|---|---|---|---|---|---|---|---|---|
{rows}

Objects of the graph's process that become more with the runs, as the garbage collector counts them:
{", ".join(grown) or f"none, of no type more than {MOST_OBJECTS_A_RUN} a run"}.
"""


if __name__ == "__main__":
    sys.exit(main())
