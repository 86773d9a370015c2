"""The agent in a real LangGraph server process, reached through the SDK, with a model over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import UnprocessableEntityError

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


async def test_a_running_run_is_cancelled(client: Any) -> None:
    """Cancelling ends a run whose model hangs, at once; the thread then takes the next question."""
    thread = (await client.threads.create())["thread_id"]
    async with asyncio.timeout(30):
        async for part in client.runs.stream(
            thread, "agent", input=question("stall"), stream_mode="custom", on_disconnect="continue"
        ):
            if part.event == "custom" and decode(part.data).type == "step_finished":
                break
        (run,) = await client.runs.list(thread)
        await client.runs.cancel(thread, run["run_id"], wait=True)
    assert (await client.runs.get(thread, run["run_id"]))["status"] == "interrupted"
    values = await client.runs.wait(thread, "agent", input=question("How far apart are the charters?"))
    assert values["answer"]["text"].startswith("They lie 51 years apart")


async def test_a_stream_is_rejoined_where_it_broke_off(client: Any) -> None:
    """After a disconnect the run goes on, and who joins again by the last event's id misses and repeats nothing."""
    thread = (await client.threads.create())["thread_id"]
    first: list[Any] = []
    async for part in client.runs.stream(
        thread,
        "agent",
        input=question("rejoin"),
        context={"model_silence_s": 3},
        stream_mode=["custom", "values"],
        stream_resumable=True,
        on_disconnect="continue",
    ):
        first.append(part)
        if part.event == "custom" and decode(part.data).type == "step_finished":
            break
    (run,) = await client.runs.list(thread)
    assert run["status"] == "running"
    rest = [part async for part in client.runs.join_stream(thread, run["run_id"], last_event_id=first[-1].id)]
    told = [decode(part.data).type for part in [*first, *rest] if part.event == "custom"]
    assert [one for one in told if one in ("run_started", "plan_reset", "plan_ready", "answer_ready")] == [
        "run_started",
        "plan_reset",
        "plan_ready",
        "answer_ready",
    ]
    values = [part.data for part in rest if part.event == "values"][-1]
    assert values["answer"]["text"].startswith("They lie 51 years apart")


async def test_schemas_are_there_for_studio(client: Any) -> None:
    """Studio can draw the input, and every knob of a run with its description and default."""
    (assistant,) = await client.assistants.search(graph_id="agent", name="agent")
    schemas: Any = await client.assistants.get_schemas(assistant["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"messages", "task"}
    knobs = schemas["context_schema"]["properties"]
    assert knobs["max_replans"]["default"] == 1
    assert all(knob.get("description") for knob in knobs.values())


async def test_an_impossible_knob_is_refused(client: Any) -> None:
    """A Context value out of range, or a knob there is not, is refused with its name before anything starts."""
    thread = await client.threads.create()
    for context, told in (({"max_steps": 0}, "max_steps"), ({"base_url": "http://x"}, "no knob 'base_url'")):
        with pytest.raises(UnprocessableEntityError, match=told):
            await stream(client, thread["thread_id"], input=question("How far?"), context=context)
    assert await client.runs.list(thread["thread_id"]) == []


async def test_assistants_with_other_knobs(client: Any) -> None:
    """The server has them from the start; a run by one is a run with its knobs, and Studio finds its schemas."""
    (assistant,) = await client.assistants.search(name="approve everything")
    thread = await client.threads.create()
    await client.runs.wait(thread["thread_id"], assistant["assistant_id"], input=question("How far?"))
    state: Any = await client.threads.get_state(thread["thread_id"])
    assert state["tasks"][0]["interrupts"]


async def test_ingest_is_refused_until_a_folder_is_allowed(client: Any) -> None:
    """A server whose operator named no folder ingests nothing, and says which setting allows it."""
    with pytest.raises(Exception, match="AGENT_GRAPH_INGEST_FOLDERS"):
        await client.runs.wait(None, "ingest", input={"folder": "/etc"})
