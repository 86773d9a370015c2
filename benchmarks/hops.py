"""What a role behind HTTP costs more than in the process: milliseconds per plan, call and solve, on loopback.

Three processes are started by the command line, with a token and without a language model: extractive mode plans
and answers, the worker's calculator is called. The same three calls are made in this process and over HTTP in
turns, so that both meet the same load; the clock stops with the outcome. Each remote call opens a connection of
its own and proves the token, as in a run.

The machine's noise is told by the two halves of each series: how far their medians lie apart.

    python benchmarks/hops.py [--out benchmarks/results]
"""

import argparse
import asyncio
import json
import os
import platform
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from agent_graph.context import Context
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan, Step
from agent_graph.planner import PlanRequest, write_plan
from agent_graph.references import StepId
from agent_graph.services import RemotePlanner, RemoteSolver, RemoteWorker, ask_tools
from agent_graph.solver import SolveRequest, write_answer
from agent_graph.worker.call import Call, StepCaller
from tools.catalog import Catalog, default_tools

TIMES = 300
"""Of each call, after a tenth as many that are not counted."""
MOST_MS = 25.0
ROLES = ("planner", "worker", "solver")
STEP = Step(id=StepId("E1"), tool="calculator", args={"expression": "12 * 34"})
TASK = "What is 12 * 34?"

Do = Callable[[], Awaitable[object]]


class Series(NamedTuple):
    """Milliseconds of one call, many times."""

    spent: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.spent)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.spent, n=20)[-1]

    @property
    def noise(self) -> float:
        """How far the medians of both halves lie apart."""
        half = len(self.spent) // 2
        return abs(statistics.median(self.spent[:half]) - statistics.median(self.spent[half:]))

    def record(self) -> dict[str, float]:
        return {name: round(getattr(self, name), 3) for name in ("median", "p95", "noise")}


class Hop(NamedTuple):
    """One role's call, here and there."""

    name: str
    local: Series
    remote: Series
    client: Series
    """The part of the remote calls that is this process's processor time."""

    @property
    def more(self) -> float:
        """What the hop costs, in milliseconds: the difference of the medians."""
        return self.remote.median - self.local.median


@contextmanager
def services(token: str) -> Iterator[dict[str, str]]:
    """Run the three roles as processes and give their addresses."""
    ours = ("OPENAI_", "AGENT_GRAPH_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        environment = {
            **plain,
            "AGENT_GRAPH_HOME": home,
            "AGENT_GRAPH_WEB": "off",
            "AGENT_GRAPH_SERVICE_TOKEN": token,
        }
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "agent_graph", "role", role, "--port", str(_free_port())],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for role in ROLES
        ]
        for process in started:
            stack.callback(process.wait)
            stack.callback(process.terminate)
        told = [process.stdout.readline().split() for process in started if process.stdout]
        yield dict(told)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def last(parts: AsyncIterator[Any]) -> Any:
    """Return what comes last."""
    return [part async for part in parts][-1]


def calls(urls: dict[str, str], token: str) -> dict[str, tuple[Do, Do]]:
    """Return each role's call, in this process and over HTTP."""
    catalog = Catalog(default_tools(web="off").tools)
    context = Context()
    asked = PlanRequest(task=TASK, context=context)
    remote_plan = RemotePlanner(urls["planner"], ask_tools([urls["worker"]], token=token), token=token)
    here, there = StepCaller(catalog, time.time), RemoteWorker(urls["worker"], catalog, token=token)
    found = Evidence(step=STEP.id, tool=STEP.tool, args=STEP.args, status="ok", value=408)
    answer = SolveRequest(task=TASK, plan=Plan(steps=(STEP,)), evidence={STEP.id: found}, context=context)
    remote_solve = RemoteSolver(urls["solver"], token=token)

    def call(worker: Callable[..., Awaitable[Evidence]]) -> Awaitable[Evidence]:
        now = time.time()
        step = Call(step=STEP, args=STEP.args, context=context, started=now, deadline=now + 60)
        return worker(step, lambda _: None)

    return {
        "plan": (lambda: last(write_plan(asked, None, catalog)), lambda: last(remote_plan(asked))),
        "call": (partial(call, here), partial(call, there)),
        "solve": (lambda: last(write_answer(answer, None)), lambda: last(remote_solve(answer))),
    }


async def timed(do: Do) -> tuple[float, float]:
    """Return the milliseconds of one call: by the clock, and of this process's processor time."""
    started, worked = time.perf_counter(), time.process_time()
    await do()
    return (time.perf_counter() - started) * 1000, (time.process_time() - worked) * 1000


async def measure(name: str, local: Do, remote: Do) -> Hop:
    """Make both calls in turns."""
    pairs = [(await timed(local), await timed(remote)) for _ in range(TIMES + TIMES // 10)][TIMES // 10 :]
    return Hop(
        name,
        Series([here for (here, _), _ in pairs]),
        Series([there for _, (there, _) in pairs]),
        Series([worked for _, (_, worked) in pairs]),
    )


async def measure_all(urls: dict[str, str], token: str) -> list[Hop]:
    return [await measure(name, *both) for name, both in calls(urls, token).items()]


def report(hops: list[Hop], load: float) -> Iterator[str]:
    """Yield the table, line by line."""
    yield "# What a hop to a role's service costs"
    yield ""
    yield (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load} before; milliseconds of "
        f"{TIMES} calls each, local and remote in turns, three processes on loopback, with a token, no language "
        "model. Noise: how far the medians of the two halves of a series lie apart. Client: the part of a remote "
        "call that is processor time of the graph's process, which other programs do not lengthen much."
    )
    yield ""
    yield "| | local median | p95 | noise | remote median | p95 | noise | client | the hop costs |"
    yield "| --- | --: | --: | --: | --: | --: | --: | --: | --: |"
    for hop in hops:
        series = " | ".join(
            f"{one.median:.2f} | {one.p95:.2f} | {one.noise:.2f}" for one in (hop.local, hop.remote)
        )
        yield f"| {hop.name} | {series} | {hop.client.median:.2f} | {hop.more:.2f} |"
    yield ""
    yield f"Allowed: {MOST_MS:g} ms in the median."


def missed(hops: list[Hop]) -> Iterator[str]:
    """Yield a sentence for every hop that costs too much."""
    for hop in hops:
        if hop.more > MOST_MS:
            yield f"Missed: a {hop.name} costs {hop.more:.1f} ms more than in the process; {MOST_MS:g} are allowed."


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    out = parser.parse_args().out
    token, load = secrets.token_hex(), round(os.getloadavg()[0], 2)
    with services(token) as urls:
        hops = asyncio.run(measure_all(urls, token))
    record = {
        "python": platform.python_version(),
        "load_before": load,
        "calls": TIMES,
        "milliseconds": {
            hop.name: {
                "local": hop.local.record(),
                "remote": hop.remote.record(),
                "client_processor_time": hop.client.record(),
                "hop": round(hop.more, 3),
            }
            for hop in hops
        },
        "targets_missed": [*missed(hops)],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "hops.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(report(hops, load))
    (out / "hops.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    for sentence in missed(hops):
        print(sentence, file=sys.stderr)
    return 1 if any(missed(hops)) else 0


if __name__ == "__main__":
    sys.exit(main())
