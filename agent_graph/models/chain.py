"""One model call that ends: a fallback chain with deadlines, restarts of dropped streams, and usage."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from agent_graph.errors import ModelUnavailable, UserError
from agent_graph.models.prices import price
from agent_graph.usage import Role, RoleUsage
from tools.faults import as_asked, failure_of, is_transient, one_line


class NamedModel(NamedTuple):
    """A chat model and the name a person knows it by."""

    name: str
    model: BaseChatModel


class Text(NamedTuple):
    """A piece of the reply."""

    text: str


class Restarted(NamedTuple):
    """Forget every piece so far: the call was made again."""

    reason: str


class FellBack(NamedTuple):
    """Forget every piece so far: the next model of the chain was asked."""

    failed: str
    next: str
    reason: str


class Done(NamedTuple):
    """The reply is complete."""

    model: str
    usage: RoleUsage
    message: BaseMessageChunk
    """The whole reply, tool calls included."""


Piece = Text | Restarted | FellBack | Done
"""What a streamed call yields, in order; `Done` comes once, last."""


class OutOfTime(Exception):
    """A model's turn is over; not a passing fault, there is no time left to try again in."""


class EmptyReply(ConnectionError):
    """A model returned neither text nor tool calls; asked again like after a dropped connection."""


class ModelChain(NamedTuple):
    """The models of one role in order of preference."""

    role: Role
    models: tuple[NamedModel, ...]
    attempts: int = 2
    """Calls of one model before the next is asked; only passing faults are tried again."""

    @property
    def name(self) -> str:
        """The preferred model."""
        return self.models[0].name

    async def stream(self, messages: Sequence[BaseMessage], *, timeout_s: float) -> AsyncIterator[Piece]:
        """Stream a reply, restarting and falling back as needed.

        `timeout_s` bounds each model's turn as a whole, its retries included.
        Raises ModelUnavailable, naming each model and its reason, when all have failed.
        """
        reasons: list[str] = []
        for position, named in enumerate(self.models):
            try:
                async for piece in self._one(named, messages, time.monotonic() + timeout_s):
                    yield piece
                return
            except UserError:
                raise  # the caller can mend it; another model would only hide it
            except Exception as error:
                reasons.append(f"{named.name}: {_reason(error, timeout_s)}")
                if position + 1 < len(self.models):
                    yield FellBack(named.name, self.models[position + 1].name, _reason(error, timeout_s))
        raise ModelUnavailable("; ".join(reasons))

    async def ask(self, messages: Sequence[BaseMessage], *, timeout_s: float) -> Done:
        """Return the whole reply at once.

        Raises ModelUnavailable when every model has failed.
        """
        async for piece in self.stream(messages, timeout_s=timeout_s):
            if isinstance(piece, Done):
                return piece
        raise ModelUnavailable(f"{self.name}: the reply never ended")

    async def _one(
        self, named: NamedModel, messages: Sequence[BaseMessage], deadline: float
    ) -> AsyncIterator[Piece]:
        reasons: list[str] = []
        retrying = AsyncRetrying(
            before_sleep=lambda state: reasons.append(failure_of(state)),
            stop=stop_after_attempt(self.attempts),
            wait=_wait,
            retry=retry_if_exception(_may_pass),
            sleep=lambda seconds: _sleep_until(seconds, deadline),
            reraise=True,
        )
        async for attempt in retrying:
            if reasons:
                yield Restarted(reasons.pop())
            with attempt:
                async for piece in _call(named, messages, deadline):
                    yield piece


async def _call(named: NamedModel, messages: Sequence[BaseMessage], deadline: float) -> AsyncIterator[Piece]:
    started = time.monotonic()
    whole: BaseMessageChunk | None = None
    chunks = named.model.astream(list(messages)).__aiter__()
    while True:
        try:
            async with asyncio.timeout(deadline - time.monotonic()) as turn:
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise OutOfTime if turn.expired() else error from error
        whole = chunk if whole is None else whole + chunk
        if text := str(chunk.text):
            yield Text(text)
    if whole is None or not (str(whole.text).strip() or getattr(whole, "tool_calls", None)):
        raise EmptyReply("the model returned an empty reply")
    yield Done(named.name, _usage(named, whole, time.monotonic() - started), whole)


def _usage(named: NamedModel, message: BaseMessageChunk, seconds: float) -> RoleUsage:
    counts = message.usage_metadata if isinstance(message, AIMessageChunk) else None
    if counts is None:
        return RoleUsage(calls=1, seconds=seconds)
    cached = (counts.get("input_token_details") or {}).get("cache_read") or 0
    return RoleUsage(
        calls=1,
        input_tokens=counts["input_tokens"],
        output_tokens=counts["output_tokens"],
        cached_tokens=cached,
        seconds=seconds,
        usd=price(named.name, counts["input_tokens"], counts["output_tokens"], cached),
    )


def _may_pass(error: BaseException) -> bool:
    # A body that is not JSON is a proxy's or a cut connection's; the clients hand it on undressed.
    return is_transient(error) or isinstance(error, json.JSONDecodeError)


_wait = as_asked(wait_random_exponential(multiplier=0.2, max=5))


async def _sleep_until(seconds: float, deadline: float) -> None:
    left = deadline - time.monotonic()
    if seconds >= left:
        raise TimeoutError(
            f"asked to wait {seconds:.0f} s, which is longer than the {max(left, 0):.0f} s left"
        )
    await asyncio.sleep(seconds)


def _reason(error: BaseException, timeout_s: float) -> str:
    if isinstance(error, OutOfTime) and not str(error):
        return f"no complete reply within {timeout_s:g} s"
    return one_line(error)
