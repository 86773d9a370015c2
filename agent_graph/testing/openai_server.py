"""An OpenAI-compatible server that answers from a script: real sockets, no model.

In a test: `with OpenAIServer(["Hello"]) as server: ChatOpenAI(base_url=server.base_url, ...)`.
As a process: `python -m agent_graph.testing.openai_server --port 8080 --script replies.json`.
"""

import argparse
import asyncio
import json
import logging
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent_graph.errors import UserError
from agent_graph.testing import wire
from agent_graph.testing.clock import Clock, RealClock
from agent_graph.testing.fault import Fault, ServerReply
from agent_graph.testing.pace import Pace, PromptCache, beats, spent
from agent_graph.testing.script import Drop, Replies, Script, ScriptUsedUp, Stall, as_message, prompt_text
from agent_graph.testing.script_file import read_script

_HALF_JSON = '{"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"ind'
_HTML = "<!doctype html><title>Welcome</title><p>Please accept the terms of this network."


@dataclass(frozen=True)
class ServerRequest:
    """One request as it arrived."""

    path: str
    """For example `/v1/chat/completions`."""
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any] = field(default_factory=dict)
    """The parsed JSON body; empty for a GET."""


class _CutOff(Exception):
    """Raised inside a response to cut its connection on purpose."""


class _Server(uvicorn.Server):
    """Uvicorn, which tells unfinished replies to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


class OpenAIServer:
    """Chat completions, embeddings and models over HTTP, from a script, at a pace, with faults.

    `replies` is a list (in order), a mapping or a function of the request's body. A mapping's key is
    the name of the model asked, or a substring of the prompt; its value one reply (for every such
    call) or a list (in order). A reply is a text, an AIMessage (tool calls, usage), or a `Fault`.
    A request that the script has no reply to gets status 500 and a message that says so. Embeddings
    are hashed words in `dimensions` numbers. `port` 0 takes a free one.

    Raises UserError on start when the port is taken.
    """

    def __init__(
        self,
        replies: Replies[ServerReply, dict[str, Any]] = (),
        *,
        models: Sequence[str] | None = None,
        dimensions: int = 256,
        chunk_size: int = 7,
        seconds_to_first_token: float = 0.0,
        characters_per_second: float | None = None,
        clock: Clock | None = None,
        prompt_cache: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._script = Script(replies)
        self._blocking = callable(replies)
        self._models = list(models) if models is not None else _model_names(replies)
        self._dimensions = dimensions
        self._pace = Pace(chunk_size, seconds_to_first_token, characters_per_second).checked()
        self._clock = clock or RealClock()
        self._cache = PromptCache() if prompt_cache else None
        self._host, self._port = host, port
        self._requests: list[ServerRequest] = []
        self._stopping = asyncio.Event()
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def requests(self) -> list[ServerRequest]:
        """Every request so far, in order of arrival."""
        return self._requests

    @property
    def base_url(self) -> str:
        """Where clients find it, for example `http://127.0.0.1:40123/v1`.

        Raises UserError before the start.
        """
        if self._socket is None:
            raise UserError(
                "The server has no address yet: start it first, best with `with OpenAIServer(...)`."
            )
        return f"http://{self._host}:{self._port}/v1"

    def start(self) -> Self:
        """Listen, and answer in a background thread; when it returns, requests are accepted."""
        self._listen()
        self._thread = threading.Thread(target=self._run, name="OpenAIServer", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Cut what is unfinished, close every connection, and end the thread."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None

    def serve(self) -> None:
        """Answer in this thread until SIGINT or SIGTERM; `base_url` goes to standard output first."""
        self._listen()
        sys.stdout.write(f"{self.base_url}\n")
        sys.stdout.flush()
        self._run()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        if self._socket is not None:
            raise UserError("An OpenAIServer starts once: make a new one.")
        try:
            self._socket = socket.create_server((self._host, self._port))
        except OSError as cause:
            raise UserError(
                f"Port {self._port} on {self._host} cannot be opened ({cause.strerror}): choose another, or 0 for a free one."
            ) from cause
        # Accepted sockets inherit it; without it each small write waits 40 ms for the last one's ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port = self._socket.getsockname()[1]
        # Neither colours nor log files: a stand-in leaves the logging of its process alone.
        config = uvicorn.Config(
            self._app(),
            lifespan="off",
            log_config=None,
            access_log=False,
            loop="asyncio",
            http="h11",
            ws="none",
        )
        self._server = _Server(config, self._stopping)

    def _run(self) -> None:
        assert self._server is not None
        assert self._socket is not None
        log = logging.getLogger("uvicorn.error")
        log.addFilter(_not_on_purpose)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            log.removeFilter(_not_on_purpose)
            self._socket.close()

    def _app(self) -> Starlette:
        routes = [
            Route("/v1/models", self._list_models),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/embeddings", self._embed, methods=["POST"]),
        ]
        return Starlette(
            routes=routes, exception_handlers={HTTPException: _refused, ValidationError: _invalid}
        )

    async def _list_models(self, request: Request) -> Response:
        await self._record(request)
        return JSONResponse(wire.model_list(self._models))

    async def _embed(self, request: Request) -> Response:
        asked = wire.EmbeddingRequest.model_validate(await self._record(request))
        return JSONResponse(wire.embeddings(asked, dimensions=self._dimensions))

    async def _chat(self, request: Request) -> Response:
        body = await self._record(request)
        asked = wire.ChatRequest.model_validate(body)
        number = len(self._requests)
        try:
            reply = await self._reply(body, asked)
        except ScriptUsedUp as dry:
            return _failed(str(dry), 500)
        if isinstance(reply, Exception):
            return _failed(f"{type(reply).__name__}: {reply}", 500)
        if isinstance(reply, Fault):
            if reply.message is None:
                return _faulty(reply, stream=asked.stream)
            reply = reply.message
        return self._played(asked, reply, number)

    async def _record(self, request: Request) -> dict[str, Any]:
        raw = await request.body()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError as cause:
            raise HTTPException(400, f"The body is not JSON: {cause}.") from cause
        if not isinstance(body, dict):
            raise HTTPException(400, "The body must be a JSON object.")
        self._requests.append(ServerRequest(request.url.path, dict(request.headers), body))
        return body

    async def _reply(self, body: dict[str, Any], asked: wire.ChatRequest) -> ServerReply:
        try:
            prompt = asked.prompt
        except ValueError as cause:
            raise HTTPException(400, str(cause)) from cause
        last = str(prompt[-1].text)
        if self._blocking:  # a function may take its time, and other requests go on
            return await asyncio.to_thread(
                self._script.reply, body, prompt=prompt_text(prompt), last=last, key=asked.model
            )
        return self._script.reply(body, prompt=prompt_text(prompt), last=last, key=asked.model)

    def _played(
        self, asked: wire.ChatRequest, reply: str | AIMessage | Drop | Stall, number: int
    ) -> Response:
        cached = self._cache.read(asked.prompt) if self._cache else 0
        if isinstance(reply, Drop):
            reply = replace(reply, error=_CutOff())
        elif not isinstance(reply, Stall):
            reply = as_message(reply)
        counted = reply if isinstance(reply, AIMessage) else as_message(reply.begun)
        usage = spent(asked.prompt, counted, tools=asked.tools, cached=cached)
        if asked.stream:
            parts = self._events(asked, reply, usage, number)
            return StreamingResponse(self._timed(parts), media_type="text/event-stream")
        whole = self._whole(asked, reply, usage, number)
        return StreamingResponse(self._timed(whole), media_type="application/json")

    def _events(
        self, asked: wire.ChatRequest, reply: AIMessage | Drop | Stall, usage: UsageMetadata, number: int
    ) -> Iterator[tuple[float | None, bytes]]:
        """Yield the events of a stream, each with the seconds before it; None: nothing comes any more."""
        delta: wire.Json = {"role": "assistant"}
        for beat in beats(reply, self._pace):
            if beat.chunk is None:
                yield None, b""
                return
            delta |= wire.delta(beat.chunk)
            yield beat.seconds, wire.event(wire.chunk(delta, model=asked.model, number=number))
            delta = {}
        assert isinstance(reply, AIMessage), "a broken reply never ends"
        finish = wire.finish_reason(reply)
        yield 0.0, wire.event(wire.chunk(delta, model=asked.model, number=number, finish=finish))
        if asked.include_usage:
            yield 0.0, wire.event(wire.usage_chunk(usage, model=asked.model, number=number))
        yield 0.0, wire.event("[DONE]")

    def _whole(
        self, asked: wire.ChatRequest, reply: AIMessage | Drop | Stall, usage: UsageMetadata, number: int
    ) -> Iterator[tuple[float | None, bytes]]:
        """Yield the body, or as much of it as arrives, with the seconds before it."""
        message = reply if isinstance(reply, AIMessage) else as_message(reply.text)
        body = json.dumps(
            wire.completion(message, usage, model=asked.model, number=number), ensure_ascii=False
        )
        seconds = sum(beat.seconds for beat in beats(message, self._pace))
        if isinstance(reply, AIMessage):
            yield seconds, body.encode()
            return
        yield 0.0, body[: len(body) // 2].encode()
        if isinstance(reply, Drop):
            raise reply.reason
        yield None, b""

    async def _timed(self, parts: Iterator[tuple[float | None, bytes]]) -> AsyncIterator[bytes]:
        for seconds, part in parts:
            await self._pause(seconds)
            yield part

    async def _pause(self, seconds: float | None) -> None:
        """Wait as long as the script says, or until the server stops: then cut the connection."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        waits: set[asyncio.Future[Any]] = {stopping}
        if seconds is not None:
            waits.add(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                raise _CutOff
        finally:
            for wait in waits:
                wait.cancel()


def _model_names(replies: Any) -> list[str]:
    listed = replies.items() if isinstance(replies, Mapping) else ()
    return [name for name, reply in listed if isinstance(reply, list | tuple)] or ["scripted"]


def _faulty(fault: Fault, *, stream: bool) -> Response:
    if fault.kind == "broken_json":
        body = wire.event(_HALF_JSON) if stream else _HALF_JSON.encode()
        return Response(body, media_type="text/event-stream" if stream else "application/json")
    if fault.kind == "wrong_content_type":
        return Response(_HTML, media_type="text/html")
    headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    return _failed(fault.text, fault.code, headers)


def _failed(message: str, code: int, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(wire.error(message, code=code), status_code=code, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _failed(f"{request.method} {request.url.path}: {error.detail}", error.status_code)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return _failed(f"{request.method} {request.url.path}: {where}: {first['msg']}", 400)


def _not_on_purpose(record: logging.LogRecord) -> bool:
    """Keep connections that were cut on purpose out of the error log."""
    return not (record.exc_info and isinstance(record.exc_info[1], _CutOff))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a script from the command line until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m agent_graph.testing.openai_server", description=__doc__)
    parser.add_argument("--script", type=Path, required=True, help="JSON file of replies")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument("--dimensions", type=int, default=256, help="numbers in an embedding")
    parser.add_argument("--chunk-size", type=int, default=7, help="characters per event of a stream")
    parser.add_argument("--seconds-to-first-token", type=float, default=0.0)
    parser.add_argument("--characters-per-second", type=float, default=None)
    parser.add_argument("--prompt-cache", action="store_true", help="report cached tokens")
    given = vars(parser.parse_args(arguments))
    try:
        OpenAIServer(read_script(given.pop("script")), **given).serve()
    except UserError as wrong:
        parser.error(str(wrong))
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")


if __name__ == "__main__":
    main()
