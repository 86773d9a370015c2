"""The chat model that everyone is given: what each format has it write, and how fast it writes.

All runners ask for the same thing, so the same texts come back in each one's own format. Where there was a
choice, the shorter text was taken for the others: NeMo's JSON is compact although its prompt shows it
indented, and a calling agent's model writes no thoughts and no inputs that it has read before. A tool call
is the JSON object that open models write for one, `{"name": ..., "arguments": ...}`.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from peers.tool import NAME, query
from peers.workloads import Workload
from pydantic import PrivateAttr
from typing_extensions import override

TASK = "What do all the figures come to?"
ANSWER = "The figures come to 42 [E{last}]."
STRATEGY = "Plan: add up the figures."

TOKEN_CHARACTERS = 4
"""Characters of one streamed chunk."""


class Pace(NamedTuple):
    """How fast a model writes."""

    name: str
    first_token_s: float
    characters_per_s: float

    def seconds(self, characters: int) -> float:
        """Return how long after the call so many characters are written."""
        return self.first_token_s + characters / self.characters_per_s


INSTANT = Pace("instant", 0.0, float("inf"))
SLOW = Pace("slow", 0.6, 300.0)
PACES = {pace.name: pace for pace in (INSTANT, SLOW)}


def answer(workload: Workload) -> str:
    """Return the text that everyone ends with."""
    return ANSWER.format(last=len(workload.steps))


def plan_lines(workload: Workload) -> list[tuple[str, str]]:
    """Return call and reason of each step, as agent-graph's planner prompt asks for them."""
    return [
        (f'#E{number} = {NAME}(query="{query(number, needs)}")', f"  # {query(number)}")
        for number, (_, needs) in enumerate(workload.steps, 1)
    ]


def plan_text(workload: Workload) -> str:
    """Return the whole plan: a line of strategy, then a line per step."""
    return "\n".join([STRATEGY, *(call + reason for call, reason in plan_lines(workload))])


def plan_json(workload: Workload) -> str:
    """Return the plan as NeMo's planner prompt asks for it: a JSON array of steps."""
    steps = [
        {
            "plan": query(number),
            "evidence": {
                "placeholder": f"#E{number}",
                "tool": NAME,
                "tool_input": {"query": query(number, needs)},
            },
        }
        for number, (_, needs) in enumerate(workload.steps, 1)
    ]
    return json.dumps(steps)


def plan_and_answer(workload: Workload) -> list[AIMessage]:
    """Return what the model says to a planner and a solver."""
    return [AIMessage(plan_text(workload)), AIMessage(answer(workload))]


def json_plan_and_answer(workload: Workload) -> list[AIMessage]:
    """Return what the model says to NeMo's planner and its solver."""
    return [AIMessage(plan_json(workload)), AIMessage(answer(workload))]


def single_calls_and_answer(workload: Workload) -> list[AIMessage]:
    """Return the turns of an agent that calls one tool per turn, and its answer."""
    return _turns(workload, [[number] for number in range(1, len(workload.steps) + 1)])


def parallel_calls_and_answer(workload: Workload) -> list[AIMessage]:
    """Return the turns of an agent that calls in each turn every tool whose inputs it has, and its answer."""
    return _turns(workload, workload.levels)


def lower_bound_s(workload: Workload, pace: Pace) -> float:
    """Return the least wall time of plan, steps and answer for the plan as agent-graph's format has it."""
    known, written = [], len(STRATEGY)
    for call, reason in plan_lines(workload):
        written += 1 + len(call)
        known.append(pace.seconds(written))
        written += len(reason)
    answering = pace.seconds(len(answer(workload)))
    return workload.lower_bound_s(known, planned=pace.seconds(written), answering=answering)


class PacedModel(BaseChatModel):
    """A chat model that writes given replies in order, at a pace, and counts what it reads and writes.

    Who streams sees the characters at their pace; who does not gets the whole when its end is written. At
    an infinite pace all characters arrive at once, in one chunk.
    """

    pace: Pace
    always: str = ""
    """A reply to every call, however many there are; then `begin` and its replies are not needed."""
    _replies: list[AIMessage] = PrivateAttr(default_factory=list)
    _calls: int = PrivateAttr(default=0)
    _read: int = PrivateAttr(default=0)
    _written: int = PrivateAttr(default=0)

    def begin(self, replies: Iterable[AIMessage]) -> None:
        """Start a run: take its replies and count from zero."""
        self._replies = list(replies)
        self._calls = self._read = self._written = 0

    def end(self) -> dict[str, int]:
        """Return how often the model was called, and the characters it read and wrote.

        Raises RuntimeError when it was called less often than the run needs.
        """
        if self._replies:
            raise RuntimeError(f"the model was not asked for {len(self._replies)} of its replies")
        return {
            "model_calls": self._calls,
            "prompt_characters": self._read,
            "completion_characters": self._written,
        }

    @property
    def _llm_type(self) -> str:
        return "paced"

    @override
    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools: they are counted with every prompt."""
        return self.bind(tools=[convert_to_openai_tool(one) for one in tools], **kwargs)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("every runner is asynchronous")

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = time.perf_counter()
        reply = self._next(messages, kwargs)
        await _until(asked + self.pace.seconds(_size(reply)))
        return ChatResult(generations=[ChatGeneration(message=reply)])

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        asked = time.perf_counter()
        reply = self._next(messages, kwargs)
        assert not reply.tool_calls, "agents that call tools do not stream here"
        text = str(reply.content)
        size = TOKEN_CHARACTERS if self.pace.seconds(len(text)) else len(text)
        for start in range(0, len(text), size):
            piece = text[start : start + size]
            # By the clock and not by adding up naps, which would each end a little late.
            await _until(asked + self.pace.seconds(start + len(piece)))
            last = start + size >= len(text)
            message = AIMessageChunk(content=piece, chunk_position="last" if last else None)
            yield ChatGenerationChunk(message=message)

    def _next(self, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
        if not self._replies and not self.always:
            raise RuntimeError("the model was asked once more than the run needs")
        reply = AIMessage(self.always) if self.always else self._replies.pop(0)
        self._calls += 1
        tools = options.get("tools")
        self._read += sum(map(_size, messages)) + (len(json.dumps(tools)) if tools else 0)
        self._written += _size(reply)
        return reply


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))


def _size(message: BaseMessage) -> int:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    written = (json.dumps({"name": one["name"], "arguments": one["args"]}) for one in calls)
    return len(str(message.text)) + sum(map(len, written))


def _turns(workload: Workload, turns: list[list[int]]) -> list[AIMessage]:
    return [*(AIMessage("", tool_calls=[*map(_call, turn)]) for turn in turns), AIMessage(answer(workload))]


def _call(number: int) -> ToolCall:
    return ToolCall(name=NAME, args={"query": query(number)}, id=f"call_{number}", type="tool_call")
