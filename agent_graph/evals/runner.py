"""Asking the real agent every question, several at a time, and keeping a row for each."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent_graph import guardrails
from agent_graph.agent import Agent
from agent_graph.context import Context
from agent_graph.evals.datasets import Question
from agent_graph.evals.report import EvalReport, Row
from agent_graph.evals.scorers import cited_text, score
from agent_graph.evidence import Answer, Evidence
from agent_graph.plan import Plan
from agent_graph.usage import Usage
from tools.faults import one_line

Progress = Callable[[Row], None]
"""Hears of each row as it is finished."""

NEEDS_APPROVAL = "The run stopped to ask for approval; evaluate with Context(approval='never') or without tools that write."


async def evaluate(
    agent: Agent,
    questions: Sequence[Question],
    *,
    context: Context | None = None,
    concurrency: int = 4,
    progress: Progress | None = None,
    name: str = "",
) -> EvalReport:
    """Ask every question in a conversation of its own, `concurrency` at a time, and report in their order.

    A question whose run fails becomes a row with its error. Raises ValueError for a concurrency below 1.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    room = asyncio.Semaphore(concurrency)
    begun = time.monotonic()

    async def ask(question: Question) -> Row:
        async with room:
            row = await _row(agent, question, context or Context())
        if progress is not None:
            progress(row)
        return row

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(question)) for question in questions]
    rows = tuple(task.result() for task in asking)
    return EvalReport(name=name, rows=rows, seconds=round(time.monotonic() - begun, 3))


async def _row(agent: Agent, question: Question, context: Context) -> Row:
    base = Row(id=question.id, question=question.question, answers=question.answers)
    begun = time.monotonic()
    try:
        state = await _ask(agent, question.question, context)
    except Exception as error:
        return base.model_copy(update={"error": _reason(error), "seconds": _since(begun)})
    if state.get("answer") is None:
        return base.model_copy(update={"error": NEEDS_APPROVAL, "seconds": _since(begun)})
    return row_of(question, state, seconds=_since(begun))


async def _ask(agent: Agent, question: str, context: Context) -> dict[str, Any]:
    config: Any = {"configurable": {"thread_id": f"eval-{uuid.uuid4().hex}"}}
    return await agent.ainvoke({"task": question}, config, context=context)


def row_of(question: Question, state: Mapping[str, Any], *, seconds: float) -> Row:
    """Return the row of a question whose run came to its answer."""
    answer = Answer.model_validate(state["answer"])
    plan = Plan.model_validate(state.get("plan") or Plan())
    evidence = [Evidence.model_validate(one) for one in (state.get("evidence") or {}).values()]
    return Row(
        id=question.id,
        question=question.question,
        answers=question.answers,
        answer=answer.text,
        cited=cited_text(answer),
        scores=score(answer, question.answers, evidence),
        planner=plan.author,
        solver=answer.author,
        steps=len(evidence),
        failed_steps=sum(not one.ok for one in evidence),
        replans=len(state.get("replans") or ()),
        usage=Usage.model_validate(state["usage"]).total,
        seconds=seconds,
    )


def _reason(error: Exception) -> str:
    return guardrails.redact(f"{type(error).__name__}: {one_line(error)}")


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)
