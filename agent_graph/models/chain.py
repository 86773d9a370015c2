"""One model call that ends: a fallback chain with deadlines, restarts of dropped streams, and usage."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.runnables import Runnable
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


class Silence(TimeoutError):
    """Nothing came for too long; asked again like after a dropped connection."""


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

    async def stream(
        self,
        messages: Sequence[BaseMessage],
        *,
        timeout_s: float,
        silence_s: float = 60,
        schema: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Piece]:
        """Stream a reply, restarting and falling back as needed.

        `timeout_s` bounds each model's turn as a whole, its retries included; after `silence_s` without a
        word a stream counts as stalled. `schema` is a JSON schema that models which declare support for it
        must keep to; the others answer in text.
        Raises ModelUnavailable, naming each model and its reason, when all have failed.
        """
        reasons: list[str] = []
        for position, named in enumerate(self.models):
            try:
                model = _strict(named.model, schema) if schema else named.model
                deadline = time.monotonic() + timeout_s
                call = partial(_call, named.name, model, messages, deadline, silence_s)
                async for piece in self._one(call, deadline):
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

    async def _one(self, call: Callable[[], AsyncIterator[Piece]], deadline: float) -> AsyncIterator[Piece]:
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
                async for piece in call():
                    yield piece


def _strict(model: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
    """Return the model held to a schema, when its profile says that it supports that."""
    if not (getattr(model, "profile", None) or {}).get("structured_output"):
        return model
    wanted = {"name": str(schema.get("title", "reply")), "schema": dict(schema), "strict": True}
    return model.bind(response_format={"type": "json_schema", "json_schema": wanted})


async def _call(
    name: str,
    model: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    deadline: float,
    silence_s: float,
) -> AsyncIterator[Piece]:
    started = time.monotonic()
    whole: BaseMessageChunk | None = None
    chunks = model.astream(list(messages)).__aiter__()
    while True:
        try:
            left = deadline - time.monotonic()
            async with asyncio.timeout(min(left, silence_s)) as patience:
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            if not patience.expired():
                raise
            silent = Silence(f"nothing came for {silence_s:g} s")
            raise (silent if left > silence_s else OutOfTime()) from error
        whole = chunk if whole is None else whole + chunk
        if text := str(chunk.text):
            yield Text(text)
    if whole is None or not (str(whole.text).strip() or getattr(whole, "tool_calls", None)):
        raise EmptyReply("the model returned an empty reply")
    yield Done(name, _usage(name, whole, time.monotonic() - started), whole)


def _usage(name: str, message: BaseMessageChunk, seconds: float) -> RoleUsage:
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
        usd=price(name, counts["input_tokens"], counts["output_tokens"], cached),
    )


def _may_pass(error: BaseException) -> bool:
    # A body that is not JSON is a proxy's or a cut connection's; the clients hand it on undressed.
    return is_transient(error) or isinstance(error, json.JSONDecodeError)


_wait = as_asked(wait_random_exponential(multiplier=0.2, max=5))


async def _sleep_until(seconds: float, deadline: float) -> None:
    left = deadline - time.monotonic()
    if seconds >= left:
        raise OutOfTime(f"asked to wait {seconds:.0f} s, which is longer than the {max(left, 0):.0f} s left")
    await asyncio.sleep(seconds)


def _reason(error: BaseException, timeout_s: float) -> str:
    if isinstance(error, OutOfTime) and not str(error):
        return f"no complete reply within {timeout_s:g} s"
    return one_line(error)
