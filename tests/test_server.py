"""The agent in a real LangGraph server process, reached through the SDK, with a model over real HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from agent_graph.events import decode
from agent_graph.testing import OpenAIServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("server")]
ROOT = Path(__file__).parent.parent
CHARTER = "The charter of Ryswick was granted in 1215. The charter of Aachen was granted in 1266."
PLAN = (
    'Plan: find both years, then subtract.\n#E1 = search_documents(query="charter of Ryswick", k=2)\n'
    '#E2 = calculator(expression="1266 - 1215")\n'
)
REPLIES = {
    "The plan that was run": "They lie 51 years apart [E2]. One was granted in 1215 [E1.1].",
    "Question: ": PLAN,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `langgraph dev` as `agent-graph serve` does, over one ingested document and a scripted model."""
    home = tmp_path_factory.mktemp("home")
    document = home / "charters.txt"
    document.write_text(CHARTER)
    with OpenAIServer(REPLIES, models=["test-model"]) as model, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = {
            **os.environ,
            "AGENT_GRAPH_HOME": str(home),
            "AGENT_GRAPH_WEB": "off",
            "OPENAI_BASE_URL": model.base_url,
        }
        command = [sys.executable, "-m", "agent_graph"]
        subprocess.run([*command, "ingest", str(document), "--json"], env=environment, check=True, capture_output=True)
        with (home / "server.log").open("w") as log:
            process = subprocess.Popen(
                [*command, "serve", "--port", str(port)], env=environment, stdout=log, stderr=log, cwd=home
            )
            try:
                yield _ready(process, f"http://127.0.0.1:{port}", home / "server.log")
            finally:
                process.terminate()
                process.wait(timeout=30)


def _ready(process: subprocess.Popen[bytes], url: str, log: Path) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/ok", timeout=2).status_code == 200:
                return url
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
async def client(server: str) -> AsyncIterator[Any]:
    """A client of the server, closed at the end."""
    async with get_client(url=server) as opened:
        yield opened


async def stream(client: Any, thread_id: str, **options: Any) -> list[Any]:
    parts = client.runs.stream(thread_id, "agent", stream_mode=["custom", "messages-tuple", "values"], **options)
    return [part async for part in parts]


def question(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def test_a_run_streams_its_steps_and_its_answer(client: Any) -> None:
    """Custom events arrive live in order, the answer as model tokens, the end as checked values."""
    thread = await client.threads.create()
    parts = await stream(client, thread["thread_id"], input=question("How far apart are the charters?"))
    events = [decode(part.data) for part in parts if part.event == "custom"]
    assert [event.step for event in events if event.type == "step_started"] == ["E1", "E2"]
    assert sum(part.event == "messages" for part in parts) > 5
    values = [part.data for part in parts if part.event == "values"][-1]
    assert values["answer"]["text"] == "They lie 51 years apart [E2]. One was granted in 1215 [E1.1]."
    assert values["answer"]["citations"][1]["quote"] == "The charter of Ryswick was granted in 1215."
    assert values["usage"]["roles"]["planner"]["input_tokens"] > 0


async def test_a_second_turn_on_the_same_thread(client: Any) -> None:
    """The conversation goes on; plan and evidence are the new turn's own."""
    thread = await client.threads.create()
    for text in ("How far apart are the charters?", "And again?"):
        await stream(client, thread["thread_id"], input=question(text))
    values: Any = (await client.threads.get_state(thread["thread_id"]))["values"]
    assert len(values["messages"]) == 4
    assert values["task"] == "And again?"


async def test_approval_works_through_the_server(client: Any) -> None:
    """The run pauses with the plan, and resumes with the knobs it was started with."""
    thread = await client.threads.create()
    await stream(client, thread["thread_id"], input=question("How far?"), context={"approval": "always", "passages": 3})
    state: Any = await client.threads.get_state(thread["thread_id"])
    asked = state["tasks"][0]["interrupts"][0]["value"]
    assert [step["tool"] for step in asked["steps"]] == ["search_documents", "calculator"]
    await stream(client, thread["thread_id"], command={"resume": {"decision": "approve"}})
    values: Any = (await client.threads.get_state(thread["thread_id"]))["values"]
    assert values["context"]["passages"] == 3
    assert values["answer"]["text"].startswith("They lie 51 years apart")


async def test_schemas_are_there_for_studio(client: Any) -> None:
    """Studio can draw the input, and every knob of a run with its description and default."""
    (assistant,) = await client.assistants.search(graph_id="agent")
    schemas: Any = await client.assistants.get_schemas(assistant["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"messages", "task"}
    knobs = schemas["context_schema"]["properties"]
    assert knobs["max_replans"]["default"] == 1
    assert all(knob.get("description") for knob in knobs.values())


async def test_an_impossible_knob_is_refused(client: Any) -> None:
    """A Context value out of range ends the run with an error that names it (the server drops unknown ones)."""
    thread = await client.threads.create()
    parts = await stream(client, thread["thread_id"], input=question("How far?"), context={"max_steps": 0})
    assert parts[-1].event == "error"
    assert "max_steps" in str(parts[-1].data)
