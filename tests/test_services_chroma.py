"""Documents on a Chroma server, searched by a worker's service, when the server dies in the middle of a run."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from role_services import call, closed_port
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph import Agent, Context, build_agent
from agent_graph.events import Event, decode
from agent_graph.evidence import Evidence
from agent_graph.services import RemoteWorker, ask_tools
from agent_graph.settings import read_settings
from agent_graph.testing import ScriptedModel
from retrieval import Document, open_knowledge

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("chroma_killed")]

HERE = Path(__file__).parent
HARBOUR = [
    Document("cranes", "The harbour of Ostrel has nine cranes built in Leith.", "Cranes"),
    Document("ferry", "The ferry to Quorlan leaves at nine from the eastern pier.", "Ferry"),
]
PLAN = """#E1 = search_documents(query="cranes of Ostrel", k=1)
#E2 = wait(name="the test") after #E1
#E3 = search_documents(query="ferry to Quorlan", k=1) after #E2
"""
ANSWER = "Nine cranes [E1]."


class Chroma:
    """A real Chroma server, always on the same port and folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = closed_port()
        self._running: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start, or start again, and wait until it answers."""
        program, port = Path(sys.executable).with_name("chroma"), self.url.rpartition(":")[2]
        command = [str(program), "run", "--path", str(self._folder), "--port", port]
        self._running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        again = Retrying(
            retry=retry_if_exception_type(httpx.HTTPError), wait=wait_fixed(0.1), stop=stop_after_delay(60)
        )
        again(lambda: httpx.get(f"{self.url}/api/v2/heartbeat", trust_env=False).raise_for_status())

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that kills is waited for."""
        assert self._running is not None
        self._running.send_signal(number)
        if number is signal.SIGKILL:
            self._running.wait()


class Held:
    """The step `wait`: says when it was begun, and ends when it is let go."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(60)
        self.port = self._listening.getsockname()[1]

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Wait until the step has begun, and let it go at the end."""
        heard, _ = await asyncio.to_thread(self._listening.accept)
        with heard:
            heard.settimeout(60)
            assert heard.recv(100).startswith(b"waiting")
            yield
            heard.sendall(b"!")

    def close(self) -> None:
        self._listening.close()


@pytest.fixture(scope="module")
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.close()


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroma]:
    server = Chroma(tmp_path_factory.mktemp("chroma"))
    try:
        with open_knowledge(server.url, "harbour") as knowledge:
            knowledge.add(HARBOUR)
        yield server
    finally:
        server.send(signal.SIGKILL)


@pytest.fixture(scope="module")
def worker(chroma: Chroma, held: Held, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A worker's process over the documents on the server."""
    home = tmp_path_factory.mktemp("worker")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_GRAPH_")}
    environment = {
        **plain,
        "AGENT_GRAPH_HOME": str(home),
        "AGENT_GRAPH_WEB": "off",
        "ROLE_TEST_PORT": str(held.port),
        "AGENT_GRAPH_KNOWLEDGE": chroma.url,
        "AGENT_GRAPH_COLLECTION": "harbour",
        "PYTHONPATH": f"{HERE.parent}:{HERE}",
    }
    arguments = ("role", "worker", "--port", "0", "--tools", "documented_tools:tools")
    command = [sys.executable, "-m", "agent_graph", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[1]
            first = call(RemoteWorker(url, ask_tools([url])), "search_documents", {"query": "cranes"})
            assert asyncio.run(first).ok  # it reads its embeddings now, and not on the time of a step
            yield url
        finally:
            process.kill()


@pytest.fixture
def agent(worker: str) -> Agent:
    settings = read_settings().model_copy(update={"worker_urls": worker})
    return build_agent(models=ScriptedModel([PLAN, ANSWER]), settings=settings)


async def run(agent: Agent, context: Context, events: "asyncio.Queue[Event]") -> Any:
    """Run to the end, putting each event where the test can wait for it, and return the final state."""
    state: Any = {}
    modes = ["custom", "values"]
    async with aclosing(agent.astream({"task": "Harbour?"}, context=context, stream_mode=modes)) as parts:  # type: ignore[arg-type]
        async for mode, part in parts:
            if mode == "custom":
                events.put_nowait(decode(part))
            else:
                state = part
    return state


async def struck(agent: Agent, chroma: Chroma, held: Held, how: signal.Signals, context: Context) -> Evidence:
    """Run, strike the server between the two searches, and return what became of the second."""
    running = asyncio.create_task(run(agent, context, asyncio.Queue()))
    async with held.begun():
        chroma.send(how)
    state = await running
    assert state["evidence"]["E1"].ok
    assert state["answer"].text == ANSWER
    found: Evidence = state["evidence"]["E3"]
    return found


async def test_a_search_waits_for_a_server_that_comes_back(agent: Agent, chroma: Chroma, held: Held) -> None:
    """Killed between two searches and started again, the server is asked again until it answers."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    context = Context(approval="never", retries=10, max_replans=0)
    running = asyncio.create_task(run(agent, context, events))
    async with held.begun():
        chroma.send(signal.SIGKILL)
    async with asyncio.timeout(60):
        while (await events.get()).type != "step_retried":
            pass
    await asyncio.to_thread(chroma.start)
    state = await running
    first, second = state["evidence"]["E1"], state["evidence"]["E3"]
    assert (first.ok, second.ok, state["answer"].text) == (True, True, ANSWER)
    assert second.sources[0].document == "ferry"
    assert (first.attempts, second.attempts > 1) == (1, True)


async def test_a_server_that_stays_away_is_said(agent: Agent, chroma: Chroma, held: Held) -> None:
    """The search fails with a sentence that names the server; what was found before is answered."""
    context = Context(approval="never", retries=1, max_replans=0)
    try:
        failed = await struck(agent, chroma, held, signal.SIGKILL, context)
    finally:
        await asyncio.to_thread(chroma.start)
    assert (failed.status, failed.failure, failed.attempts) == ("failed", "transient", 2)
    assert f"The Chroma server at {chroma.url}" in failed.error


async def test_a_server_that_is_silent_holds_nobody(agent: Agent, chroma: Chroma, held: Held) -> None:
    """One that takes the question and does not answer costs the step its time, and not the run."""
    context = Context(approval="never", retries=0, max_replans=0, step_timeout_s=5)
    try:
        failed = await struck(agent, chroma, held, signal.SIGSTOP, context)
    finally:
        chroma.send(signal.SIGCONT)
    assert (failed.status, failed.failure) == ("failed", "timeout")
    assert "no result within 5 s" in failed.error
