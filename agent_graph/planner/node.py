"""The planner as a graph node."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from agent_graph import monitoring
from agent_graph.events import Event, PlanReady, Replanned, RunStarted, Tell, remark, teller
from agent_graph.monitoring import names
from agent_graph.planner.prompt import Surroundings
from agent_graph.planner.write import PlanRequest, Written
from agent_graph.state import AgentState, Node, Replan, Run, decode
from retrieval.knowledge import Knowledge
from tools.faults import one_line

SNIPPETS = 3
"""Passages the planner sees for a question."""

WritePlan = Callable[[PlanRequest], AsyncIterator[Event | Written]]
"""Writes one plan, in this process or in another."""


def planner_node(
    write_plan: WritePlan, *, mode: str, knowledge: Knowledge | None, clock: Callable[[], float]
) -> Node:
    """Return the node that writes a checked plan, or a new one when the last did not suffice."""

    async def planner(state: AgentState) -> dict[str, Any]:
        run = decode(state)
        tell = teller(run.started, clock)
        replans = _replans(run, "plan" in state and state["plan"] is not None)
        _announce(run, replans, mode, tell)
        remarks: list[str] = []
        request = PlanRequest(
            task=run.task,
            context=run.context,
            history=run.history,
            replans=replans,
            evidence=run.evidence,
            surroundings=await _surroundings(knowledge, run, remarks),
        )
        with monitoring.span(names.PLAN):
            async for part in write_plan(request):
                if isinstance(part, Written):
                    written = part
                else:
                    tell(part)
                    remarks += filter(None, [remark(part)])
        plan = written.plan.model_copy(update={"remarks": tuple(remarks)})
        tell(PlanReady(plan=plan))
        usage = run.usage.plus("planner", written.usage) if written.usage.calls else run.usage
        return {
            "plan": plan,
            "usage": usage,
            "replans": list(replans),
            "approval": None,
            "missing": "",
        }

    return planner


def _replans(run: Run, planned: bool) -> tuple[Replan, ...]:
    if not planned:
        return ()
    return (*run.replans, Replan(reason=_why(run), plan=run.plan))


def _why(run: Run) -> str:
    if run.missing:
        return f"the evidence was insufficient: {run.missing}"
    if run.approval is not None and run.approval.decision == "reject":
        return f"a person rejected it: {run.approval.reason}"
    ended = [run.evidence[step.id] for step in run.plan.steps if step.id in run.evidence]
    lost = [f"#{one.step} failed: {one.error}" for one in ended if one.status == "failed"]
    return "; ".join(lost) or "its steps did not suffice"


def _announce(run: Run, replans: tuple[Replan, ...], mode: str, tell: Tell) -> None:
    if replans:
        tell(Replanned(reason=replans[-1].reason, round=len(replans)))
    else:
        tell(RunStarted(task=run.task, mode=mode))


async def _surroundings(knowledge: Knowledge | None, run: Run, remarks: list[str]) -> Surroundings:
    """Ask the documents what they hold; a plan can be written without, so that their loss is only a remark."""
    if knowledge is None:
        return Surroundings()
    try:
        async with asyncio.timeout(run.context.step_timeout_s):
            card = await asyncio.to_thread(knowledge.card)
            hits = await knowledge.asearch(run.task, k=SNIPPETS)
    except Exception as error:
        remarks.append(f"the planner did not see the documents: {one_line(error)}")
        return Surroundings()
    return Surroundings(card=str(card), hits=tuple(hits))
