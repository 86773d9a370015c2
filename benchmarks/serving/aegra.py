"""Two instances of Aegra on one PostgreSQL and one Redis: 500 runs of many users, one instance killed in the middle.

Every run plans, reads, writes down a word that no other run has, and answers with it; a scripted model plays the
planner and the solver over HTTP. Clients create a run at either instance and join it, at the other one when theirs is
gone. Afterwards every run, every thread and every line that the tools left is looked at.

    make .venv-aegra/.installed
    .venv/bin/python benchmarks/serving/aegra.py [--runs 500] [--out benchmarks/results]

Needs PostgreSQL where databases may be made (AGENT_GRAPH_TEST_POSTGRES, else 127.0.0.1:5432) and redis-server.
Ends with 1 when an answer is missing, doubled or somebody else's, or a word was written twice. A write that the kill
met in the middle is not repeated: nobody knows whether it acted, and its run has to say so.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
from langgraph_sdk.client import LangGraphClient

from agent_graph.gateway.keys import Keys, new_key, write_keys
from agent_graph.testing import OpenAIServer
from benchmarks.serving.notes import NOTES
from benchmarks.serving.questions import question, reply, word, words
from deploy.processes import NotStarted, aegra, environment, free_port, redis

SERVER = os.environ.get("AGENT_GRAPH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
USERS, TURNS = 10, 2
AT_ONCE = 24
ENDED = ("success", "error", "interrupted", "timeout")
CONTEXT: dict[str, Any] = {"approval": "never", "max_replans": 0}
_TAKEN_OVER = "SELECT count(*) FROM runs WHERE execution_params ? '_retry_count'"
CONFIG = Path(__file__).with_name("aegra.json")


class Asked(NamedTuple):
    """One run as its client saw it."""

    word: str
    user: str
    thread: str
    run: str
    status: str
    answer: str
    unsure: bool
    """Whether the run says that it does not know if its write was done."""
    error: str
    seconds: float


class House(NamedTuple):
    """What the clients need to know."""

    urls: tuple[str, ...]
    keys: dict[str, str]
    notes: Path
    pids: tuple[int, ...]
    database: str


@contextmanager
def database() -> Iterator[str]:
    """Make an empty database, yield its address, and remove it."""
    name = f"aegra_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            info = server.info
            word = f":{info.password}" if info.password else ""
            yield f"postgresql://{info.user}{word}@{info.host}:{info.port}/{name}"
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def house(folder: Path, users: int = USERS, instances: int = 2) -> Iterator[House]:
    """Run Redis, a scripted model and instances of Aegra, and yield their addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"user-{number}": new_key(f"user-{number}") for number in range(users)}
    write_keys(folder / "keys.json", Keys(keys=tuple(kept for _, kept in made.values())))
    notes = folder / "notes.txt"
    notes.touch()
    with ExitStack() as stack:
        model = stack.enter_context(OpenAIServer(reply, models=["scripted"]))
        place = stack.enter_context(database())
        env = environment(
            DATABASE_URL=place,
            REDIS_URL=stack.enter_context(redis(folder, free_port())),
            OPENAI_BASE_URL=model.base_url,
            AEGRA_CONFIG=str(CONFIG),
            **{NOTES: str(notes)},
            AGENT_GRAPH_HOME=str(folder),
            AGENT_GRAPH_WEB="off",
            AGENT_GRAPH_MAX_RUNS="1000",
        )
        ports = [free_port() for _ in range(instances)]
        started = [
            stack.enter_context(aegra(f"aegra-{number}", port, folder=folder, env=env))
            for number, port in enumerate(ports)
        ]
        yield House(
            tuple(f"http://127.0.0.1:{port}" for port in ports),
            {user: key for user, (key, _) in made.items()},
            notes,
            tuple(one.pid for one in started),
            place,
        )


class Client:
    """One user at two instances: what one does not answer is asked of the other, as a load balancer would."""

    def __init__(self, house: House, user: str, down: set[int]) -> None:
        self.user = user
        self._down = down
        # The SDK's own client tries a dead address again and again, for up to a minute.
        self._https = [
            httpx.AsyncClient(base_url=url, headers={"x-api-key": house.keys[user]}, timeout=60)
            for url in house.urls
        ]

    async def close(self) -> None:
        for http in self._https:
            await http.aclose()

    def at(self, number: int) -> LangGraphClient:
        """Return a client of one of the instances that answer."""
        return LangGraphClient(self._http(number))

    def _http(self, number: int) -> httpx.AsyncClient:
        return self._https[number % 2 if number % 2 not in self._down else (number + 1) % 2]

    def lost(self, number: int) -> None:
        """Remember that an instance does not answer any more."""
        if not self._down:
            self._down.add(number % 2)

    async def ask(self, thread: str, of: str, first: int) -> Asked:
        """Start a run at one instance and stay with it until it has ended."""
        began = time.monotonic()
        run = await self._started(thread, of, first)
        found = await self._ended(thread, run, first)
        output = found.get("output") or {}
        return Asked(
            of,
            self.user,
            thread,
            run,
            found["status"],
            answer=(output.get("answer") or {}).get("text", ""),
            unsure=((output.get("evidence") or {}).get("E2") or {}).get("failure") == "interrupted",
            error=str(found.get("error_message") or ""),
            seconds=time.monotonic() - began,
        )

    async def _started(self, thread: str, of: str, first: int) -> str:
        for attempt in range(first, first + 20):
            client = self.at(attempt)
            try:
                if attempt > first:  # whoever did not answer may have started it all the same
                    for run in await client.runs.list(thread, limit=100):
                        if words(json.dumps(run.get("input")))[-1:] == [of]:
                            return str(run["run_id"])
                made = await client.runs.create(
                    thread, "agent", input={"task": question(of)}, context=CONTEXT
                )
                return str(made["run_id"])
            except httpx.TransportError:
                self.lost(attempt)
        raise AssertionError(f"no instance took {of}")

    async def _ended(self, thread: str, run: str, first: int) -> dict[str, Any]:
        for attempt in range(first, first + 400):
            http = self._http(attempt)
            try:
                # Without the SDK, whose stream would go on trying an instance that is gone.
                async with http.stream("GET", f"/threads/{thread}/runs/{run}/stream") as events:
                    async for _ in events.aiter_bytes():
                        pass
                found = (await http.get(f"/threads/{thread}/runs/{run}")).raise_for_status().json()
                if found["status"] in ENDED:
                    return dict(found)
            except httpx.TransportError:
                self.lost(attempt)
            await asyncio.sleep(0.3)
        return {"status": "lost"}


async def ask_all(house: House, runs: int, kill_after: int) -> tuple[list[Asked], list[list[str]], float]:
    """Ask everything, kill the second instance on the way; return the runs, each thread's words, and the seconds."""
    down: set[int] = set()
    clients = {user: Client(house, user, down) for user in house.keys}
    threads = max(1, runs // (len(clients) * TURNS))
    places = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(client: Client, thread: str, of: str, first: int) -> Asked:
        nonlocal done
        async with places:
            asked = await client.ask(thread, of, first)
        done += 1
        if done == kill_after:
            os.kill(house.pids[1], signal.SIGKILL)
        return asked

    try:
        made = {
            (user, number): str((await client.at(0).threads.create())["thread_id"])
            for user, client in clients.items()
            for number in range(threads)
        }
        began = time.monotonic()
        # Both turns of a thread at once, so that they meet on it.
        asked = await asyncio.gather(
            *(
                one(clients[user], thread, word(int(user.split("-")[1]), number, turn), number + turn)
                for (user, number), thread in made.items()
                for turn in range(TURNS)
            )
        )
        seconds = time.monotonic() - began
        said = [await _said(clients[user].at(0), thread) for (user, _), thread in made.items()]
    finally:
        for client in clients.values():
            await client.close()
    return asked, said, seconds


async def _said(client: LangGraphClient, thread: str) -> list[str]:
    """Return the words of a thread's messages, in order."""
    state: Any = await client.threads.get_state(thread)
    return words(json.dumps([message["content"] for message in state["values"].get("messages", [])]))


def judge(asked: list[Asked], said: list[list[str]], notes: str) -> dict[str, Any]:
    """Count what went wrong."""
    written = Counter(words(line)[0] for line in notes.splitlines() if line.startswith("noted "))
    kept = Counter(words(line)[0] for line in notes.splitlines() if line.startswith("kept "))
    read = Counter(words(line)[0] for line in notes.splitlines() if line.startswith("looked "))
    own = {one.thread: {each.word for each in asked if each.thread == one.thread} for one in asked}
    expected = {tuple(sorted(word for word in mine for _ in range(2))) for mine in own.values()}
    return {
        "runs": len(asked),
        "answered": sum(one.status == "success" and words(one.answer) == [one.word] for one in asked),
        "not answered": [one._asdict() for one in asked if one.status != "success" or not one.answer][:5],
        "answers with another run's word": sum(set(words(one.answer)) - {one.word} != set() for one in asked),
        "run ids given twice": len(asked) - len({one.run for one in asked}),
        "threads": len(said),
        "threads with a message missing or doubled": sum(
            tuple(sorted(mine)) not in expected for mine in said
        ),
        "words written": len(written),
        "words written twice": sum(count > 1 for count in written.values()),
        "words whose writing was cut off": len(set(written) - set(kept)),
        "words never written": sum(one.word not in written for one in asked),
        "runs that say so of the last two": sum(one.unsure and one.word not in kept for one in asked),
        "words missing without a run that says so": sum(
            one.word not in kept and not one.unsure for one in asked
        ),
        "reads done twice": sum(count > 1 for count in read.values()),
    }


def right(found: dict[str, Any]) -> bool:
    """Whether every run was answered once with its own word and nothing was written twice."""
    wrong = (
        "answers with another run's word",
        "run ids given twice",
        "threads with a message missing or doubled",
        "words written twice",
        "words missing without a run that says so",
    )
    return bool(found["answered"] == found["runs"]) and not any(found[name] for name in wrong)


def measure(runs: int, kill_after: int) -> dict[str, Any]:
    """Run it all and return what was found."""
    with tempfile.TemporaryDirectory() as folder, house(Path(folder)) as running:
        asked, said, seconds = asyncio.run(ask_all(running, runs, kill_after))
        found = judge(asked, said, running.notes.read_text())
        took = sorted(one.seconds for one in asked)
        with psycopg.connect(running.database) as asking:
            (over,) = asking.execute(_TAKEN_OVER).fetchone() or (0,)
        lives = {line.split()[-1] for line in running.notes.read_text().splitlines()}
    return found | {
        "instances that did work": len(lives),
        "runs taken over from the killed one": over,
        "killed after": kill_after,
        "seconds": round(seconds, 1),
        "runs/s": round(len(asked) / seconds, 1),
        "seconds of a run, median": round(took[len(took) // 2], 2),
        "seconds of a run, longest": round(took[-1], 2),
    }


def table(columns: dict[str, dict[str, Any]]) -> str:
    """Return the results as markdown."""
    names = [name for name in next(iter(columns.values())) if name != "not answered"]
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(str(found[name]) for found in columns.values())} |" for name in names]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results")
    options = parser.parse_args()
    try:
        killed = measure(options.runs, options.runs * 3 // 10)
    except (NotStarted, psycopg.OperationalError) as error:
        sys.exit(f"Nothing was measured: {error}")
    text = table({"one of two instances killed": killed})
    print(text)
    if killed["not answered"]:
        print(json.dumps(killed["not answered"], indent=1))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "aegra.json").write_text(json.dumps(killed, indent=1) + "\n")
    told = (
        f"# Runs on Aegra while an instance is killed\n\n{text}\n\nOn {os.cpu_count()} processors, with the model, "
        "the databases and the clients on them too. Made by `benchmarks/serving/aegra.py`.\n"
    )
    (options.out / "aegra.md").write_text(told)
    sys.exit(not right(killed))


if __name__ == "__main__":
    main()
