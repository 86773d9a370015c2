"""What is lost, and what is done twice, when parts of a divided agent die while people are being served.

Real processes on this machine: a scripted model, a Chroma server, the three role services, PostgreSQL, Redis, Aegra
and the LangGraph server. In the middle of each batch of runs something happens: a role service, Chroma or the database
is killed and started again, far more runs are asked for than may go on, clients hang up and come back. Every run looks
something up and writes down a word that no other run has (and, where Chroma dies, searches the documents); both tools
leave a line that outlives their process. Clients do what clients do: a request that does not come through is sent
again when nothing was started by it, and a run that failed inside a program is resumed from its checkpoint.

    make .venv-aegra/.installed
    .venv/bin/python benchmarks/serving/faults.py [--runs 40] [--only NAME] [--out benchmarks/results]

Needs PostgreSQL's programs and redis-server. Ends with 1 when a run was lost, or something was written twice.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx

from agent_graph.testing import OpenAIServer
from benchmarks.serving.notes import NOTES
from benchmarks.serving.processes import (
    Mortal,
    aegra_instance,
    chroma,
    development_server,
    ingest,
    key_of,
    role_service,
)
from benchmarks.serving.questions import SEARCHING, question, reply, word, words
from deploy.postgres import postgres
from deploy.processes import NotStarted, environment, free_port, redis

AT_ONCE = 8
ROLES = ("planner", "worker", "solver")
DOWN_S = 2.0
"""How long the database and Chroma stay away."""
PATIENCE_S = 150.0
"""A run that has not ended by then is lost."""
WRITING_S = 10.0
"""How long a fault waits for its moment."""
MOST_RUNS = 20
"""Of one user at a time, where the queue is filled."""
CONTEXT: dict[str, Any] = {"approval": "never", "max_replans": 0}
ENDED = ("success", "error", "interrupted", "timeout")

End = Literal["answered", "refused", "failed", "lost"]


class Asked(NamedTuple):
    """One run as its client saw it."""

    word: str
    end: End
    said: str
    """The answer, or the sentence of the refusal or failure."""
    steps: dict[str, str]
    """Of an answered run: its steps that have no value, and why."""
    began: float
    ended: float
    resumed: int = 0
    """How often its client had to send or resume it again."""

    @property
    def unsure(self) -> bool:
        """Whether it says that it does not know if it has written."""
        return "outcome is unknown" in self.steps.get("E2", "")


Ask = Callable[[str], Awaitable[Asked]]
Strike = Callable[[], None]


@dataclass
class House:
    """What runs, and may be killed."""

    folder: Path
    env: dict[str, str]
    model: OpenAIServer
    key: str
    roles: dict[str, Mortal]
    chroma: Mortal
    database: Mortal
    gateway: str
    notes: Path
    words: int = 0
    """Asked for so far: none is asked for twice."""
    cut_off: int = 0
    """Writes that earlier deaths cut off."""

    def await_write(self) -> None:
        """Return while a tool writes: a death is at its worst then."""
        deadline = time.monotonic() + WRITING_S
        while time.monotonic() < deadline:
            did = Counter(line.split(" ", 1)[0] for line in self.notes.read_text().splitlines())
            if did["noted"] > did["kept"] + self.cut_off:
                return
            time.sleep(0.005)

    def role(self, name: str) -> Strike:
        """Return what kills a role's service and starts it again."""

        def strike() -> None:
            self.roles[name].kill(signal.SIGKILL)
            self.roles[name].start()

        return strike

    def strike_chroma(self) -> None:
        """Kill Chroma and start it again after a while."""
        self.chroma.kill(signal.SIGKILL)
        time.sleep(DOWN_S)
        self.chroma.start()

    def strike_database(self) -> None:
        """Stop the database at once, without a word to those connected, and start it again after a while."""
        self.database.kill(signal.SIGQUIT)
        time.sleep(DOWN_S)
        self.database.start()


def nothing() -> None:
    """Where the fault is in what the clients do."""


async def batch(house: House, ask: Ask, strike: Strike, runs: int, at_once: int) -> tuple[list[Asked], float]:
    """Ask everything, strike after a third of the answers while a tool writes; return the runs and when it was."""
    first, house.words = house.words, house.words + runs
    room, struck, done = asyncio.Semaphore(at_once), time.monotonic(), 0
    striking: list[asyncio.Task[None]] = []

    def struck_at() -> None:
        nonlocal struck
        house.await_write()
        struck = time.monotonic()
        strike()

    async def one(number: int) -> Asked:
        nonlocal done
        async with room:
            asked = await ask(word(0, number, 0))
        done += 1
        if done == runs // 3:
            striking.append(asyncio.create_task(asyncio.to_thread(struck_at)))
        return asked

    asked = await asyncio.gather(*(one(number) for number in range(first, first + runs)))
    for task in striking:
        await task
    return list(asked), struck


class Server:
    """A client of a server with LangGraph's API, each run on a thread of its own."""

    def __init__(self, url: str, key: str, *, searching: bool = False) -> None:
        self._searching = searching
        # Without the SDK, which would itself send again what did not come through.
        headers = {"x-api-key": key} if key else {}
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)

    async def ask(self, of: str) -> Asked:
        """Start a run and stay with it until it has ended."""
        began = time.monotonic()
        thread, tries = "", 0
        while time.monotonic() - began < PATIENCE_S:
            tries += 1
            try:
                thread = thread or str((await self._sent("POST", "/threads", {}))["thread_id"])
                run = await self._started(thread, of, again=tries > 1)
                return await self._followed(thread, run, of, began, tries - 1)
            except Refusal as refusal:
                return Asked(of, "refused", str(refusal), {}, began, time.monotonic(), tries - 1)
            except httpx.HTTPError:
                await asyncio.sleep(0.3)
        return Asked(of, "lost", "no answer to any request", {}, began, time.monotonic(), tries)

    async def _followed(self, thread: str, run: str, of: str, began: float, resumed: int) -> Asked:
        while time.monotonic() - began < PATIENCE_S:
            try:
                await self.joined(thread, run)
                found = await self._sent("GET", f"/threads/{thread}/runs/{run}")
                if found["status"] in ENDED:
                    return await self._told(thread, found, of, began, resumed)
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.3)
        return Asked(of, "lost", f"the run {run} has not ended", {}, began, time.monotonic(), resumed)

    async def joined(self, thread: str, run: str) -> None:
        """Hear a run to the end of its stream."""
        async with self.http.stream("GET", f"/threads/{thread}/runs/{run}/stream") as events:
            async for _ in events.aiter_bytes():
                pass

    async def _told(self, thread: str, found: dict[str, Any], of: str, began: float, resumed: int) -> Asked:
        state = await self._sent("GET", f"/threads/{thread}/state")
        values = state.get("values") or {}
        answer = str((values.get("answer") or {}).get("text", ""))
        end: End = "answered" if found["status"] == "success" and words(answer) == [of] else "failed"
        said = answer if end == "answered" else str(found.get("error_message") or _error(state))
        steps = _without_value(values.get("evidence") or {})
        return Asked(of, end if said else "lost", said, steps, began, time.monotonic(), resumed)

    async def _started(self, thread: str, of: str, *, again: bool) -> str:
        if again:  # what did not come through may have been carried out all the same
            for run in await self._sent("GET", f"/threads/{thread}/runs"):
                return str(run["run_id"])
        made = await self._sent("POST", f"/threads/{thread}/runs", self.body(of))
        return str(made["run_id"])

    def body(self, of: str) -> dict[str, Any]:
        """Return the request for a run."""
        task = question(of) + (SEARCHING if self._searching else "")
        return {"assistant_id": "agent", "input": {"task": task}, "context": CONTEXT}

    async def _sent(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self.http.request(method, path, json=body)
        if reply.status_code == 429:
            raise Refusal(str(reply.json().get("detail", "")))
        return reply.raise_for_status().json()


class Refusal(Exception):
    """The server said that there are too many runs, in a sentence."""


class Leaving(Server):
    """A client that hangs up in the middle of its run, and comes back."""

    async def joined(self, thread: str, run: str) -> None:
        """Hear the beginning of a stream, hang up, and hear the rest on a new connection."""
        place = f"/threads/{thread}/runs/{run}/stream"
        async with self.http.stream("GET", place) as events:
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    break
        await super().joined(thread, run)


def _error(state: dict[str, Any]) -> str:
    return "; ".join(str(task.get("error")) for task in state.get("tasks") or () if task.get("error"))


def _without_value(evidence: dict[str, Any]) -> dict[str, str]:
    return {
        step: f"{one['failure']}: {one['error']}" for step, one in evidence.items() if one["status"] != "ok"
    }


class Program:
    """A program that runs the graph itself, with checkpoints in PostgreSQL, and resumes what has failed."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    async def ask(self, of: str) -> Asked:
        """Run, and go on from the last checkpoint for as long as the run fails."""
        from agent_graph import Context

        began, resumed, said = time.monotonic(), 0, ""
        config: Any = {"configurable": {"thread_id": of}}
        context = Context(**CONTEXT)
        while time.monotonic() - began < PATIENCE_S:
            try:
                begun = resumed and (await self._agent.aget_state(config)).created_at is not None
                given = None if begun else {"task": question(of)}
                values = await self._agent.ainvoke(given, config, context=context)
            except Exception as error:
                said, resumed = f"{type(error).__name__}: {error}", resumed + 1
                await asyncio.sleep(0.3)
                continue
            evidence = {step: one.model_dump() for step, one in values["evidence"].items()}
            answer = values["answer"].text
            end: End = "answered" if words(answer) == [of] else "failed"
            return Asked(of, end, answer, _without_value(evidence), began, time.monotonic(), resumed)
        return Asked(of, "lost", said, {}, began, time.monotonic(), resumed)


def judge(asked: Sequence[Asked], struck: float, notes: str) -> dict[str, Any]:
    """Count what became of the runs of one batch."""
    did = Counter(line.rsplit(" ", 1)[0] for line in notes.splitlines())
    mine = [one.word for one in asked]
    ends = Counter(one.end for one in asked)
    after = [one.ended - struck for one in asked if one.end == "answered" and one.began >= struck]
    answered = [one for one in asked if one.end == "answered"]
    kept = {one.word for one in asked if did[f"kept {one.word}"]}
    return {
        "runs asked": len(asked),
        "answered": ends["answered"],
        "refused with a sentence": ends["refused"],
        "failed with a sentence": ends["failed"],
        "lost": ends["lost"] + sum("E2" not in one.steps and one.word not in kept for one in answered),
        "writes done twice": sum(did[f"noted {one}"] > 1 for one in mine),
        "writes of refused runs": sum(did[f"noted {one.word}"] > 0 for one in asked if one.end == "refused"),
        "writes cut off": sum(did[f"noted {one}"] > did[f"kept {one}"] for one in mine),
        "writes reported as unknown": sum(one.unsure for one in asked),
        "reads repeated": sum(did[f"looked {one}"] > 1 for one in mine),
        "other steps that failed and were named": sum(
            len(one.steps.keys() - {"E2"}) + ("E2" in one.steps and not one.unsure) for one in answered
        ),
        "runs resumed or sent again by their client": sum(one.resumed > 0 for one in asked),
        "seconds until a run asked after the fault was answered": round(min(after), 1) if after else None,
        "seconds of the longest run": round(max(one.ended - one.began for one in asked), 1),
        "sentences": dict(Counter(one.said[:300] for one in asked if one.end != "answered").most_common(5)),
        "steps": dict(Counter(why[:300] for one in asked for why in one.steps.values()).most_common(5)),
    }


def right(found: dict[str, Any]) -> bool:
    """Whether nothing was lost and nothing was written twice."""
    return not any(found[name] for name in ("lost", "writes done twice", "writes of refused runs"))


class Fault(NamedTuple):
    """One batch: who is asked, and what happens."""

    name: str
    measure: Callable[[House, int], Coroutine[Any, Any, tuple[list[Asked], float]]]


async def _at_gateway(
    strike: Callable[[House], Strike], house: House, runs: int, *, searching: bool = False
) -> tuple[list[Asked], float]:
    client = Server(house.gateway, house.key, searching=searching)
    async with client.http:
        return await batch(house, client.ask, strike(house), runs, AT_ONCE)


async def _in_program(house: House, runs: int) -> tuple[list[Asked], float]:
    from agent_graph import build_agent
    from agent_graph.checkpoint import open_checkpointer
    from agent_graph.settings import read_settings

    os.environ.update(house.env)
    async with open_checkpointer(house.env["DATABASE_URL"]) as saver:
        agent = build_agent(settings=read_settings(), checkpointer=saver)
        return await batch(house, Program(agent).ask, house.strike_database, runs, AT_ONCE)


async def _filled(kind: str, house: House, runs: int) -> tuple[list[Asked], float]:
    env = house.env | {"AGENT_GRAPH_MAX_RUNS": str(MOST_RUNS)}
    with ExitStack() as stack:
        served = stack.enter_context(
            aegra_instance(house.folder, env, key=house.key)
            if kind == "Aegra"
            else development_server(house.folder, env, jobs=4, key=house.key)
        )
        client = Server(served.url, house.key)
        async with client.http:
            return await batch(house, client.ask, nothing, 4 * runs, 4 * runs)


async def _crowded(house: House, runs: int) -> tuple[list[Asked], float]:
    client = Server(house.gateway, house.key)
    async with client.http:
        return await batch(house, client.ask, nothing, 4 * runs, 4 * runs)


async def _left(kind: str, house: House, runs: int) -> tuple[list[Asked], float]:
    with ExitStack() as stack:
        url = house.gateway
        if kind != "Aegra":
            served = development_server(house.folder, house.env, jobs=AT_ONCE, key=house.key)
            url = stack.enter_context(served).url
        client = Leaving(url, house.key)
        async with client.http:
            return await batch(house, client.ask, nothing, runs, AT_ONCE)


FAULTS = (
    *(
        Fault(f"the {role} service is killed", partial(_at_gateway, partial(House.role, name=role)))
        for role in ROLES
    ),
    Fault(
        "Chroma is killed",
        partial(_at_gateway, lambda house: house.strike_chroma, searching=True),
    ),
    Fault("the database dies under Aegra", partial(_at_gateway, lambda house: house.strike_database)),
    Fault("the database dies under a program", _in_program),
    Fault("four times as many runs at once, Aegra", _crowded),
    Fault(f"a user asks beyond the limit of {MOST_RUNS}, Aegra", partial(_filled, "Aegra")),
    Fault(f"a user asks beyond the limit of {MOST_RUNS}, LangGraph server", partial(_filled, "LangGraph")),
    Fault("clients hang up and come back, Aegra", partial(_left, "Aegra")),
    Fault("clients hang up and come back, LangGraph server", partial(_left, "LangGraph")),
)


def measure(faults: Sequence[Fault], runs: int) -> dict[str, dict[str, Any]]:
    """Start everything, let each fault happen, and return what was found."""
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        house = _house(Path(home), stack)
        for fault in faults:
            began, load = house.notes.stat().st_size, round(os.getloadavg()[0], 2)
            started = time.monotonic()
            asked, struck = asyncio.run(fault.measure(house, runs))
            with house.notes.open() as notes:
                notes.seek(began)
                judged = judge(asked, struck, notes.read())
            house.cut_off += judged["writes cut off"]
            seconds = round(time.monotonic() - started, 1)
            found[fault.name] = judged | {"seconds in all": seconds, "load average before": load}
            print(fault.name, json.dumps(found[fault.name], indent=1), flush=True)
    return found


def _house(folder: Path, stack: ExitStack) -> House:
    folder.chmod(0o755)  # PostgreSQL has a user of its own
    notes = folder / "notes.txt"
    notes.touch()
    model = stack.enter_context(OpenAIServer(reply, models=["scripted"]))
    port, place = free_port(), free_port()
    base = stack.enter_context(
        Mortal(partial(postgres, folder / "postgres", port, log=folder / "postgres.log"))
    )
    documents = stack.enter_context(Mortal(partial(chroma, folder, place)))
    env = environment(
        OPENAI_BASE_URL=model.base_url,
        OPENAI_API_KEY="none",
        AGENT_GRAPH_HOME=str(folder),
        AGENT_GRAPH_KNOWLEDGE=f"http://127.0.0.1:{place}",
        AGENT_GRAPH_WEB="off",
        AGENT_GRAPH_SERVICE_TOKEN=secrets.token_hex(),
        AGENT_GRAPH_MAX_RUNS="1000",
        **{NOTES: str(notes)},
    )
    ingest(env)
    roles = {}
    for role in ROLES:
        ours = free_port()
        begin = partial(
            role_service, role, ours, folder=folder, env=dict(env), tools="benchmarks.serving.notes:tools"
        )
        roles[role] = stack.enter_context(Mortal(begin))
        env[f"AGENT_GRAPH_{role.upper()}_URLS"] = f"http://127.0.0.1:{ours}"
    env["DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    env["REDIS_URL"] = stack.enter_context(redis(folder, free_port()))
    del env["AGENT_GRAPH_KNOWLEDGE"]  # the worker's alone
    key = key_of(folder)
    gateway = stack.enter_context(aegra_instance(folder, env, key=key)).url
    return House(folder, env, model, key, roles, documents, base, gateway, notes)


def _report(found: dict[str, dict[str, Any]], runs: int) -> str:
    told = ("sentences", "steps")
    names = [name for name in next(iter(found.values()), {}) if name not in told]
    lines = [f"| | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    lines += [
        f"| {fault} | {' | '.join('' if one[name] is None else str(one[name]) for name in names)} |"
        for fault, one in found.items()
    ]
    said = [
        f"- {fault}: {sentence} ({count})"
        for fault, one in found.items()
        for kind in told
        for sentence, count in one[kind].items()
    ]
    table, listed = "\n".join(lines), "\n".join(said) or "Nothing."
    return f"""\
# What is lost when parts die

Gateways, three role services (one process each), Chroma, PostgreSQL, Redis, the model and the clients on {os.cpu_count()}
processors. {runs} runs in a batch, {AT_ONCE} at a time ({4 * runs} at once where more are asked for than may go on); the
fault comes after a third of the answers, while a tool writes; a killed part is started again at once, Chroma and the database after {DOWN_S:g} s.
A write that a death cut off is not repeated: nobody knows whether it acted, and its run says so. Made by
`benchmarks/serving/faults.py`.

{table}

What was said of refused and failed runs, and of steps without a value, with how often:

{listed}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", help="faults whose names hold this")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if not options.only or options.only in fault.name]
    try:
        found = measure(faults, options.runs)
    except NotStarted as error:
        sys.exit(f"Nothing was measured: {error}")
    text = _report(found, options.runs)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "faults.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (options.out / "faults.md").write_text(text, encoding="utf-8")
    return int(not all(map(right, found.values())))


if __name__ == "__main__":
    sys.exit(main())
