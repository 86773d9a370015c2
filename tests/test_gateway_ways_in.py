"""The ways in beside LangGraph's own, each with its real client: OpenAI's chat completions, MCP, A2A."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import NotFoundError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from served import Locked

from agent_graph.evidence import Answer, Citation, Source
from agent_graph.gateway.chat import annotations

pytestmark = pytest.mark.server

ANSWER = "They lie 51 years apart [E2]. One was granted in 1215 [E1.1]."
ASKED: Any = [{"role": "user", "content": "How far apart are the charters?"}]


@pytest.fixture
async def chat(either: Locked) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client with Bob's key, asking once."""
    async with openai.AsyncOpenAI(base_url=f"{either.url}/v1", api_key=either.bob, max_retries=0) as client:
        yield client


async def test_assistants_are_models(chat: openai.AsyncOpenAI) -> None:
    """A chat client lists the assistants; the graph that ingests is none."""
    names = [model.id async for model in await chat.models.list()]
    assert {"agent", "fast", "careful"} <= set(names)
    assert "ingest" not in names


async def test_a_chat_completion(chat: openai.AsyncOpenAI) -> None:
    """The answer comes with its citations as annotations, the steps that led to it, and what it cost."""
    reply = await chat.chat.completions.create(model="agent", messages=ASKED)
    message = reply.choices[0].message
    assert (message.content, reply.choices[0].finish_reason) == (ANSWER, "stop")
    (cited,) = message.annotations or []
    where = cited.url_citation
    assert ANSWER[where.start_index : where.end_index] == "[E1.1]"
    assert where.url.endswith("charters.txt")
    assert "#E2 ok: 51" in message.model_extra["reasoning_content"]
    assert message.model_extra["agent_graph"]["citations"][0]["marker"] == "E2"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


async def test_a_streamed_chat_completion(chat: openai.AsyncOpenAI) -> None:
    """Steps stream while the run goes on, then the checked answer, the end, and the cost if asked for."""
    stream = await chat.chat.completions.create(
        model="fast", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    thought = [(delta.model_extra or {}).get("reasoning_content", "") for delta in deltas]
    assert "#E1 search_documents ...\n" in thought
    assert any((delta.model_extra or {}).get("annotations") for delta in deltas)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


async def test_a_conversation_is_brought_along(chat: openai.AsyncOpenAI) -> None:
    """Earlier turns, a system message and content in parts are taken as they come."""
    reply = await chat.chat.completions.create(
        model="agent",
        messages=[
            {"role": "developer", "content": "Be brief."},
            *ASKED,
            {"role": "assistant", "content": ANSWER},
            {"role": "user", "content": [{"type": "text", "text": "And again?"}]},
        ],
    )
    assert reply.choices[0].message.content == ANSWER


FAULTS: list[tuple[str, dict[str, Any], type[openai.APIStatusError], str]] = [
    ("an unknown model", {"model": "gpt-9"}, openai.NotFoundError, "There is no model 'gpt-9'; there are: "),
    ("no messages", {"messages": []}, openai.BadRequestError, "messages"),
    (
        "no question",
        {"messages": [{"role": "assistant", "content": "x"}]},
        openai.BadRequestError,
        "role is user",
    ),
    ("a role there is not", {"messages": [{"role": "tool", "content": "x"}]}, openai.BadRequestError, "role"),
    ("content of no type", {"messages": [{"role": "user", "content": 5}]}, openai.BadRequestError, "content"),
    ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError, "tools"),
    ("several answers", {"n": 3}, openai.BadRequestError, "n: "),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("what", "change", "kind", "told"), FAULTS, ids=[case[0] for case in FAULTS])
async def test_faults_have_openais_shape(
    chat: openai.AsyncOpenAI,
    what: str,
    change: Any,
    kind: type[openai.APIStatusError],
    told: str,
    stream: bool,
) -> None:
    """The client raises the error it has for it, with our sentence, streaming or not."""
    del what
    with pytest.raises(kind) as caught:
        await chat.chat.completions.create(
            **({"model": "agent", "messages": ASKED, "stream": stream} | change)
        )
    assert isinstance(caught.value.body, dict)
    assert told in caught.value.body["message"]


async def test_limits_and_keys_have_openais_shape(either: Locked) -> None:
    """A used-up day is a RateLimitError, a wrong key an AuthenticationError, each with its sentence."""
    for key, kind, told in (
        (either.carol, openai.RateLimitError, "tokens today"),
        ("wrong", openai.AuthenticationError, "token is not valid"),
    ):
        async with openai.AsyncOpenAI(base_url=f"{either.url}/v1", api_key=key, max_retries=0) as client:
            with pytest.raises(kind) as caught:
                await client.chat.completions.create(model="agent", messages=ASKED)
        assert told in str(caught.value)


async def test_what_needs_a_person_says_so(chat: openai.AsyncOpenAI) -> None:
    """An assistant that asks before every plan cannot be used where nobody is asked."""
    with pytest.raises(openai.BadRequestError, match="approval"):
        await chat.chat.completions.create(model="approve everything", messages=ASKED)


async def test_why_a_run_failed_is_told(chat: openai.AsyncOpenAI) -> None:
    """The agent's own sentence arrives, also where a server's stream names the kind of error only."""
    with pytest.raises(openai.BadRequestError, match="There is no question"):
        await chat.chat.completions.create(model="agent", messages=[{"role": "user", "content": " "}])


async def test_what_is_another_users_is_no_model(either: Locked, chat: openai.AsyncOpenAI) -> None:
    """An assistant that Alice made is a model for her; Bob is not told of it, and cannot use it by name."""
    mine: Any = {"graph_id": "agent", "name": "hers", "context": {"max_replans": 0}}
    async with httpx.AsyncClient(base_url=either.url, headers={"x-api-key": either.alice}) as alice:
        made = (await alice.post("/assistants", json=mine)).json()["assistant_id"]
        assert "hers" in (await alice.get("/v1/models")).text
        assert "hers" not in [model.id async for model in await chat.models.list()]
        for name in ("hers", made):
            with pytest.raises(openai.NotFoundError, match="There is no model"):
                await chat.chat.completions.create(model=name, messages=ASKED)
        headers = {"authorization": f"Bearer {either.bob}"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=60) as http,
            streamable_http_client(f"{either.url}/mcp", http_client=http) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            refused = await session.call_tool("ask", {"question": "How far?", "assistant": "hers"})
            assert refused.isError
        await alice.delete(f"/assistants/{made}")


async def test_each_is_answered_from_their_own_documents(either: Locked, chat: openai.AsyncOpenAI) -> None:
    """What Alice had ingested is cited to her; Bob, who asks word for word the same, gets nothing of it."""
    asked: Any = [{"role": "user", "content": "vault"}]
    ingest = {"assistant_id": "ingest", "input": {"folder": "private"}}
    async with httpx.AsyncClient(
        base_url=either.url, headers={"x-api-key": either.alice}, timeout=60
    ) as alice:
        (await alice.post("/runs/wait", json=ingest)).raise_for_status()
        hers = await alice.post("/v1/chat/completions", json={"model": "agent", "messages": asked})
    his = await chat.chat.completions.create(model="agent", messages=asked)
    assert "vault.txt" in hers.text
    assert "vault.txt" not in his.model_dump_json()


async def found(client: Any, thread: str) -> bool:
    try:
        return bool(await client.threads.get(thread))
    except NotFoundError:
        return False


async def test_hanging_up_ends_the_run(either: Locked, chat: openai.AsyncOpenAI) -> None:
    """A stream that nobody reads any more leaves no run behind, and no thread."""
    stalling: Any = [{"role": "user", "content": "stall"}]
    stream = await chat.chat.completions.create(model="agent", messages=stalling, stream=True)
    async for chunk in stream:
        if "#E1" in (chunk.choices[0].delta.model_extra or {}).get("reasoning_content", ""):
            break
    async with get_client(url=either.url, api_key=either.bob) as client, asyncio.timeout(20):
        (thread,) = await client.threads.search(status="busy")
        await stream.close()
        while await found(client, thread["thread_id"]):  # noqa: ASYNC110  # the server tells nobody when
            await asyncio.sleep(0.05)


def test_annotations_stand_where_the_markers_are() -> None:
    """Each marker of a document is annotated, as often as it stands there; computed values are not."""
    source = Source(document="https://example.org/a", title="A", location="page 2")
    cited = (Citation(marker="E1.1", step="E1", source=source), Citation(marker="E2", step="E2"))
    found = annotations(Answer(text="One [E1.1]. Two [E2] and [E1.1]. [E9]", citations=cited))
    assert [one["url_citation"]["start_index"] for one in found] == [4, 25]
    assert found[0]["url_citation"]["title"] == "A, page 2"


async def test_the_agent_is_an_mcp_tool(either: Locked) -> None:
    """MCP's own client lists the tool, follows its steps, and gets the answer with its citations as data."""
    seen: list[tuple[float, float | None, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append((done, total, message))

    headers = {"authorization": f"Bearer {either.bob}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(f"{either.url}/mcp", http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        (tool,) = (await session.list_tools()).tools
        assert tool.name == "ask"
        assert tool.outputSchema is not None
        question = {"question": "How far apart are the charters?"}
        result = await session.call_tool("ask", question, progress_callback=progress)
        assert not result.isError
        assert result.structuredContent is not None
        assert result.structuredContent["text"] == ANSWER
        assert [one["marker"] for one in result.structuredContent["citations"]] == ["E2", "E1.1"]
        assert result.structuredContent["citations"][1]["document"].endswith("charters.txt")
        assert any(message == "#E2 ok: 51" for _, _, message in seen)
        assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
        assert all(total is not None and done < total for done, total, _ in seen)
        wrong = await session.call_tool("ask", question | {"assistant": "nobody"})
        assert wrong.isError
        assert "There is no assistant 'nobody'; there are: " in wrong.content[0].text  # type: ignore[union-attr]


async def test_mcp_keeps_to_the_limits(either: Locked) -> None:
    """A user whose day is used up is told so by the tool."""
    headers = {"authorization": f"Bearer {either.carol}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(f"{either.url}/mcp", http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool("ask", {"question": "How far?"})
        assert result.isError
        assert "tokens today" in result.content[0].text  # type: ignore[union-attr]


@pytest.mark.xdist_group("gateway")
async def test_agents_speak_to_it_by_a2a(locked: Locked) -> None:
    """LangGraph's A2A endpoint works with a key: a message in, a task with the answer out."""
    parts = [{"kind": "text", "text": "How far apart are the charters?"}]
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "message/send",
        "params": {"message": {"role": "user", "parts": parts, "messageId": "one", "kind": "message"}},
    }
    async with get_client(url=locked.url, api_key=locked.bob) as client:
        (agent,) = await client.assistants.search(name="agent")
    headers = {"authorization": f"Bearer {locked.bob}"}
    async with httpx.AsyncClient(base_url=locked.url, headers=headers, timeout=60) as bob:
        reply = (await bob.post(f"/a2a/{agent['assistant_id']}", json=call)).json()
    assert ANSWER in str(reply["result"])
