"""The JSON of OpenAI's chat, embeddings and models endpoints, as pure functions."""

import base64
import json
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import convert_to_messages
from pydantic import BaseModel, ConfigDict, Field

from agent_graph.testing.embedding import hashed_vector

Json = dict[str, Any]


class StreamOptions(BaseModel):
    """What a stream carries beside its text."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """The part of a chat request that decides how it is answered; everything else is accepted."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str
    messages: list[Json] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[Json] = Field(default_factory=list)
    n: Literal[1] | None = None

    @property
    def include_usage(self) -> bool:
        """Whether the last event of a stream is the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def prompt(self) -> list[BaseMessage]:
        """The messages as LangChain has them.

        Raises ValueError for a message it does not know.
        """
        # None is how OpenAI writes "no text" beside tool calls.
        return convert_to_messages(
            [{**message, "content": message.get("content") or ""} for message in self.messages]
        )


class EmbeddingRequest(BaseModel):
    """An embeddings request: one text or several, as strings or as token numbers."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1, le=10_000)

    @property
    def texts(self) -> list[str]:
        """One text per vector asked for; token numbers are written out."""
        if isinstance(self.input, str):
            return [self.input]
        if self.input and isinstance(self.input[0], int):
            return [" ".join(map(str, self.input))]
        return [item if isinstance(item, str) else " ".join(map(str, item)) for item in self.input]  # type: ignore[arg-type]


def finish_reason(message: AIMessage) -> str:
    """Return why the reply ended: what the message says of itself, else tool_calls or stop."""
    named = message.response_metadata.get("finish_reason")
    return str(named or ("tool_calls" if message.tool_calls else "stop"))


def completion(reply: AIMessage, usage: UsageMetadata, *, model: str, number: int) -> Json:
    """Return the body of a chat completion that is not streamed."""
    message = {"role": "assistant", "content": str(reply.text) or None, **_extras(reply)}
    if reply.tool_calls:
        message["tool_calls"] = [_tool_call(call, index) for index, call in enumerate(reply.tool_calls)]
    elif "refusal" not in message:
        message["content"] = str(reply.text)
    choice = {"index": 0, "message": message, "finish_reason": finish_reason(reply), "logprobs": None}
    return {**_head("chat.completion", model, number), "choices": [choice], "usage": usage_block(usage)}


def chunk(delta: Json, *, model: str, number: int, finish: str | None = None) -> Json:
    """Return one event of a streamed chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {**_head("chat.completion.chunk", model, number), "choices": [choice]}


def usage_chunk(usage: UsageMetadata, *, model: str, number: int) -> Json:
    """Return the event with the usage and no choices that ends a stream on request."""
    return {**_head("chat.completion.chunk", model, number), "choices": [], "usage": usage_block(usage)}


def delta(part: AIMessageChunk) -> Json:
    """Return the delta of one chunk of a message."""
    calls = [
        {"index": call["index"], "function": {"arguments": call["args"]}}
        | ({"id": call["id"], "type": "function"} if call["id"] else {})
        for call in part.tool_call_chunks
    ]
    for call, made in zip(part.tool_call_chunks, calls, strict=True):
        if call["name"]:
            made["function"] = {"name": call["name"], "arguments": call["args"]}
    if calls:
        return {"tool_calls": calls}
    return _extras(part) or {"content": str(part.text)}


def usage_block(usage: UsageMetadata) -> Json:
    """Return usage under OpenAI's names."""
    read: Mapping[str, Any] = usage.get("input_token_details", {})
    written: Mapping[str, Any] = usage.get("output_token_details", {})
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
        "prompt_tokens_details": {"cached_tokens": read.get("cache_read", 0)},
        "completion_tokens_details": {"reasoning_tokens": written.get("reasoning", 0)},
    }


def error(message: str, *, code: int) -> Json:
    """Return an error body for an HTTP status."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}
    kind = "rate_limit_exceeded" if code == 429 else kinds.get(code, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def model_list(names: Sequence[str]) -> Json:
    """Return the list of models."""
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "agent-graph"} for name in names]
    return {"object": "list", "data": models}


def embeddings(request: EmbeddingRequest, *, dimensions: int) -> Json:
    """Return one hashed vector per text, as numbers or as base64 of little-endian float32."""
    made = [hashed_vector(text, dimensions=request.dimensions or dimensions) for text in request.texts]
    rows = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, request.encoding_format)}
        for index, vector in enumerate(made)
    ]
    read = sum(len(text) // 4 + 1 for text in request.texts)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return {"object": "list", "model": request.model, "data": rows, "usage": usage}


def event(body: Json | str) -> bytes:
    """Return one server-sent event."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def _head(kind: str, model: str, number: int) -> Json:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": int(time.time()), "model": model}


def _extras(message: AIMessage) -> Json:
    """What servers send beside content, for example `refusal` and `reasoning_content`."""
    own = ("tool_calls", "function_call")
    return {key: value for key, value in message.additional_kwargs.items() if key not in own}


def _tool_call(call: Any, index: int) -> Json:
    arguments = json.dumps(call["args"], ensure_ascii=False)
    function = {"name": call["name"], "arguments": arguments}
    return {"id": call["id"] or f"call_{index}", "type": "function", "function": function}


def _encoded(vector: list[float], encoding: str) -> list[float] | str:
    if encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
