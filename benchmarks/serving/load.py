"""How many people can be served: runs a second and how long each waits, in this process, by the LangGraph server, by Aegra.

A run is a plan of two steps (search a document, calculate) and an answer; the model is an OpenAI-compatible server in a
process of its own, over real HTTP, once answering at once, once needing a second for its first token, so that a run
lasts two seconds at least. Runs at a time: 1, 8, 32, 128, each on a thread of its own.

    make .venv-aegra/.installed
    .venv/bin/python benchmarks/serving/load.py [--runs 128] [--out benchmarks/results]

Beside the percentiles stands the memory of the process that serves, at the beginning and at the end, and how many runs
were lost. After the loads of the model that answers at once, more threads are opened and kept, each with one run that
has ended: what the process then holds more is the memory of an open thread. Clients, model and server share this
machine's processors, so the servers' figures are those of a machine with less than all of them.

Aegra needs PostgreSQL where databases may be made (AGENT_GRAPH_TEST_POSTGRES, else 127.0.0.1:5432) and redis-server.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_sdk import get_client

from benchmarks.serving.aegra import database
from benchmarks.serving.processes import (
    ANSWER,
    QUESTION,
    Served,
    aegra_instance,
    development_server,
    ingest,
    key_of,
    memory_mb,
    model,
)
from deploy.processes import NotStarted, environment, free_port, redis

AT_ONCE = (1, 8, 32, 128)
MODELS = {"instant": 0.0, "1 s": 1.0}
THREADS = 128
"""Opened and kept, to see what one holds."""

Run = Callable[[], Awaitable[str]]
"""One run on a thread of its own; returns the text of the answer."""
Open = Callable[[Path, dict[str, str]], AbstractAsyncContextManager[tuple[Run, psutil.Process]]]


class Row(NamedTuple):
    """What came of one load."""

    served_by: str
    model: str
    at_once: int
    runs: int
    lost: int
    per_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    memory_mb: tuple[float, float]
    """Of the process that serves, before and after."""


class Kept(NamedTuple):
    """What threads hold that are kept after their run."""

    served_by: str
    threads: int
    memory_mb: tuple[float, float]

    @property
    def kb_per_thread(self) -> float:
        before, after = self.memory_mb
        return round((after - before) * 1024 / self.threads, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--runs", type=int, default=128, help="runs of each load, at least as many as at once"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results")
    asked = parser.parse_args()
    load, began = os.getloadavg()[0], time.perf_counter()
    rows: list[Row] = []
    kept: list[Kept] = []
    for name, delay in MODELS.items():
        with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
            folder = Path(home)
            env = environment(
                OPENAI_BASE_URL=stack.enter_context(model(folder, delay)),
                OPENAI_API_KEY="none",
                AGENT_GRAPH_HOME=home,
                AGENT_GRAPH_WEB="off",
            )
            ingest(env)
            for served_by, opened in SERVED.items():
                asyncio.run(_measured(served_by, name, opened, folder, env, asked.runs, rows, kept))
    loads = load, os.getloadavg()[0]
    told = _report(rows, kept, loads, time.perf_counter() - began)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "load.md").write_text(told, encoding="utf-8")
    record = {
        "load_average": {"before": round(loads[0], 2), "after": round(loads[1], 2)},
        "loads": [row._asdict() for row in rows],
        "open_threads": [{**one._asdict(), "kb_per_thread": one.kb_per_thread} for one in kept],
    }
    (asked.out / "load.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(told)
    return int(any(row.lost for row in rows))


async def _measured(
    served_by: str,
    model: str,
    opened: Open,
    folder: Path,
    env: dict[str, str],
    runs: int,
    rows: list[Row],
    kept: list[Kept],
) -> None:
    try:
        async with opened(folder, env) as (run, served):
            for at_once in AT_ONCE:
                rows.append(await _loaded(served_by, model, at_once, runs, run, served))
                print(rows[-1], flush=True)
            if not MODELS[model]:
                kept.append(await _held(served_by, run, served))
                print(kept[-1], kept[-1].kb_per_thread, flush=True)
    except (NotStarted, psycopg.OperationalError) as error:
        print(f"{served_by} was not measured: {error}", file=sys.stderr)


async def _loaded(
    served_by: str, model: str, at_once: int, runs: int, run: Run, served: psutil.Process
) -> Row:
    await run()  # warms up
    count = min(runs, 8 * at_once)
    before, began = memory_mb(served), time.perf_counter()
    waited = await _all(count, at_once, run)
    seconds = time.perf_counter() - began
    held = sorted(one for one in waited if one is not None)
    p50, p95, p99 = (round(_percentile(held, share), 2) for share in (0.50, 0.95, 0.99))
    per_s, memory = round(len(held) / seconds, 2), (before, memory_mb(served))
    return Row(served_by, model, at_once, count, count - len(held), per_s, p50, p95, p99, memory)


async def _held(served_by: str, run: Run, served: psutil.Process) -> Kept:
    before = memory_mb(served)
    await _all(THREADS, 8, run)
    return Kept(served_by, THREADS, (before, memory_mb(served)))


async def _all(count: int, at_once: int, run: Run) -> list[float | None]:
    """Make so many runs, and return the seconds of each; None for one that was lost."""
    room = asyncio.Semaphore(at_once)

    async def timed() -> float | None:
        async with room:
            start = time.perf_counter()
            try:
                text = await run()
            except Exception as error:
                print(f"lost: {type(error).__name__}: {error}", file=sys.stderr)
                return None
            return time.perf_counter() - start if text == ANSWER else None

    return await asyncio.gather(*(timed() for _ in range(count)))


@asynccontextmanager
async def _in_process(_: Path, env: dict[str, str]) -> AsyncIterator[tuple[Run, psutil.Process]]:
    os.environ.update(env)
    from agent_graph.bootstrap import build_agent, find_knowledge
    from agent_graph.settings import read_settings

    settings = read_settings()
    knowledge = find_knowledge(settings)
    assert knowledge is not None
    agent = build_agent(knowledge=knowledge, settings=settings, checkpointer=InMemorySaver())

    async def run() -> str:
        config: Any = {"configurable": {"thread_id": str(time.monotonic_ns())}}
        return str((await agent.ainvoke({"task": QUESTION}, config))["answer"].text)

    try:
        yield run, psutil.Process()
    finally:
        knowledge.close()


@asynccontextmanager
async def _development(folder: Path, env: dict[str, str]) -> AsyncIterator[tuple[Run, psutil.Process]]:
    with development_server(folder, env, jobs=max(AT_ONCE)) as served:
        async with _asked(served) as run:
            yield run, served.process


@asynccontextmanager
async def _aegra(folder: Path, env: dict[str, str]) -> AsyncIterator[tuple[Run, psutil.Process]]:
    with ExitStack() as stack:
        settings = {
            "DATABASE_URL": stack.enter_context(database()),
            "REDIS_URL": stack.enter_context(redis(folder, free_port())),
            "N_JOBS_PER_WORKER": str(max(AT_ONCE) // 2),  # of each of its two workers
            "AGENT_GRAPH_MAX_RUNS": str(2 * max(AT_ONCE)),
        }
        served = stack.enter_context(aegra_instance(folder, env | settings, key=key_of(folder)))
        async with _asked(served) as run:
            yield run, served.process


@asynccontextmanager
async def _asked(served: Served) -> AsyncIterator[Run]:
    async with get_client(url=served.url, api_key=served.key or None, timeout=600) as client:

        async def run() -> str:
            thread = await client.threads.create()
            values: Any = {}
            stream = client.runs.stream(
                thread["thread_id"], "agent", input={"task": QUESTION}, stream_mode="values"
            )
            async for part in stream:
                if part.event == "error":
                    raise RuntimeError(str(part.data))
                if part.event == "values":
                    values = part.data
            return str(values["answer"]["text"])

        yield run


SERVED: dict[str, Open] = {"this process": _in_process, "LangGraph server": _development, "Aegra": _aegra}
"""The last one keeps keys in the folder, behind which the others would be shut."""


def _percentile(values: list[float], share: float) -> float:
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def _report(rows: list[Row], kept: list[Kept], loads: tuple[float, float], seconds: float) -> str:
    lines = "\n".join(
        f"| {row.model} | {row.at_once} | {row.served_by} | {row.runs} | {row.lost} | {row.per_s:.1f} | {row.p50_s:.2f} | "
        f"{row.p95_s:.2f} | {row.p99_s:.2f} | {row.memory_mb[0]:.0f} → {row.memory_mb[1]:.0f} |"
        for row in sorted(rows, key=lambda row: (row.model != "instant", row.at_once))
    )
    threads = "\n".join(
        f"| {one.served_by} | {one.threads} | {one.memory_mb[0]:.0f} → {one.memory_mb[1]:.0f} | {one.kb_per_thread:.0f} |"
        for one in kept
    )
    return f"""\
# How many people can be served

A run: one plan of two steps, one answer; the model is a server of its own. "1 s": a second to its first token, so that a
run lasts two seconds at least. Clients, model and server share {os.cpu_count()} processors, {platform.machine()}, Python
{platform.python_version()}; load average when it began {loads[0]:.1f}, when it ended {loads[1]:.1f}: where the two lie far apart, rows
that were measured at different times compare badly. {seconds:.0f} s in all. Memory is that of the process that serves, before
and after each load. "This process" and the LangGraph server keep threads in memory, Aegra in PostgreSQL.
Made by `benchmarks/serving/load.py`.

| model | at once | served by | runs | lost | runs/s | p50 s | p95 s | p99 s | memory MB |
|---|---|---|---|---|---|---|---|---|---|
{lines}

Threads that were opened after these loads and kept, each with one run that has ended, 8 at once:

| served by | threads | memory MB | KB per thread |
|---|---|---|---|
{threads}
"""


if __name__ == "__main__":
    sys.exit(main())
