"""OpenAI's chat completions over the agent: any chat client can use it.

The model's name is an assistant's. While the run goes on, its steps come as `reasoning_content`; the answer follows
whole, once its citations are checked, with those as annotations.
"""

import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent_graph.events import Event
from agent_graph.evidence import Answer
from agent_graph.gateway.progress import told
from agent_graph.gateway.within import AskFailed, Ended, ask, assistants, inside
from agent_graph.usage import Usage

_MARKER = re.compile(r"\[(E\d+(?:\.\d+)?)\]")
_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ChatMessage(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[dict[str, Any]]


class StreamOptions(BaseModel):
    """What else a stream brings."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """The part of OpenAI's request that means something here; sampling is the operator's affair."""

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    tools: list[Any] | None = Field(None, max_length=0)
    """The agent has its own."""


async def list_models(request: Request) -> Response:
    """Return the assistants as models."""
    try:
        async with inside(request) as client:
            names = sorted(await assistants(client))
    except AskFailed as error:
        return _error(str(error), error.status)
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "agent-graph"} for name in names]
    return JSONResponse({"object": "list", "data": listed})


async def complete(request: Request) -> Response:
    """Answer a conversation, at once or as a stream; errors have OpenAI's shape."""
    try:
        asked = ChatRequest.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return _error(f"{place or 'body'}: {first['msg']}.", 400, param=place or None)
    if asked.messages[-1].role != "user":
        return _error("The last message is the question: its role is user.", 400, param="messages")
    if not asked.stream:
        return await _whole(request, asked)
    parts = _parts(request, asked)
    try:
        first_part = await anext(parts)  # a refusal still has its status then
    except AskFailed as error:
        return _error(str(error), error.status)
    return StreamingResponse(_stream(asked, first_part, parts), media_type="text/event-stream")


ROUTES = (
    Route("/v1/models", list_models, methods=["GET"]),
    Route("/v1/chat/completions", complete, methods=["POST"]),
)


async def _whole(request: Request, asked: ChatRequest) -> Response:
    steps: list[str] = []
    ended: Ended | None = None
    try:
        async for part in _parts(request, asked):
            if isinstance(part, Ended):
                ended = part
            elif line := told(part):
                steps.append(line)
    except AskFailed as error:
        return _error(str(error), error.status)
    assert ended is not None
    message = {"role": "assistant", "reasoning_content": "\n".join(steps), **_message(ended)}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return JSONResponse(
        {**_head(asked, "chat.completion", ended.run), "choices": [choice], "usage": _usage(ended)}
    )


async def _parts(request: Request, asked: ChatRequest) -> AsyncGenerator[Event | Ended, None]:
    async with inside(request) as client:
        named = await assistants(client)
        if asked.model not in named:
            raise AskFailed(f"There is no model {asked.model!r}; there are: {', '.join(sorted(named))}.", 404)
        messages = [
            {"role": "system" if one.role == "developer" else one.role, "content": one.content}
            for one in asked.messages
        ]
        async with aclosing(ask(client, named[asked.model], messages)) as parts:
            async for part in parts:
                yield part


async def _stream(
    asked: ChatRequest, first: Event | Ended, parts: AsyncGenerator[Event | Ended, None]
) -> AsyncIterator[str]:
    head = _head(asked, "chat.completion.chunk", "")

    def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
        return _sse({**head, "choices": choices, **more})

    async with aclosing(parts):
        yield chunk({"role": "assistant", "content": ""})
        try:
            part: Event | Ended | None = first
            while part is not None:
                if isinstance(part, Ended):
                    yield chunk(_message(part))
                    yield chunk({}, "stop")
                    if asked.stream_options and asked.stream_options.include_usage:
                        yield _sse({**head, "choices": [], "usage": _usage(part)})
                elif line := told(part):
                    yield chunk({"reasoning_content": f"{line}\n"})
                part = await anext(parts, None)
            yield "data: [DONE]\n\n"
        except AskFailed as error:
            yield _sse(_shape(str(error), error.status))


def _message(ended: Ended) -> dict[str, Any]:
    answer = Answer.model_validate(ended.values["answer"])
    return {
        "content": answer.text,
        "annotations": annotations(answer),
        "agent_graph": {
            "citations": [one.model_dump(mode="json") for one in answer.citations],
            "unsupported": answer.unsupported,
            "insufficient": answer.insufficient,
            "author": answer.author,
        },
    }


def annotations(answer: Answer) -> list[dict[str, Any]]:
    """Return where the answer's markers stand and which document each rests on; computed values have none."""
    sources = {one.marker: one.source for one in answer.citations if one.source}
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": found.start(),
                "end_index": found.end(),
                "title": ", ".join(filter(None, [source.title or source.document, source.location])),
                "url": source.document,
            },
        }
        for found in _MARKER.finditer(answer.text)
        if (source := sources.get(found[1])) is not None
    ]


def _usage(ended: Ended) -> dict[str, int]:
    total = Usage.model_validate(ended.values.get("usage") or {}).total
    return {
        "prompt_tokens": total.input_tokens,
        "completion_tokens": total.output_tokens,
        "total_tokens": total.input_tokens + total.output_tokens,
    }


def _head(asked: ChatRequest, kind: str, run: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{run or time.time_ns()}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
    }


def _sse(data: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _shape(message: str, status: int, param: str | None = None) -> dict[str, Any]:
    """Return an error as OpenAI's clients read it."""
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}


def _error(message: str, status: int, param: str | None = None) -> Response:
    return JSONResponse(_shape(message, status, param), status_code=status)
