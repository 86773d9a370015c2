"""Writing a plan: ask the chain, read its stream, check, repair once, fall back."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from langchain_core.messages import BaseMessage
from pydantic import BaseModel, ConfigDict

from agent_graph import monitoring
from agent_graph.context import Context
from agent_graph.errors import ModelUnavailable
from agent_graph.events import Event, ModelFellBack, PlanReset, PlanStepWritten
from agent_graph.evidence import Evidence
from agent_graph.models import EXTRACTIVE_MODE, Done, FellBack, ModelChain, Restarted, Text
from agent_graph.plan import Plan, PlanProblem
from agent_graph.planner import extractive, prompt
from agent_graph.planner.check import check
from agent_graph.planner.grammar import PlanReader
from agent_graph.planner.prompt import Surroundings
from agent_graph.planner.relevance import most_relevant
from agent_graph.references import StepId
from agent_graph.state import Replan
from agent_graph.usage import RoleUsage
from tools.catalog import Catalog


class PlanRequest(BaseModel):
    """All that a planner needs to know about one question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    context: Context
    history: tuple[tuple[str, str], ...] = ()
    replans: tuple[Replan, ...] = ()
    evidence: dict[StepId, Evidence] = {}
    """Of earlier rounds; may be referred to."""
    surroundings: Surroundings = Surroundings()


class Written(BaseModel):
    """The plan that passed its check."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    usage: RoleUsage


class _Reply(NamedTuple):
    plan: Plan
    problems: tuple[PlanProblem, ...]
    text: str
    model: str


async def write(
    request: PlanRequest, chain: ModelChain | None, catalog: Catalog
) -> AsyncIterator[Event | Written]:
    """Yield steps as they are written, what went wrong on the way, and the checked plan last.

    Problems go back to the writer once; then the rest of the chain is asked; then extractive mode plans.
    """
    spent = RoleUsage()
    base = await asyncio.to_thread(_messages, request, catalog)
    messages: tuple[BaseMessage, ...] = base
    repaired = False
    while chain is not None:
        reply: _Reply | None = None
        try:
            async for part in _ask(chain, messages, request, catalog):
                if isinstance(part, RoleUsage):
                    spent += part
                elif isinstance(part, _Reply):
                    reply = part
                else:
                    yield part
        except ModelUnavailable as error:
            yield PlanReset(reason=f"no model could plan, extractive mode does: {error}")
            break
        assert reply is not None
        if not reply.problems:
            yield Written(plan=reply.plan, usage=spent)
            return
        yield PlanReset(reason="the plan has problems", problems=reply.problems)
        if repaired:
            chain, messages, repaired = _rest(chain, reply.model), base, False
        else:
            messages, repaired = (*base, *prompt.feedback(reply.plan, reply.text, reply.problems)), True
    plan = _extractive(request, catalog)
    for step in plan.steps:
        yield PlanStepWritten(step=step)
    yield Written(plan=plan, usage=spent)


async def _ask(
    chain: ModelChain, messages: tuple[BaseMessage, ...], request: PlanRequest, catalog: Catalog
) -> AsyncIterator[Event | RoleUsage | _Reply]:
    parameters = catalog.parameters
    reader, text, context = PlanReader(parameters), "", request.context
    stream = chain.stream(
        messages,
        timeout_s=context.model_timeout_s,
        silence_s=context.model_silence_s,
        schema=prompt.schema(catalog) if context.plan_format == "json" else None,
    )
    async for piece in stream:
        if isinstance(piece, Text):
            text += piece.text
            for step in reader.feed(piece.text):
                yield PlanStepWritten(step=step)
        elif isinstance(piece, Restarted | FellBack):
            reader, text = PlanReader(parameters), ""
            if isinstance(piece, FellBack):
                yield ModelFellBack(role="planner", failed=piece.failed, next=piece.next, reason=piece.reason)
                yield PlanReset(reason=f"{piece.next} starts afresh")
            else:
                yield PlanReset(reason=piece.reason)
        elif isinstance(piece, Done):
            calls = getattr(piece.message, "tool_calls", None) or []
            for step in (*reader.take(calls), *reader.close()):
                yield PlanStepWritten(step=step)
            monitoring.count_tokens("planner", piece.model, piece.usage)
            yield piece.usage
            plan = reader.plan(author=piece.model, tainted=bool(request.replans))
            problems = check(
                plan,
                catalog,
                max_steps=request.context.max_steps,
                evidence=request.evidence,
                earlier=[replan.plan for replan in request.replans],
            )
            yield _Reply(plan, (*reader.problems, *problems), text, piece.model)


def _messages(request: PlanRequest, catalog: Catalog) -> tuple[BaseMessage, ...]:
    used = [step.tool for replan in request.replans for step in replan.plan.steps]
    shown = most_relevant(catalog, request.task, request.context.max_tools_in_prompt, always=used)
    return (
        prompt.system(shown, request.context.max_steps),
        prompt.question(
            request.task,
            surroundings=request.surroundings,
            history=request.history,
            history_tokens=request.context.history_tokens,
            replans=request.replans,
            evidence=list(request.evidence.values()),
        ),
    )


def _rest(chain: ModelChain, model: str) -> ModelChain | None:
    """Return the models after the one that answered, or None when it was the last."""
    at = next((number for number, named in enumerate(chain.models) if named.name == model), len(chain.models))
    rest = chain.models[at + 1 :]
    return chain._replace(models=rest) if rest else None


def _extractive(request: PlanRequest, catalog: Catalog) -> Plan:
    if request.replans:
        # The rules would write the same plan again; the evidence there is has to do.
        return Plan(author=EXTRACTIVE_MODE, tainted=True)
    history = [text for _, text in request.history]
    plan = extractive.write_plan(
        request.task, tools=list(catalog), passages=request.context.passages, history=history
    )
    problems = check(plan, catalog, max_steps=request.context.max_steps)
    if problems:
        return Plan(author=EXTRACTIVE_MODE, strategy="no plan could be made with the tools there are")
    return plan
