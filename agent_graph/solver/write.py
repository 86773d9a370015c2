"""Writing the answer: ask the chain, stream it, check its citations, fall back to quoting."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from agent_graph import monitoring
from agent_graph.context import Context
from agent_graph.errors import ModelUnavailable
from agent_graph.events import AnswerReset, AnswerText, Event, ModelFellBack
from agent_graph.evidence import Answer, Evidence
from agent_graph.journal import is_large
from agent_graph.models import EXTRACTIVE_MODE, Done, FellBack, ModelChain, Restarted, Text
from agent_graph.plan import Plan
from agent_graph.references import StepId
from agent_graph.solver import extractive, prompt
from agent_graph.solver.cite import check
from agent_graph.solver.images import take_images
from agent_graph.solver.prompt import INSUFFICIENT, Prompt
from agent_graph.usage import RoleUsage

_T = TypeVar("_T")


class SolveRequest(BaseModel):
    """All that a solver needs to answer one question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    plan: Plan
    evidence: dict[StepId, Evidence]
    context: Context
    history: tuple[tuple[str, str], ...] = ()
    past: dict[StepId, Evidence] = {}
    """What earlier answers of the conversation rested on, under ids of its own."""
    images: tuple[dict[str, Any], ...] = ()
    """Image blocks of the question."""
    final: bool = True
    """Whether nothing more will be looked for: then the answer is what there is, and says what is missing."""


class Solved(BaseModel):
    """The checked answer."""

    model_config = ConfigDict(frozen=True)

    answer: Answer
    usage: RoleUsage = RoleUsage()
    neutralised: dict[StepId, int] = {}
    """Places in each step's evidence that imitated our notation."""


async def write(request: SolveRequest, chain: ModelChain | None) -> AsyncIterator[Event | Solved]:
    """Yield the answer's text as it comes and the checked answer last."""
    if chain is not None:
        build = partial(
            prompt.build,
            [request.task, *request.images],
            request.plan,
            {**request.past, **request.evidence},
            history=request.history,
            evidence_tokens=request.context.evidence_tokens,
            history_tokens=request.context.history_tokens,
            images=take_images([named.model for named in chain.models]),
            final=request.final,
        )
        built = await _worked([*request.past.values(), *request.evidence.values()], build)
        try:
            async for part in _ask(chain, built, request):
                yield part
            return
        except ModelUnavailable as error:
            yield AnswerReset(reason=f"no model could answer, extractive mode does: {error}")
    answer = await _worked(request.evidence.values(), partial(_quoted, request))
    yield AnswerText(text=answer.text)
    yield Solved(answer=answer)


async def _ask(chain: ModelChain, built: Prompt, request: SolveRequest) -> AsyncIterator[Event | Solved]:
    text, shown = "", 0
    context = request.context
    stream = chain.stream(
        built.messages, timeout_s=context.model_timeout_s, silence_s=context.model_silence_s
    )
    async for piece in stream:
        if isinstance(piece, Text):
            text += piece.text
            if not _may_be_insufficient(text):
                yield AnswerText(text=text[shown:])
                shown = len(text)
        elif isinstance(piece, Restarted | FellBack):
            text, shown = "", 0
            if isinstance(piece, FellBack):
                yield ModelFellBack(role="solver", failed=piece.failed, next=piece.next, reason=piece.reason)
                yield AnswerReset(reason=f"{piece.next} starts afresh")
            else:
                yield AnswerReset(reason=piece.reason)
        elif isinstance(piece, Done):
            monitoring.count_tokens("solver", piece.model, piece.usage)
            yield Solved(
                answer=await _worked(request.evidence.values(), partial(_answer, text, request, piece.model)),
                usage=piece.usage,
                neutralised=dict(built.neutralised),
            )


async def _worked(evidence: Iterable[Evidence], work: Callable[[], _T]) -> _T:
    """Do work over evidence, in a thread where there is so much of it that it would hold everything else up."""
    if any(is_large(one.value) for one in evidence):
        return await asyncio.to_thread(work)
    return work()


def _quoted(request: SolveRequest) -> Answer:
    draft = extractive.write_answer(request.task, request.plan, request.evidence)
    return check(
        draft.text,
        request.evidence,
        question=request.task,
        insufficient=draft.insufficient,
        author=EXTRACTIVE_MODE,
    )


def _answer(text: str, request: SolveRequest, model: str) -> Answer:
    missing, known = _split(text)
    if missing:
        told = f"{known}\n\n" if known else "The evidence does not answer this. "
        text = f"{told}Missing: {missing}"
    evidence = {**request.past, **request.evidence}
    return check(text, evidence, question=request.task, insufficient=missing, author=model)


def _split(text: str) -> tuple[str, str]:
    """Split a reply that says what is missing into that and what it could tell all the same."""
    begun = text.lstrip()
    if not begun.startswith(INSUFFICIENT):
        return "", text
    missing, _, known = begun.removeprefix(INSUFFICIENT).strip().partition("\n")
    return missing or "the evidence does not answer the question", known.strip()


def _may_be_insufficient(text: str) -> bool:
    begun = text.lstrip()
    return INSUFFICIENT.startswith(begun[: len(INSUFFICIENT)])
