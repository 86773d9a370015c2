"""The agent in a real LangGraph server process, reached through the SDK, with a model over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph_sdk import get_client

from agent_graph.events import decode

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("server")]


@pytest.fixture
async def client(server: str) -> AsyncIterator[Any]:
    """A client of the server, closed at the end."""
    async with get_client(url=server) as opened:
        yield opened


async def stream(client: Any, thread_id: str, **options: Any) -> list[Any]:
    parts = client.runs.stream(
        thread_id, "agent", stream_mode=["custom", "messages-tuple", "values"], **options
    )
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
    await stream(
        client, thread["thread_id"], input=question("How far?"), context={"approval": "always", "passages": 3}
    )
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
