"""How many people can be served: runs a second and how long each waits, in this process and by the LangGraph server.

A run is a plan of two steps (search a document, calculate) and an answer; the model is an OpenAI-compatible server in a
process of its own, over real HTTP, once answering at once, once needing a second for its first token, so that a run
lasts two seconds at least. Runs at a time: 1, 8, 32, 128, each on a thread of its own.

    python benchmarks/serving/load.py [--runs 128] [--out benchmarks/results]

Beside the percentiles stands the memory of the process that serves, at the beginning and at the end, and how many runs
were lost. Clients, model and server share this machine's processors, so the server's figures are those of a machine
with less than all of them.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_sdk import get_client

AT_ONCE = (1, 8, 32, 128)
QUESTION = "What was said about jobs, and what is six times seven?"
PLAN = 'Plan: look it up.\n#E1 = search_documents(query="jobs created")\n#E2 = calculator(expression="6 * 7")'
ANSWER = "Six times seven is 42 [E2]. Jobs were created [E1]."
MODELS = {"instant": 0.0, "1 s": 1.0}
_STARTING_S = 60.0

Run = Callable[[int], Awaitable[str]]
"""One run by its number; returns the text of the answer."""


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


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--runs", type=int, default=128, help="runs of each load, at least as many as at once"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    rows = []
    for model, delay in MODELS.items():
        with _model(delay) as url, tempfile.TemporaryDirectory() as home:
            rows += asyncio.run(_measured(model, _prepared(url, home), asked.runs))
    told = _report(rows, load)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "load.md").write_text(told, encoding="utf-8")
    (asked.out / "load.json").write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    print(told)
    return int(any(row.lost for row in rows))


def _prepared(url: str, home: str) -> dict[str, str]:
    """Return the environment of who serves, with a speech ingested."""
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": "none",
        "AGENT_GRAPH_HOME": home,
        "AGENT_GRAPH_WEB": "off",
    }
    speech = str(files("agent_graph") / "samples" / "state_of_the_union.txt")
    command = [sys.executable, "-m", "agent_graph", "ingest", speech, "--json"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return environment


async def _measured(model: str, environment: dict[str, str], runs: int) -> list[Row]:
    async with _in_process(environment) as (run, served):
        here = [await _loaded("this process", model, at_once, runs, run, served) for at_once in AT_ONCE]
    async with _server(environment) as (run, served):
        there = [await _loaded("LangGraph server", model, at_once, runs, run, served) for at_once in AT_ONCE]
    return here + there


async def _loaded(
    served_by: str, model: str, at_once: int, runs: int, run: Run, served: psutil.Process
) -> Row:
    await run(-1)  # warms up
    room = asyncio.Semaphore(at_once)
    count = min(runs, 8 * at_once)
    before, began = _memory(served), time.perf_counter()

    async def timed(number: int) -> float | None:
        async with room:
            start = time.perf_counter()
            try:
                text = await run(number)
            except Exception as error:
                print(f"lost: {type(error).__name__}: {error}", file=sys.stderr)
                return None
            return time.perf_counter() - start if text == ANSWER else None

    waited = await asyncio.gather(*(timed(number) for number in range(count)))
    seconds = time.perf_counter() - began
    held = sorted(one for one in waited if one is not None)
    row = Row(
        served_by,
        model,
        at_once,
        count,
        count - len(held),
        round(len(held) / seconds, 2),
        *(round(_percentile(held, share), 2) for share in (0.50, 0.95, 0.99)),
        (before, _memory(served)),
    )
    print(row, flush=True)
    return row


@asynccontextmanager
async def _in_process(environment: dict[str, str]) -> AsyncIterator[tuple[Run, psutil.Process]]:
    os.environ.update(environment)
    from agent_graph.bootstrap import build_agent, find_knowledge
    from agent_graph.settings import read_settings

    settings = read_settings()
    knowledge = find_knowledge(settings)
    assert knowledge is not None
    agent = build_agent(knowledge=knowledge, settings=settings, checkpointer=InMemorySaver())

    async def run(number: int) -> str:
        config: Any = {"configurable": {"thread_id": f"{number}-{time.monotonic_ns()}"}}
        return str((await agent.ainvoke({"task": QUESTION}, config))["answer"].text)

    try:
        yield run, psutil.Process()
    finally:
        knowledge.close()


@asynccontextmanager
async def _server(environment: dict[str, str]) -> AsyncIterator[tuple[Run, psutil.Process]]:
    port = _free_port()
    command = [sys.executable, "-m", "agent_graph", "serve", "--port", str(port), "--jobs", str(max(AT_ONCE))]
    with _started(command, f"http://127.0.0.1:{port}/ok", environment) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        serving = max(children, key=lambda one: one.memory_info().rss)
        async with get_client(url=f"http://127.0.0.1:{port}", timeout=600) as client:

            async def run(_number: int) -> str:
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

            yield run, serving


@contextmanager
def _model(delay: float) -> Iterator[str]:
    """Serve the model from a process of its own."""
    port = _free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as script:
        json.dump({"The plan that was run": ANSWER, "Question:": PLAN}, script)
        script.flush()
        command = [
            *(sys.executable, "-m", "agent_graph.testing.openai_server", "--port", str(port)),
            *("--script", script.name, "--seconds-to-first-token", str(delay)),
        ]
        with _started(command, f"http://127.0.0.1:{port}/v1/models", dict(os.environ)):
            yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def _started(
    command: list[str], url: str, environment: dict[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + _STARTING_S
        while True:
            try:
                httpx.get(url, timeout=2).raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{' '.join(command)} did not start") from None
                time.sleep(0.2)
        try:
            yield process
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _memory(process: psutil.Process) -> float:
    return float(round(process.memory_info().rss / 2**20))


def _percentile(values: list[float], share: float) -> float:
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def _report(rows: list[Row], load: float) -> str:
    lines = "\n".join(
        f"| {row.model} | {row.at_once} | {row.served_by} | {row.runs} | {row.lost} | {row.per_s:.1f} | {row.p50_s:.2f} | "
        f"{row.p95_s:.2f} | {row.p99_s:.2f} | {row.memory_mb[0]:.0f} → {row.memory_mb[1]:.0f} |"
        for row in sorted(rows, key=lambda row: (row.model != "instant", row.at_once))
    )
    return f"""\
# How many people can be served

A run: one plan of two steps, one answer; the model is a server of its own. "1 s": a second to its first token, so that a
run lasts two seconds at least. Clients, model and server share {os.cpu_count()} processors, {platform.machine()}, Python
{platform.python_version()}; load average when it began: {load:.1f}. Memory is that of the process that serves, before and
after each load. Made by `benchmarks/serving/load.py`.

| model | at once | served by | runs | lost | runs/s | p50 s | p95 s | p99 s | memory MB |
|---|---|---|---|---|---|---|---|---|---|
{lines}
"""


if __name__ == "__main__":
    sys.exit(main())
