import asyncio
import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from agent_graph.errors import UserError
from agent_graph.testing import Drop, Fault, OpenAIServer, Stall

TEXT = "By 12 years [E1][E3]; Ryswick came first."
CALLS = AIMessage(
    content="",
    tool_calls=[
        {"name": "search", "args": {"query": "Nijmegen – 1678"}, "id": "a"},
        {"name": "clock", "args": {}, "id": "b"},
    ],
)


class Year(BaseModel):
    """A year."""

    year: int


def chat(server: OpenAIServer, *, model: str = "scripted", timeout: float = 30) -> ChatOpenAI:
    """Return the client a user would make."""
    return ChatOpenAI(
        model=model,
        api_key="unused",
        base_url=server.base_url,
        stream_usage=True,
        max_retries=0,
        timeout=timeout,
    )


def dot(one: list[float], other: list[float]) -> float:
    """Return how close two vectors of length 1 are."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def streamed(client: ChatOpenAI) -> tuple[list[str], AIMessageChunk]:
    """Return the pieces of text of a stream, and all chunks added up."""
    chunks = [chunk for chunk in client.stream("hi") if isinstance(chunk, AIMessageChunk)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return [str(chunk.text) for chunk in chunks if chunk.text], whole


def read(client: ChatOpenAI, seen: list[str]) -> None:
    """Stream into a list, so that what came before an error is known."""
    for chunk in client.stream("hi"):
        seen += [str(chunk.text)]


DOORS: list[Callable[[ChatOpenAI], Any]] = [lambda client: client.invoke("hi"), streamed]


@pytest.fixture(params=DOORS, ids=["invoke", "stream"])
def ask(request: pytest.FixtureRequest) -> Callable[[ChatOpenAI], Any]:
    """Ask once, streamed or not."""
    door: Callable[[ChatOpenAI], Any] = request.param
    return door


def test_a_chat_is_answered_and_recorded() -> None:
    """The client gets the reply with its usage; the server keeps body and headers."""
    with OpenAIServer([TEXT]) as server:
        reply = chat(server).invoke("Which came first?")
        assert reply.text == TEXT
        assert reply.usage_metadata is not None
        assert reply.usage_metadata["output_tokens"] >= len(TEXT) // 4
        (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.body["messages"] == [{"role": "user", "content": "Which came first?"}]
    assert request.headers["authorization"] == "Bearer unused"


def test_a_stream_brings_pieces_and_then_usage() -> None:
    """A stream is cut anywhere, adds up, and counts the same tokens as one body."""
    with OpenAIServer([TEXT, TEXT], chunk_size=5) as server:
        pieces, whole = streamed(chat(server))
        invoked = chat(server).invoke("hi")
    assert pieces == [TEXT[start : start + 5] for start in range(0, len(TEXT), 5)]
    assert whole.usage_metadata == invoked.usage_metadata
    assert whole.response_metadata["finish_reason"] == "stop"


def test_usage_streams_only_when_asked_for() -> None:
    """Without stream_options no event carries usage, as with OpenAI."""
    with OpenAIServer([TEXT]) as server:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        events = httpx.post(f"{server.base_url}/chat/completions", json=body).text
    assert "usage" not in events
    assert events.endswith("data: [DONE]\n\n")


def test_cached_tokens_reach_the_client() -> None:
    """A reply's own usage is passed on; with prompt_cache, a prompt's known beginning counts as cached."""
    usage: Any = {
        "input_tokens": 900,
        "output_tokens": 5,
        "total_tokens": 905,
        "input_token_details": {"cache_read": 640},
    }
    cached = []
    with OpenAIServer([AIMessage(content="x", usage_metadata=usage), "y", "z"], prompt_cache=True) as server:
        for prompt in ("hi", "rules " * 100 + "a", "rules " * 100 + "b"):
            read: Any = chat(server).invoke(prompt).usage_metadata
            cached.append(read["input_token_details"]["cache_read"])
    assert cached == [640, 0, 150]


def test_tool_calls_arrive_streamed_or_not(ask: Callable[[ChatOpenAI], Any]) -> None:
    """Parallel calls keep their names, ids and arguments, also when these come in pieces."""
    with OpenAIServer([CALLS], chunk_size=4) as server:
        reply = ask(chat(server))
    message = reply if isinstance(reply, AIMessage) else reply[1]
    assert [(call["name"], call["args"], call["id"]) for call in message.tool_calls] == [
        ("search", {"query": "Nijmegen – 1678"}, "a"),
        ("clock", {}, "b"),
    ]
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_structured_output_is_the_reply_read_as_json() -> None:
    """A json_schema response_format is accepted and on record; a JSON reply is parsed by the client."""
    with OpenAIServer(['{"year": 1697}']) as server:
        assert chat(server).with_structured_output(Year).invoke("hi") == Year(year=1697)
        assert server.requests[0].body["response_format"]["type"] == "json_schema"


def test_a_mapping_answers_by_model_or_by_prompt() -> None:
    """A model's name picks its own list, which is also what /models lists; else the prompt's words decide."""
    with OpenAIServer({"small": ["from small"], "big": ["from big"], "capital": "Paris"}) as server:
        assert chat(server, model="big").invoke("the capital?").text == "from big"
        assert chat(server, model="small").invoke("hi").text == "from small"
        assert chat(server, model="other").invoke("the capital?").text == "Paris"
        listed = httpx.get(f"{server.base_url}/models").json()
    assert [model["id"] for model in listed["data"]] == ["small", "big"]


def test_a_function_sees_the_request() -> None:
    """A function of the body may answer or return a fault, and may block without blocking the others."""
    met = threading.Barrier(2, timeout=30)

    def reply(body: dict[str, Any]) -> str | Fault:
        met.wait()
        return Fault.status(503) if body["model"] == "down" else f"{body['model']} speaks"

    async def both(server: OpenAIServer) -> list[Any]:
        clients = chat(server, model="up"), chat(server, model="down")
        return await asyncio.gather(*(client.ainvoke("hi") for client in clients), return_exceptions=True)

    with OpenAIServer(reply) as server:
        up, down = asyncio.run(both(server))
    assert up.text == "up speaks"
    assert isinstance(down, openai.InternalServerError)


def test_running_dry_is_a_server_error_that_says_so() -> None:
    """A request the script has no reply to gets status 500 with the reason."""
    with OpenAIServer([TEXT]) as server:
        chat(server).invoke("hi")
        with pytest.raises(
            openai.InternalServerError, match="the script of 1 reply is used up; call 2 was: 'more'"
        ):
            chat(server).invoke("more")


def test_rate_limits_carry_retry_after(ask: Callable[[ChatOpenAI], Any]) -> None:
    """Status 429 reaches the client as its own error, with the header."""
    limit = Fault.status(429, retry_after=1.5)
    with OpenAIServer([limit]) as server, pytest.raises(openai.RateLimitError) as raised:
        ask(chat(server))
    assert raised.value.response.headers["retry-after"] == "1.5"
    assert raised.value.type == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (Fault.status(500, text="out of memory"), openai.InternalServerError, "out of memory"),
        (Fault.status(401), openai.AuthenticationError, "status 401"),
        (RuntimeError("bug"), openai.InternalServerError, "RuntimeError: bug"),
        (Fault.drop(0), openai.APIConnectionError, "Connection error"),
        (Fault.drop(20), openai.APIConnectionError, "Connection error"),
        (Drop(TEXT, after=20), openai.APIConnectionError, "Connection error"),
        (Fault.broken_json(), json.JSONDecodeError, "Unterminated string"),
        (Fault.wrong_content_type(), ValueError, "Unexpected response type|No generation chunks"),
    ],
)
def test_each_fault_reaches_the_client(
    ask: Callable[[ChatOpenAI], Any], fault: Any, error: type[Exception], message: str
) -> None:
    """What the script does wrong is the error a real provider's client raises."""
    with OpenAIServer([fault]) as server, pytest.raises(error, match=message):
        ask(chat(server))


@pytest.mark.parametrize("fault", [Fault.stall(20), Stall(TEXT, after=20)])
def test_a_stall_ends_when_the_client_gives_up(ask: Callable[[ChatOpenAI], Any], fault: Stall) -> None:
    """A reply that falls silent ends in the client's own timeout."""
    with OpenAIServer([fault]) as server, pytest.raises(openai.APITimeoutError):
        ask(chat(server, timeout=0.2))


def test_a_cut_connection_brings_the_beginning_and_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    """The characters before the break are delivered; a fault made on purpose is no error in the log."""
    seen: list[str] = []
    with OpenAIServer([Fault.drop(20, TEXT)]) as server, pytest.raises(openai.APIConnectionError):
        read(chat(server), seen)
    assert "".join(seen) == TEXT[:20]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_replies_without_text_or_end_are_well_formed() -> None:
    """Empty, refused and cut-off replies arrive as messages that say what they are."""
    with OpenAIServer([Fault.empty(), Fault.refusal("I cannot."), Fault.length("By 12 ye")]) as server:
        empty, refused, cut = (chat(server).invoke("hi") for _ in range(3))
    assert (empty.text, empty.response_metadata["finish_reason"]) == ("", "stop")
    assert (refused.text, refused.additional_kwargs["refusal"]) == ("", "I cannot.")
    assert (cut.text, cut.response_metadata["finish_reason"]) == ("By 12 ye", "length")


def test_a_stream_can_refuse_or_end_early() -> None:
    """Streamed too, a refusal comes in its own field, and a length limit as the reason of the end."""
    with OpenAIServer([Fault.refusal("I cannot."), Fault.length("By 12 ye")]) as server:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        events = httpx.post(f"{server.base_url}/chat/completions", json=body).text
        _, cut = streamed(chat(server))
    assert '"refusal": "I cannot."' in events
    assert cut.response_metadata["finish_reason"] == "length"


def test_embeddings_are_hashed_words_of_length_one() -> None:
    """Texts that share words lie close, by either encoding, and the same text never moves."""
    with OpenAIServer(dimensions=64) as server:
        options: dict[str, Any] = {"api_key": "unused", "base_url": server.base_url}
        client = OpenAIEmbeddings(model="hashed", check_embedding_ctx_length=False, **options)
        first, near, far = client.embed_documents(
            ["the treaty of Ryswick", "Treaty of Ryswick", "ripe bananas"]
        )
        again = client.embed_query("the treaty of Ryswick")
        asked: dict[str, Any] = {"model": "hashed", "input": "the treaty of Ryswick", "dimensions": 8}
        plain = httpx.post(f"{server.base_url}/embeddings", json=asked).json()["data"][0]["embedding"]
        assert server.requests[0].body["encoding_format"] == "base64"
    assert (len(first), len(plain)) == (64, 8)
    assert again == first
    assert math.isclose(math.hypot(*first), 1, abs_tol=1e-6)
    assert math.isclose(math.hypot(*plain), 1, abs_tol=1e-6)
    assert dot(first, near) > 0.8 > abs(dot(first, far))


@pytest.mark.parametrize("text", ["", "   ", "\U0001f600", "a b c d e f g h"])
def test_any_text_has_an_embedding(text: str) -> None:
    """Texts without words, and texts whose words cancel out, still give a vector of length 1."""
    with OpenAIServer(dimensions=1) as server:
        asked = {"model": "hashed", "input": [text]}
        (row,) = httpx.post(f"{server.base_url}/embeddings", json=asked).json()["data"]
    assert abs(row["embedding"][0]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("chat/completions", b"{", 400, "The body is not JSON"),
        ("chat/completions", b"[]", 400, "The body must be a JSON object"),
        ("chat/completions", b'{"model": "m"}', 400, "messages: Field required"),
        (
            "chat/completions",
            b'{"model": "m", "messages": [], "n": 1}',
            400,
            "messages: List should have at least 1",
        ),
        ("chat/completions", b'{"model": "m", "messages": [{"role": "x"}]}', 400, "x"),
        ("embeddings", b'{"model": "m"}', 400, "input"),
        ("responses", b"{}", 404, "POST /v1/responses: Not Found"),
    ],
)
def test_a_wrong_request_is_told_why(path: str, body: bytes, status: int, message: str) -> None:
    """Mistakes of the client come back as errors in OpenAI's shape."""
    with OpenAIServer([TEXT]) as server:
        response = httpx.post(f"{server.base_url}/{path}", content=body)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_stopping_leaves_nothing_behind() -> None:
    """A stalled reply and an open connection do not keep the server: thread and port are free again."""
    before = set(threading.enumerate())
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with (
        httpx.Client(timeout=30) as client,
        OpenAIServer([Stall(TEXT, after=10)]) as server,
        client.stream("POST", f"{server.base_url}/chat/completions", json=asked) as response,
    ):
        lines = response.iter_lines()
        assert next(lines).startswith("data: ")
        server.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
    assert set(threading.enumerate()) == before
    port = int(server.base_url.split(":")[2].removesuffix("/v1"))
    with OpenAIServer([TEXT], port=port) as again:
        assert again.base_url == server.base_url


def test_a_server_says_how_to_start_it() -> None:
    """No address before the start, no second start, and a taken port is named."""
    with pytest.raises(UserError, match="start it first"):
        _ = OpenAIServer([TEXT]).base_url
    with OpenAIServer([TEXT]) as server:
        with pytest.raises(UserError, match="starts once"):
            server.start()
        port = int(server.base_url.split(":")[2].removesuffix("/v1"))
        with pytest.raises(
            UserError, match=rf"Port {port} on 127.0.0.1 cannot be opened \(.+\): choose another"
        ):
            OpenAIServer([TEXT], port=port).start()


SCRIPT = {
    "capital": "Paris",
    "small": [
        "one",
        {"text": "", "tool_calls": [{"name": "search", "args": {"query": "x"}}]},
        {"fault": "status", "code": 429, "retry_after": 2},
    ],
}


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the server as a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "agent_graph.testing.openai_server", *arguments]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root, env={**os.environ}
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.server
def test_it_runs_as_a_process(tmp_path: Path) -> None:
    """From a script file it prints its address, answers, and ends on SIGTERM without a word of complaint."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    with process("--port", "0", "--script", str(script)) as running:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        body = {"model": "small", "messages": [{"role": "user", "content": "the capital?"}]}
        answers = [httpx.post(f"{url}/chat/completions", json=body) for _ in range(3)]
        other = httpx.post(f"{url}/chat/completions", json={**body, "model": "other"}).json()
        running.send_signal(signal.SIGTERM)
        _, complaints = running.communicate(timeout=30)
    assert answers[0].json()["choices"][0]["message"]["content"] == "one"
    assert answers[1].json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "search"
    assert (answers[2].status_code, answers[2].headers["retry-after"]) == (429, "2")
    assert other["choices"][0]["message"]["content"] == "Paris"
    assert (running.returncode, complaints) == (-signal.SIGTERM, "")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[", "cannot be read as JSON"),
        ('"hello"', "must be a JSON list or object, not str"),
        ("[3]", "A reply is a string"),
        ('[{"fault": "fire"}]', "There is no fault 'fire'; there are status, broken_json"),
        ('[{"fault": "status"}]', "The fault 'status' was given wrong arguments"),
    ],
)
def test_a_wrong_script_file_is_told_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, message: str
) -> None:
    """A script that cannot be used ends the command with one sentence."""
    from agent_graph.testing.openai_server import main

    script = tmp_path / "script.json"
    script.write_text(written)
    with pytest.raises(SystemExit):
        main(["--port", "0", "--script", str(script)])
    assert message in capsys.readouterr().err
