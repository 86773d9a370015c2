"""How a reply arrives: cut into chunks anywhere, one after the other, at a given speed."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.messages.utils import count_tokens_approximately

from agent_graph.testing.script import Drop, Stall, as_message, prompt_text


class Pace(NamedTuple):
    """The size and speed of a stream."""

    chunk_size: int = 7
    """Characters per chunk; words, numbers and references are cut wherever it falls."""
    seconds_to_first_token: float = 0.0
    characters_per_second: float | None = None
    """None: all chunks at once, but other tasks run between them."""

    def checked(self) -> "Pace":
        """Return itself.

        Raises ValueError when a number makes no sense.
        """
        if self.chunk_size < 1:
            raise ValueError(f"chunk_size is a number of characters, 1 or more, not {self.chunk_size}.")
        if self.seconds_to_first_token < 0:
            raise ValueError(f"seconds_to_first_token is 0 or more, not {self.seconds_to_first_token}.")
        if self.characters_per_second is not None and self.characters_per_second <= 0:
            raise ValueError(
                f"characters_per_second is more than 0, or None for no limit, not {self.characters_per_second}."
            )
        return self


class Beat(NamedTuple):
    """One chunk and how long it keeps the reader waiting."""

    seconds: float
    chunk: AIMessageChunk | None
    """None: nothing comes any more, and the reader waits until it gives up."""


def beats(reply: AIMessage | Drop | Stall, pace: Pace) -> Iterator[Beat]:
    """Yield the chunks of a reply in time; usage and finish reason are not among them.

    Raises the reply's own error where a Drop breaks off.
    """
    seconds = pace.seconds_to_first_token
    for chunk in _chunks(reply if isinstance(reply, AIMessage) else as_message(reply.begun), pace.chunk_size):
        if pace.characters_per_second:
            seconds += _size(chunk) / pace.characters_per_second
        yield Beat(seconds, chunk)
        seconds = 0.0
    if isinstance(reply, Drop):
        raise reply.reason
    if isinstance(reply, Stall):
        yield Beat(seconds, None)


def spent(
    messages: Sequence[BaseMessage], reply: AIMessage, *, tools: Sequence[Any] | None, cached: int
) -> UsageMetadata:
    """Return the usage a reply names itself, or an approximate count of the tokens read and written."""
    if reply.usage_metadata is not None:
        return reply.usage_metadata
    read = count_tokens_approximately(messages, tools=list(tools) if tools else None)
    written = count_tokens_approximately([reply])
    usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    if cached:
        usage["input_token_details"] = InputTokenDetails(cache_read=min(cached, read))
    return usage


class PromptCache:
    """Counts what a provider's prompt cache would serve: the longest beginning seen in an earlier prompt."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def read(self, messages: Sequence[BaseMessage]) -> int:
        """Return the approximate tokens of the shared beginning, and remember this prompt."""
        prompt = prompt_text(messages)
        shared = max((_shared(prompt, earlier) for earlier in self._seen), default=0)
        self._seen.append(prompt)
        return shared // 4


def _shared(one: str, other: str) -> int:
    length = min(len(one), len(other))
    return next((i for i in range(length) if one[i] != other[i]), length)


def _chunks(message: AIMessage, size: int) -> Iterator[AIMessageChunk]:
    extra = message.additional_kwargs
    if extra:
        yield AIMessageChunk(content="", additional_kwargs=extra)
    blocks: list[str | dict[str, Any]] = (
        [message.content] if isinstance(message.content, str) else message.content
    )
    for index, block in enumerate(blocks):
        yield from _block_chunks(block, index, size)
    for index, call in enumerate(message.tool_calls):
        name, arguments = call["name"], json.dumps(call["args"], ensure_ascii=False)
        yield _call_chunk(index, "", name=name, call_id=call["id"] or f"call_{index}")
        for piece in _cut(arguments, size):
            yield _call_chunk(index, piece)


def _block_chunks(block: str | dict[str, Any], index: int, size: int) -> Iterator[AIMessageChunk]:
    if isinstance(block, str):
        for piece in _cut(block, size):
            yield AIMessageChunk(content=piece)
    elif block.get("type") == "text":
        for piece in _cut(block["text"], size):
            yield AIMessageChunk(content=[{**block, "text": piece, "index": index}])
    else:
        yield AIMessageChunk(content=[{**block, "index": index}])


def _call_chunk(
    index: int, args: str, *, name: str | None = None, call_id: str | None = None
) -> AIMessageChunk:
    call = tool_call_chunk(name=name, args=args, id=call_id, index=index)
    return AIMessageChunk(content="", tool_call_chunks=[call])


def _cut(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _size(chunk: AIMessageChunk) -> int:
    return len(str(chunk.text)) + sum(len(call["args"] or "") for call in chunk.tool_call_chunks)
