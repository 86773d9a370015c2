"""The three roles as real processes, started by the command line, killed and restarted in the middle of runs."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
import worker_tools
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import SecretStr
from role_services import closed_port, losses
from stored import until_stored
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph import Agent, Context, build_agent
from agent_graph.events import Event, decode
from agent_graph.settings import read_settings
from agent_graph.testing import OpenAIServer, Stall

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("role_processes")]

HERE = Path(__file__).parent
TOKEN = "a secret of the three"
ROLES = ("planner", "worker", "solver")
LOOK = '#E1 = look(name="Ann")\n#E2 = look(name="#E1.name Lee")\n'
FOUND = "She is called Ann Lee and known by 7 characters [E2]."
ONCE = Context(approval="never", max_replans=0, step_timeout_s=120)
"""A process takes its time to start again on a busy machine."""


class Stories:
    """A model's replies: by a word of the question, for the planner and for the solver, each list in order."""

    def __init__(self) -> None:
        self._plans: dict[str, list[Any]] = {}
        self._answers: dict[str, list[Any]] = {}

    def tell(self, word: str, plans: list[Any], answers: list[Any]) -> dict[str, str]:
        """Add a story and return its question."""
        self._plans[word], self._answers[word] = plans, answers
        return {"task": f"What of {word}?"}

    def __call__(self, body: dict[str, Any]) -> Any:
        prompt = json.dumps(body["messages"])
        told = self._answers if "The plan that was run" in prompt else self._plans
        return next(replies for word, replies in told.items() if word in prompt).pop(0)


class Process:
    """A role's service in a process of its own, always on the same port."""

    def __init__(self, house: "House", role: str, environment: dict[str, str]) -> None:
        self.role, self._house = role, house
        self.url = closed_port()
        self._environment = environment
        self.running: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start, or start again; `ready` waits until it serves."""
        more = ["--tools", "worker_tools:TOOLS"] if self.role == "worker" else []
        port = self.url.rpartition(":")[2]
        arguments = [*("role", self.role, "--port", port), *more]
        self.running = self._house.popen(arguments, self._environment)

    def ready(self) -> str:
        """Wait until it serves and return its address."""
        assert self.running is not None
        assert self.running.stdout is not None
        assert self.running.stdout.readline().split() == [self.role, self.url], self._house.complaints
        return self.url

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()
        self.running.wait()

    async def restart(self) -> None:
        self.start()
        await asyncio.to_thread(self.ready)

    def end(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self.running is not None
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(60)


class House:
    """What the processes of one divided agent share on this machine."""

    def __init__(self, folder: Path, model: OpenAIServer, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self._listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._listening.settimeout(60)
        self._speaker: socket.socket | None = None
        self.spans = folder / "spans"
        ours = ("OPENAI_", "AGENT_GRAPH_", "OTEL_")
        self.plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.plain |= {"AGENT_GRAPH_HOME": str(folder), "AGENT_GRAPH_WEB": "off"}
        self.plain |= {"AGENT_GRAPH_SERVICE_TOKEN": TOKEN, "PYTHONPATH": f"{HERE.parent}:{HERE}"}
        asks = {"OPENAI_BASE_URL": model.base_url, "AGENT_GRAPH_MODEL": "openai:test-model"}
        self.secrets = {
            "planner": {**asks, "OPENAI_API_KEY": "key-of-the-planner"},
            "worker": {
                "ROLE_TEST_LOG": str(folder / "log"),
                "ROLE_TEST_PORT": str(self._listening.getsockname()[1]),
            },
            "solver": {**asks, "OPENAI_API_KEY": "key-of-the-solver"},
        }
        self.all = {role: [self.process(role)] for role in ROLES}
        """The replicas of each role."""
        for (one,) in self.all.values():
            one.ready()

    def process(self, role: str) -> Process:
        """Start another process of a role."""
        return Process(self, role, {**self.plain, **self.secrets[role]})

    def popen(self, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        """Start a process that ends with this house."""
        command = [sys.executable, str(HERE / "role_process.py"), str(self.spans), *arguments]
        log = self._stack.enter_context((self.folder / "complaints").open("a"))
        started = subprocess.Popen(
            command, env=environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self._stack.callback(
            lambda: (started.kill(), started.wait(), started.stdout and started.stdout.close())
        )
        return started

    @property
    def complaints(self) -> str:
        return (self.folder / "complaints").read_text()

    async def kill(self, role: str, number: int | None = None) -> None:
        """Kill the first replica, or that process; start it again at once if there is no other."""
        for one in self.all[role]:
            assert one.running is not None
            if number in (None, one.running.pid):
                one.kill()
                if len(self.all[role]) == 1:
                    await one.restart()
                else:
                    self.all[role].remove(one)
                return
        raise AssertionError("no such process")

    @property
    def of(self) -> dict[str, Process]:
        """The first replica of each role."""
        return {role: replicas[0] for role, replicas in self.all.items()}

    def urls(self) -> dict[str, str]:
        """Return where the roles are, as settings."""
        return {f"{role}_urls": ",".join(one.url for one in all_) for role, all_ in self.all.items()}

    def agent(self) -> Agent:
        """Build a graph that has neither models nor tools of its own."""
        update = {**self.urls(), "service_token": SecretStr(TOKEN)}
        return build_agent(settings=read_settings().model_copy(update=update), checkpointer=InMemorySaver())

    def told(self) -> list[list[str]]:
        """Return the trace, the name and the process of every span that has ended."""
        whole, _, _ = self.spans.read_text().rpartition("\n")
        return [line.split("\t") for line in whole.splitlines()]

    def log(self) -> list[str]:
        """Return what the tools have done, and forget it."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    async def said(self) -> tuple[str, int]:
        """Wait for what a tool says, and return it with the number of the worker's process."""
        self._speaker, _ = await asyncio.to_thread(self._listening.accept)
        self._stack.callback(self._speaker.close)
        self._speaker.settimeout(60)
        what, number = (await asyncio.to_thread(self._speaker.recv, 100)).decode().split()
        return what, int(number)

    def let_go(self) -> None:
        """Let the tool that has just said something go on."""
        assert self._speaker is not None
        self._speaker.sendall(b"!")


@pytest.fixture(scope="module")
def stories() -> Stories:
    return Stories()


@pytest.fixture(scope="module")
def model(stories: Stories) -> Iterator[OpenAIServer]:
    with OpenAIServer(stories, models=["test-model"]) as server:
        yield server


@pytest.fixture(scope="module")
def house(model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The three processes, for all tests of this file; a test that kills one starts it again."""
    with ExitStack() as stack:
        yield House(tmp_path_factory.mktemp("roles"), model, stack)


async def told_by(agent: Agent, task: Any, context: Context = ONCE) -> AsyncIterator[Event | dict[str, Any]]:
    """Yield the events of a run, and its final state last."""
    state: Any = {}
    config: Any = {"configurable": {"thread_id": task["task"]}}
    async for mode, part in agent.astream(task, config, context=context, stream_mode=["custom", "values"]):
        if mode == "custom":
            yield decode(part)
        else:
            state = part
    yield state


async def run(
    agent: Agent, task: Any, on: Callable[[Event], Awaitable[None]] | None = None
) -> tuple[Any, list[str]]:
    """Run, doing something at each event; return the final state and the kinds of the events."""
    kinds: list[str] = []
    async with aclosing(told_by(agent, task)) as parts:
        async for part in parts:
            if isinstance(part, dict):
                return part, kinds
            kinds.append(part.type)
            if on is not None:
                await on(part)
    raise AssertionError("a run ends with its state")


async def test_three_processes_answer_like_one(
    house: House, stories: Stories, model: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools, plan, evidence, answer and events are those of one process, and each role shows its own key only."""
    task = stories.tell("everyone", [LOOK, LOOK], [FOUND, FOUND])
    apart, told_apart = await run(house.agent(), task)
    shown = {request.headers["authorization"] for request in model.requests}
    assert shown == {"Bearer key-of-the-planner", "Bearer key-of-the-solver"}
    assert house.log() == ["look Ann", "look Ann Lee"]
    monkeypatch.setenv("ROLE_TEST_LOG", str(house.folder / "log"))
    together = build_agent(
        models="openai:test-model",
        tools=worker_tools.TOOLS,
        settings=read_settings().model_copy(
            update={"openai_base_url": model.base_url, "openai_api_key": SecretStr("k")}
        ),
        checkpointer=InMemorySaver(),
    )
    whole, told = await run(together, task)
    assert apart["answer"] == whole["answer"]
    assert apart["answer"].text == FOUND
    assert apart["plan"] == whole["plan"]
    assert [one.value for one in apart["evidence"].values()] == [
        {"name": "Ann", "age": 3},
        {"name": "Ann Lee", "age": 7},
    ]
    assert sorted(told_apart) == sorted(told)
    assert house.log() == ["look Ann", "look Ann Lee"]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_planner_killed_while_it_writes(house: House, stories: Stories, replicas: int) -> None:
    """Its steps so far are reset, its successor writes the plan, and what had been found is not asked for again."""
    word = f"planning {replicas}"
    task = stories.tell(word, [Stall(LOOK, after=LOOK.index("#E2") + 5), LOOK], [FOUND])
    agent = await with_replicas(house, "planner", replicas)
    strikes = iter(["planner"])

    async def strike(event: Event) -> None:
        if event.type == "step_finished":
            for once in strikes:
                await house.kill(once)

    state, told = await run(agent, task, strike)
    assert state["answer"].text == FOUND
    assert told.count("plan_reset") == 1
    assert "planner service was lost" in state["plan"].remarks[0]
    assert house.log() == ["look Ann", "look Ann Lee"]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_solver_killed_while_it_answers(house: House, stories: Stories, replicas: int) -> None:
    """Its text so far is reset and its successor answers; no step runs again."""
    task = stories.tell(f"solving {replicas}", [LOOK], [Stall(FOUND, after=20), FOUND])
    agent = await with_replicas(house, "solver", replicas)
    strikes = iter(["solver"])

    async def strike(event: Event) -> None:
        if event.type == "answer_text":
            for once in strikes:
                await house.kill(once)

    state, told = await run(agent, task, strike)
    assert state["answer"].text == FOUND
    assert told.count("answer_reset") == 1
    assert house.log() == ["look Ann", "look Ann Lee"]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_worker_killed_while_it_reads(house: House, stories: Stories, replicas: int) -> None:
    """A step that only reads is called once more, on its successor; the steps before it are not."""
    plan = '#E1 = look(name="Ann")\n#E2 = held(name="#E1.name")\n'
    task = stories.tell(f"reading {replicas}", [plan], ["Ann was found [E2]."])
    agent = await with_replicas(house, "worker", replicas)

    async def strike() -> None:
        what, number = await house.said()
        assert what == "held"
        await house.kill("worker", number)

    killing = asyncio.create_task(strike())
    state, told = await run(agent, task)
    await killing
    assert state["answer"].text == "Ann was found [E2]."
    assert (state["evidence"]["E2"].value, state["evidence"]["E2"].attempts) == ("Ann was found", 2)
    assert (told.count("step_retried"), told.count("step_started")) == (1, 2)
    assert house.log() == ["look Ann", "held Ann", "held Ann"]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_worker_killed_right_after_it_wrote(house: House, stories: Stories, replicas: int) -> None:
    """What may have acted is not done again, by nobody: its outcome is unknown and said so, the rest is answered."""
    plan = '#E1 = pay(to="Ann")\n#E2 = look(name="Bo")\n'
    task = stories.tell(f"paying {replicas}", [plan], ["It is not known whether Ann was paid; Bo is [E2]."])
    agent = await with_replicas(house, "worker", replicas)

    async def strike() -> None:
        what, number = await house.said()
        assert what == "paid"
        await house.kill("worker", number)

    killing = asyncio.create_task(strike())
    state, _ = await run(agent, task)
    await killing
    assert (state["evidence"]["E1"].status, state["evidence"]["E1"].failure) == ("failed", "interrupted")
    assert "its outcome is unknown" in state["evidence"]["E1"].error
    assert state["evidence"]["E2"].ok
    assert house.log() == ["pay Ann", "look Bo"]


async def test_a_write_waits_for_a_worker_that_is_not_there(house: House, stories: Stories) -> None:
    """Nothing was sent, so even a step that writes is sent again when the worker is back, and acts once."""
    worker = house.of["worker"]
    task = stories.tell("waiting", ['#E1 = wait(name="Ann")\n'], ["It was done [E1]."])
    agent = house.agent()
    worker.kill()
    with losses() as lost:
        running = asyncio.create_task(run(agent, task))
        assert "could not be reached" in await lost.next()
        await worker.restart()
    assert (await house.said())[0] == "waiting"
    house.let_go()
    state, _ = await running
    assert state["evidence"]["E1"].value == "waited for Ann"
    assert house.log() == []


async def test_sigterm_lets_calls_end(house: House, stories: Stories) -> None:
    """A service that is asked to end takes no call any more, ends those under way, and exits with 0."""
    worker = house.of["worker"]
    task = stories.tell("draining", ['#E1 = wait(name="Ann")\n'], ["It was done [E1]."])
    running = asyncio.create_task(run(house.agent(), task))
    assert (await house.said())[0] == "waiting"
    ending = asyncio.create_task(asyncio.to_thread(worker.end))
    await refused(worker.url)
    house.let_go()
    state, _ = await running
    assert state["evidence"]["E1"].value == "waited for Ann"
    assert await ending == 0
    await worker.restart()


async def test_a_cancelled_run_cancels_its_tool_in_the_other_process(house: House, stories: Stories) -> None:
    """The tool hears of it."""
    task = stories.tell("cancelling", ['#E1 = wait(name="Ann")\n'], [])
    running = asyncio.create_task(run(house.agent(), task))
    assert (await house.said())[0] == "waiting"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await house.said())[0] == "cancelled"


async def test_a_worker_killed_while_a_person_is_asked(house: House, stories: Stories) -> None:
    """A question is kept by the graph: another process of the worker goes on with the answer, once."""
    task = stories.tell("signing", ['#E1 = sign(what="the deed")\n'], ["It was signed [E1]."])
    agent: Any = house.agent()
    config = {"configurable": {"thread_id": "signing"}}
    paused = await agent.ainvoke(task, config, context=ONCE)
    assert [one.value for one in paused["__interrupt__"]] == ["Who signs the deed?"]
    await house.kill("worker")
    result = await agent.ainvoke(Command(resume="Ann"), config)
    assert result["evidence"]["E1"].value == "the deed was signed by Ann"
    assert house.log() == ["asked the deed", "asked the deed", "signed the deed Ann"]


async def test_a_graph_killed_between_its_services(house: House, stories: Stories) -> None:
    """The next process resumes the run: no model is asked again for the plan, no stored step runs again.

    And the spans of both graphs and of the three services stand in one trace.
    """
    plan = '#E1 = look(name="Ann")\n#E2 = held(name="#E1.name")\n'
    task = stories.tell("graphs", [plan], ["Ann was found [E2]."])
    house.spans.unlink(missing_ok=True)
    urls = {f"AGENT_GRAPH_{name.upper()}": value for name, value in house.urls().items()}
    database = f"sqlite:///{house.folder}/runs.sqlite"
    environment = {**house.plain, **urls, "ROLE_TEST_SAVER": database}
    arguments = ["run", "1", task["task"]]
    first = house.popen(arguments, environment)
    assert (await house.said())[0] == "held"
    await until_stored(database, {"configurable": {"thread_id": "1"}}, "E1")
    first.kill()
    first.wait()
    second = house.popen(arguments, environment)
    out, _ = await asyncio.to_thread(second.communicate)
    told = json.loads(out or house.complaints)
    assert told["answer"] == "Ann was found [E2]."
    assert house.log() == ["look Ann", "held Ann", "held Ann"]
    (run_trace,) = {trace for trace, _, who in house.told() if who == "1"}
    expected = {
        ("invoke_agent", "1"),
        ("serve planner", "planner"),
        ("serve worker", "worker"),
        ("execute_tool look", "worker"),
        ("execute_tool held", "worker"),
        ("serve solver", "solver"),
        ("solve", "1"),
    }
    async for attempt in soon():
        with attempt:
            assert {(name, who) for trace, name, who in house.told() if trace == run_trace} >= expected


async def test_operators_can_ask_without_the_token(house: House, stories: Stories) -> None:
    """`/ready` names model, tools and versions; `/metrics` counts calls and what is under way."""
    await run(house.agent(), stories.tell("operators", ["Plan: no tool."], ["Nothing."]))
    ready = {role: (await got(f"{one.url}/ready")).json() for role, one in house.of.items()}
    assert ready["planner"]["mode"] == "openai:test-model"
    assert ready["planner"]["models"] == {"openai:test-model": "ok"}
    assert ready["worker"]["tools"] == [tool.name for tool in worker_tools.TOOLS]
    assert {"python", "agent-graph"} <= set(ready["solver"]["versions"])
    calls = r'agent_graph_role_call_duration_seconds_count{agent_graph_outcome="ok",agent_graph_role="planner".*} (\d+)'
    async for attempt in soon():
        with attempt:
            counted = (await got(f"{house.of['planner'].url}/metrics")).text
            (number,) = re.findall(calls, counted)
            assert float(number) >= 1
            assert re.search(r'agent_graph_role_calls_under_way{agent_graph_role="planner".*} 0', counted)


def soon() -> AsyncRetrying:
    """Look again until it holds: a service ends its span and its count after its caller has the last line."""
    return AsyncRetrying(
        retry=retry_if_exception_type((AssertionError, ValueError)),
        stop=stop_after_delay(30),
        wait=wait_fixed(0.05),
        reraise=True,
    )


async def got(url: str) -> httpx.Response:
    """Ask a service as an operator does."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        return await client.get(url)


async def refused(url: str) -> None:
    """Return when nothing listens at the address any more."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                await client.get(f"{url}/ok")
            except httpx.ConnectError:
                return
            except httpx.TransportError:  # accepted in its last moment
                pass


async def with_replicas(house: House, role: str, replicas: int) -> Agent:
    """Return an agent over so many replicas of a role; the first one is called first."""
    house.log()
    while len(house.all[role]) < replicas:
        house.all[role].append(house.process(role))
        await asyncio.to_thread(house.all[role][-1].ready)
    return house.agent()
