"""A chat model that says what a script tells it to: real LangChain, no network, no pretence."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, PrivateAttr
from typing_extensions import override

from agent_graph.testing.clock import Clock, RealClock
from agent_graph.testing.pace import Beat, Pace, PromptCache, beats, spent
from agent_graph.testing.script import Drop, Replies, Reply, Script, Stall, as_message, prompt_text


@dataclass(frozen=True)
class ModelCall:
    """One call of a ScriptedModel, as the model saw it."""

    messages: list[BaseMessage]
    """The prompt."""
    tools: list[dict[str, Any]]
    """The tools bound for the call, in OpenAI's shape; empty for none."""
    stop: list[str] | None
    """Stop sequences asked for; they are recorded, not obeyed."""
    streamed: bool
    """Whether the reply was asked for in chunks."""
    options: dict[str, Any] = field(default_factory=dict)
    """Everything else that came with the call, for example `response_format`."""


class ScriptedModel(BaseChatModel):
    """A LangChain chat model that answers from a script, in chunks, at a pace, with usage.

    `replies` is a list (in order), a mapping from a substring of the prompt to a reply (for every call)
    or a list of replies (in order), or a function of the messages. A reply is a text, an AIMessage (tool
    calls, usage), an exception (raised), `Drop(text, after=n)` or `Stall(text, after=n)`. Chunks of
    `chunk_size` characters are cut anywhere. With `prompt_cache`, usage counts the beginning a prompt
    shares with an earlier one as read from the provider's cache. Copies and bindings share the script
    and the record.

    Raises ScriptUsedUp when the script has no reply to a call.
    """

    _script: Script[list[BaseMessage], Reply] = PrivateAttr()
    _pace: Pace = PrivateAttr()
    _clock: Clock = PrivateAttr()
    _cache: PromptCache | None = PrivateAttr()
    _calls: list[ModelCall] = PrivateAttr()

    def __init__(
        self,
        replies: Replies[Reply, list[BaseMessage]],
        *,
        chunk_size: int = 7,
        seconds_to_first_token: float = 0.0,
        characters_per_second: float | None = None,
        clock: Clock | None = None,
        prompt_cache: bool = False,
        name: str = "scripted:model",
    ) -> None:
        super().__init__(name=name)
        self._script = Script(replies)
        self._pace = Pace(chunk_size, seconds_to_first_token, characters_per_second).checked()
        self._clock = clock or RealClock()
        self._cache = PromptCache() if prompt_cache else None
        self._calls = []

    @property
    def calls(self) -> list[ModelCall]:
        """Every call so far, in order."""
        return self._calls

    @property
    def prompts(self) -> list[list[BaseMessage]]:
        """The messages of every call so far, in order."""
        return [call.messages for call in self._calls]

    @property
    def model_name(self) -> str:
        """The part of the name after the provider."""
        return (self.name or "").partition(":")[2] or (self.name or "")

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"name": self.name}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = (self.name or "scripted").partition(":")[0]
        return params

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools: each call's record carries them; whether they are called is up to the script."""
        bound = {"tools": [convert_to_openai_tool(tool) for tool in tools], **kwargs}
        return self.bind(**bound, **({"tool_choice": tool_choice} if tool_choice else {}))

    @override
    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Read replies as JSON into `schema`; with method="function_calling", read the first tool call.

        Raises langchain_core's OutputParserException for a reply that does not fit, unless `include_raw`.
        """
        if kwargs.get("method") == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        parser: Runnable[Any, Any] = JsonOutputParser()
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            parser = PydanticOutputParser(pydantic_object=schema)
        asked = self.bind(response_format={"type": "json_schema", "schema": schema})
        return _with_raw(asked, parser) if include_raw else asked | parser

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply, usage = self._begin(messages, stop, streamed=False, options=kwargs)
        for beat in beats(reply, self._pace):
            self._wait(beat)
        return self._whole(reply, usage)

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply, usage = self._begin(messages, stop, streamed=False, options=kwargs)
        for beat in beats(reply, self._pace):
            await self._sleep(beat)
        return self._whole(reply, usage)

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply, usage = self._begin(messages, stop, streamed=True, options=kwargs)
        for beat in beats(reply, self._pace):
            self._wait(beat)
            if beat.chunk is not None:
                yield ChatGenerationChunk(message=beat.chunk)
        yield self._last(reply, usage)

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reply, usage = self._begin(messages, stop, streamed=True, options=kwargs)
        for beat in beats(reply, self._pace):
            await self._sleep(beat)
            if beat.chunk is not None:
                yield ChatGenerationChunk(message=beat.chunk)
        yield self._last(reply, usage)

    def _begin(
        self, messages: list[BaseMessage], stop: list[str] | None, *, streamed: bool, options: dict[str, Any]
    ) -> tuple[AIMessage | Drop | Stall, UsageMetadata | None]:
        tools = options.get("tools") or []
        rest = {key: value for key, value in options.items() if key != "tools"}
        self._calls.append(ModelCall(list(messages), tools, stop, streamed, rest))
        cached = self._cache.read(messages) if self._cache else 0
        last = str(messages[-1].text) if messages else ""
        reply = self._script.reply(messages, prompt=prompt_text(messages), last=last)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Drop | Stall):
            return reply, None
        message = as_message(reply)
        return message, spent(messages, message, tools=tools, cached=cached)

    def _metadata(self, reply: AIMessage) -> dict[str, Any]:
        reason = "tool_calls" if reply.tool_calls else "stop"
        return {"model_name": self.model_name, "finish_reason": reason, **reply.response_metadata}

    def _whole(self, reply: AIMessage | Drop | Stall, usage: UsageMetadata | None) -> ChatResult:
        assert isinstance(reply, AIMessage), "a broken reply never ends"
        reply.usage_metadata = usage
        reply.response_metadata = self._metadata(reply)
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def _last(self, reply: AIMessage | Drop | Stall, usage: UsageMetadata | None) -> ChatGenerationChunk:
        assert isinstance(reply, AIMessage), "a broken reply never ends"
        end = AIMessageChunk(
            content="" if isinstance(reply.content, str) else [],
            usage_metadata=usage,
            response_metadata=self._metadata(reply),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=end)

    def _wait(self, beat: Beat) -> None:
        if beat.chunk is None:
            raise RuntimeError(
                "A Stall waits until it is cancelled, and a blocking call cannot be: use astream."
            )
        self._clock.wait(beat.seconds)

    async def _sleep(self, beat: Beat) -> None:
        if beat.chunk is None:
            await asyncio.Event().wait()
        await self._clock.sleep(beat.seconds)


def _with_raw(
    asked: Runnable[LanguageModelInput, AIMessage], parser: Runnable[Any, Any]
) -> Runnable[LanguageModelInput, Any]:
    parsed = RunnablePassthrough.assign(
        parsed=(lambda raw: raw["raw"]) | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=asked) | parsed.with_fallbacks([failed], exception_key="parsing_error")
