import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from agent_graph.testing import Drop, FakeClock, ScriptedModel, ScriptUsedUp, Stall, slow_tool

PLAN = 'Plan: look it up.\n#E1 = search(query="Ryswick")\n#E10 = search(query="#E1")'
CALLS = AIMessage(
    content="",
    tool_calls=[
        {"name": "search", "args": {"query": "Ryswick", "k": 4}, "id": "a"},
        {"name": "clock", "args": {}, "id": "b"},
    ],
)


class Year(BaseModel):
    """A year."""

    year: int


async def collect(model: Runnable[Any, Any], prompt: str = "hi") -> tuple[list[str], AIMessageChunk]:
    """Return the pieces of text of a stream, and all chunks added up."""
    chunks = [chunk async for chunk in model.astream(prompt)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return [str(chunk.text) for chunk in chunks if chunk.text], whole


async def read(model: ScriptedModel, seen: list[str]) -> None:
    """Stream into a list, so that what came before an error is known."""
    async for chunk in model.astream("hi"):
        seen += [str(chunk.text)]


async def test_replies_come_in_order_by_every_door() -> None:
    """A list is used up one call at a time, streamed or not, sync or async."""
    model = ScriptedModel(["one", "two", "three", "four"])
    assert model.invoke("a").text == "one"
    assert (await model.ainvoke("b")).text == "two"
    assert "".join(str(chunk.text) for chunk in model.stream("c")) == "three"
    assert "".join((await collect(model, "d"))[0]) == "four"
    assert [prompt[0].text for prompt in model.prompts] == ["a", "b", "c", "d"]
    assert [call.streamed for call in model.calls] == [False, False, True, True]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_a_stream_is_cut_anywhere(size: int) -> None:
    """Chunks have the size asked for, cut words and references, and add up to the reply."""
    pieces, whole = await collect(ScriptedModel([PLAN], chunk_size=size))
    assert whole.text == PLAN
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert len(pieces) == -(-len(PLAN) // size)


async def test_tool_calls_stream_in_pieces_and_add_up() -> None:
    """Parallel tool calls arrive with their arguments cut, and merge to the calls of the script."""
    _, whole = await collect(ScriptedModel([CALLS], chunk_size=5))
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
        ("search", {"query": "Ryswick", "k": 4}),
        ("clock", {}),
    ]
    assert whole.response_metadata["finish_reason"] == "tool_calls"


async def test_thinking_streams_beside_the_text() -> None:
    """A message of content blocks keeps its blocks, and only its text is cut."""
    blocks: list[str | dict[str, Any]] = [
        {"type": "thinking", "thinking": "two treaties"},
        {"type": "text", "text": "by 12 years"},
    ]
    pieces, whole = await collect(ScriptedModel([AIMessage(content=blocks)], chunk_size=4))
    assert pieces == ["by 1", "2 ye", "ars"]
    assert [block["type"] for block in whole.content if isinstance(block, dict)] == ["thinking", "text"]


async def test_usage_is_the_same_streamed_or_not() -> None:
    """Both doors report approximate tokens, in a stream once, and LangChain's counter sees them."""
    counter = UsageMetadataCallbackHandler()
    model = ScriptedModel([PLAN, PLAN], name="scripted:planner")
    _, whole = await collect(model)
    invoked = await model.ainvoke("hi", {"callbacks": [counter]})
    assert whole.usage_metadata == invoked.usage_metadata == counter.usage_metadata["planner"]
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] >= len(PLAN) // 4


def test_a_reply_can_name_its_own_usage() -> None:
    """Usage on an AIMessage, cached tokens too, is reported as written."""
    usage: Any = {
        "input_tokens": 900,
        "output_tokens": 5,
        "total_tokens": 905,
        "input_token_details": {"cache_read": 640},
    }
    reply = AIMessage(content="x", usage_metadata=usage)
    assert ScriptedModel([reply]).invoke("hi").usage_metadata == usage


def test_the_prompt_cache_serves_a_stable_beginning() -> None:
    """With prompt_cache, the part a prompt shares with an earlier one counts as read from the cache."""
    model = ScriptedModel(["a", "b", "c"], prompt_cache=True)
    rules = SystemMessage("You plan. " * 100)
    cached = []
    for prompt in ([rules, HumanMessage("one")], [rules, HumanMessage("two")], [HumanMessage("other")]):
        usage: Any = model.invoke(prompt).usage_metadata
        cached.append(usage.get("input_token_details", {}).get("cache_read", 0))
    assert cached == [0, 250, 0]


def test_a_mapping_answers_by_what_the_prompt_says() -> None:
    """The first key found in the prompt decides; a single reply serves for ever, a list in order."""
    model = ScriptedModel({"Plan for": [PLAN, "Plan: nothing."], "Answer": "42 [E1]"})
    assert [model.invoke(prompt).text for prompt in ("Answer!", "Plan for X", "Answer?", "Plan for Y")] == [
        "42 [E1]",
        PLAN,
        "42 [E1]",
        "Plan: nothing.",
    ]
    with pytest.raises(
        ScriptUsedUp, match=r"the script for 'Plan for' of 2 replies is used up; call 5 was: 'Plan for Z'"
    ):
        model.invoke("Plan for Z")
    with pytest.raises(
        ScriptUsedUp, match=r"none of 'Plan for', 'Answer' occurs in the prompt; call 6 was: 'Hello'"
    ):
        model.invoke("Hello")


def test_the_empty_key_answers_what_no_other_does() -> None:
    """As the last key, "" is the reply to everything else."""
    model = ScriptedModel({"plan": PLAN, "": "anything else"})
    assert [model.invoke(prompt).text for prompt in ("plan it", "hello")] == [PLAN, "anything else"]


def test_a_function_sees_the_messages() -> None:
    """A function may answer or return an error to raise."""

    def reply(messages: list[BaseMessage]) -> str | Exception:
        asked = str(messages[-1].text)
        return TimeoutError("thinking too long") if asked == "why?" else asked.upper()

    model = ScriptedModel(reply)
    assert model.invoke("hello").text == "HELLO"
    with pytest.raises(TimeoutError, match="thinking too long"):
        model.invoke("why?")


def test_running_dry_says_so() -> None:
    """The call after the last reply raises, naming the script's length and the call's words."""
    model = ScriptedModel(["one", "two", "three"])
    for _ in range(3):
        model.invoke("hi")
    with pytest.raises(ScriptUsedUp) as raised:
        model.invoke([SystemMessage("rules"), HumanMessage("what now? " * 50)])
    message = str(raised.value)
    assert message.startswith("the script of 3 replies is used up; call 4 was: 'what now? ")
    assert len(message) < 260


def test_a_lone_text_is_not_a_script() -> None:
    """Forgetting the brackets is an error, not a script of single letters."""
    with pytest.raises(TypeError, match=r"A script is a list of replies: write \['Hello'\]"):
        ScriptedModel("Hello")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_size": 0}, "chunk_size is a number of characters, 1 or more, not 0"),
        ({"characters_per_second": 0}, "characters_per_second is more than 0"),
        ({"seconds_to_first_token": -1}, "seconds_to_first_token is 0 or more"),
    ],
)
def test_a_senseless_pace_is_refused(options: dict[str, Any], message: str) -> None:
    """A pace that could not be kept is refused when the model is made."""
    with pytest.raises(ValueError, match=message):
        ScriptedModel([], **options)


async def test_a_drop_breaks_off_in_the_middle() -> None:
    """The beginning arrives, then a connection error, or the error given; without streaming only the error."""
    model = ScriptedModel([Drop(PLAN, after=10), Drop(PLAN, after=10), Drop("x", error=EOFError("gone"))])
    seen: list[str] = []
    with pytest.raises(ConnectionError, match="dropped in the middle"):
        await read(model, seen)
    assert "".join(seen) == PLAN[:10]
    with pytest.raises(ConnectionError):
        model.invoke("hi")
    with pytest.raises(EOFError, match="gone"):
        model.invoke("hi")


async def test_a_stall_lasts_until_it_is_cancelled() -> None:
    """The beginning arrives, then nothing, however far the clock moves; cancelling ends it."""
    clock = FakeClock()
    model = ScriptedModel([Stall(PLAN, after=10)], clock=clock)
    seen: list[str] = []
    reading = asyncio.create_task(read(model, seen))
    await clock.elapse(3600)
    assert ("".join(seen), reading.done()) == (PLAN[:10], False)
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()


def test_a_stall_in_blocking_code_is_refused() -> None:
    """A thread cannot be cancelled, so a blocking call raises where it would hang for ever."""
    model = ScriptedModel([Stall(PLAN, after=10)])
    with pytest.raises(RuntimeError, match="a blocking call cannot be: use astream"):
        model.invoke("hi")


async def test_a_stream_keeps_its_pace() -> None:
    """Chunks arrive when the first-token time and the speed say, to the tenth of a virtual second."""
    clock = FakeClock(auto=True)
    model = ScriptedModel(
        ["0123456789"] * 2, chunk_size=5, seconds_to_first_token=2, characters_per_second=10, clock=clock
    )
    arrived = [clock.now() async for chunk in model.astream("hi") if chunk.text]
    assert arrived == [2.5, 3.0]
    await model.ainvoke("hi")
    assert clock.now() == 6.0


async def test_others_run_between_the_chunks_of_an_unpaced_stream() -> None:
    """Without a pace too, a listener can start work before the stream ends."""
    model = ScriptedModel([PLAN], chunk_size=1)
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    async for chunk in model.astream("hi"):
        if not turns:
            other_task = asyncio.create_task(other())
        turns.append(str(chunk.text))
    await other_task
    assert turns.index("other") < 5


def test_bound_tools_are_on_record() -> None:
    """bind_tools offers the tools with each call; the script decides whether they are called."""
    model = ScriptedModel([CALLS, "plain"])
    bound = model.bind_tools([slow_tool("search", 0)], tool_choice="any")
    assert len(bound.invoke("hi").tool_calls) == 2
    assert model.invoke("hi").tool_calls == []
    assert [[tool["function"]["name"] for tool in call.tools] for call in model.calls] == [["search"], []]
    assert model.calls[0].options["tool_choice"] == "any"


def test_structured_output_reads_json_or_a_tool_call() -> None:
    """A JSON text becomes the schema's value, a broken one an error or part of the raw answer."""
    tool_call = AIMessage(content="", tool_calls=[{"name": "Year", "args": {"year": 1748}, "id": "a"}])
    model = ScriptedModel(['{"year": 1697}', '{"year": 1697}', "no year", "no year", tool_call])
    assert model.with_structured_output(Year).invoke("hi") == Year(year=1697)
    assert model.with_structured_output(Year.model_json_schema()).invoke("hi") == {"year": 1697}
    with pytest.raises(OutputParserException):
        model.with_structured_output(Year).invoke("hi")
    raw = model.with_structured_output(Year, include_raw=True).invoke("hi")
    assert raw["parsed"] is None
    assert raw["raw"].text == "no year"
    assert isinstance(raw["parsing_error"], OutputParserException)
    assert model.with_structured_output(Year, method="function_calling").invoke("hi") == Year(year=1748)


async def test_it_streams_through_a_graph() -> None:
    """LangGraph's messages mode delivers the chunks of a model that a node merely awaits."""
    model = ScriptedModel([PLAN])

    async def solve(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node(solve).add_edge(START, "solve").compile()
    stream: AsyncIterator[Any] = graph.astream({"messages": [HumanMessage("hi")]}, stream_mode="messages")
    pieces = [str(message.text) async for message, _ in stream]
    assert len(pieces) > 5
    assert "".join(pieces) == PLAN


def test_many_threads_share_one_script() -> None:
    """Every reply is given exactly once, whoever asks."""
    model = ScriptedModel([str(number) for number in range(200)])
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: str(model.invoke(f"call {number}").text), range(200)))
    assert sorted(said, key=int) == [str(number) for number in range(200)]
    assert len(model.calls) == 200


def test_callers_cannot_change_the_script() -> None:
    """A message handed out is a copy: what a caller does to it does not reach the next call."""
    model = ScriptedModel({"hi": AIMessage(content="hello")})
    first = model.invoke("hi")
    first.content = "changed"
    assert model.invoke("hi").text == "hello"
    assert first.id != model.invoke("hi").id


def test_the_import_opens_no_server() -> None:
    """`import agent_graph.testing` leaves the web server and the vector store for later."""
    code = "import sys, agent_graph.testing; print([m for m in ('starlette', 'uvicorn', 'chromadb') if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert found.stdout.strip() == "[]"
