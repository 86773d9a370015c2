"""The pause before a plan acts: show it to a person; take approve, edit or reject."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from langgraph.config import get_config
from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_graph import references
from agent_graph.errors import UserError
from agent_graph.events import ApprovalAsked, PlanReady, teller
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.references import ReferenceMissing, StepId
from agent_graph.state import AgentState, Approval, Node, Run, decode

ReadPlan = Callable[[str, Run], tuple[Plan, tuple[PlanProblem, ...]]]
"""Reads and checks a plan that a person wrote."""


class Reply(BaseModel):
    """What a person answers: `{"decision": "approve"}`, an edited plan, or a refusal with its reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["approve", "edit", "reject"]
    plan: str = ""
    """With "edit": the whole plan as text, in the form it was shown."""
    reason: str = ""
    """With "reject": why; the planner gets to read it."""


def acting(plan: Plan, writing: Collection[str], unsure: Collection[str]) -> tuple[StepId, ...]:
    """Return the steps that may change something outside.

    Tools that do not say what they do get the benefit of the doubt in a plan that a question alone gave rise
    to, and none in a plan that was written after evidence was seen: it could be a tool's idea.
    """
    return plan.using({*writing, *unsure} if plan.tainted else writing)


def must_ask(run: Run, steps: Collection[StepId]) -> bool:
    """Whether a person decides before this plan runs; `steps` are those that act."""
    if not run.plan.steps:
        return False
    if run.context.approval == "always":
        return True
    return bool(steps) and (run.context.approval == "side_effects" or run.plan.tainted)


def approval_node(
    *,
    writing: Collection[str],
    unsure: Collection[str],
    read_plan: ReadPlan,
    clock: Callable[[], float],
) -> Node:
    """Return the node that lets a plan pass, or interrupts the run until a person has decided.

    `writing` names the tools that write, `unsure` those that do not say.
    """

    async def approval(state: AgentState) -> dict[str, Any]:
        run = decode(state)
        steps = acting(run.plan, writing, unsure)
        if not must_ask(run, steps):
            return {"approval": None}
        if not _can_wait():
            if not run.evidence:
                raise UserError(_hint(steps))
            reason = (
                "it was written after evidence was seen, writes, and there is no checkpointer to wait with"
            )
            return {"approval": Approval(decision="reject", digest=run.plan.digest, reason=reason)}
        tell = teller(run.started, clock)
        tell(ApprovalAsked(writes=steps))
        plan = run.plan
        faults: tuple[PlanProblem, ...] = ()
        note: tuple[PlanProblem, ...] = ()
        while True:
            reply = _reply(
                interrupt(payload(plan, acting(plan, writing, unsure), (*note, *faults), run.evidence))
            )
            note = () if reply else (_unreadable(),)
            if reply is None or (reply.decision == "approve" and faults):
                continue  # what failed its check cannot be waved through: its problems are shown again
            if reply.decision != "edit":
                decided = Approval(decision=reply.decision, digest=plan.digest, reason=reply.reason)
                return {"plan": plan, "approval": decided}
            plan, faults = read_plan(reply.plan, run)
            if not faults:
                tell(PlanReady(plan=plan))
                return {"plan": plan, "approval": Approval(decision="edit", digest=plan.digest)}

    return approval


def payload(
    plan: Plan,
    writes: Collection[StepId],
    problems: Collection[PlanProblem] = (),
    evidence: Mapping[StepId, Evidence] | None = None,
) -> dict[str, Any]:
    """Return what a person is shown: the plan as text and as steps, which of them write, what was wrong.

    `evidence` is what earlier plans found: a step that refers only to it is shown `filled`, as it would run.
    """
    found = evidence or {}
    return {
        "question": "May this plan run?",
        "plan": str(plan),
        "steps": [
            {"id": step.id, "tool": step.tool, "args": step.args, "writes": step.id in writes}
            | _filled(step, found)
            for step in plan.steps
        ],
        "problems": [str(problem) for problem in problems],
        "answer_with": [
            {"decision": "approve"},
            {"decision": "edit", "plan": "<the whole plan as text>"},
            {"decision": "reject", "reason": "<why>"},
        ],
    }


def _filled(step: Step, evidence: Mapping[StepId, Evidence]) -> dict[str, Any]:
    """Show what a step would be called with, when all that it refers to is known."""
    if not step.needs or not all(need in evidence and evidence[need].ok for need in step.needs):
        return {}
    try:
        filled = references.fill(step.args, lambda need: _shown(evidence[need]))
    except ReferenceMissing as error:
        return {"problem": str(error)}
    return {"filled": filled} if filled != step.args else {}


def _shown(evidence: Evidence) -> Any:
    return evidence.text if evidence.whole is not None else evidence.value


def _reply(given: Any) -> Reply | None:
    if given is True or given == "approve":
        return Reply(decision="approve")
    if given is False or given == "reject":
        return Reply(decision="reject")
    try:
        return Reply.model_validate(given)
    except ValidationError:
        return None


def _unreadable() -> PlanProblem:
    return PlanProblem(
        kind="unreadable",
        message="That was not understood.",
        hint='Answer {"decision": "approve"}, {"decision": "edit", "plan": "..."} or {"decision": "reject"}.',
    )


def _can_wait() -> bool:
    return bool(get_config().get("configurable", {}).get("__pregel_checkpointer"))


def _hint(writes: Collection[StepId]) -> str:
    named = ", ".join(f"#{one}" for one in writes) or "it"
    return (
        f"The plan waits for approval ({named} writes), and a run can only wait with a checkpointer. "
        'Pass build_agent(checkpointer=...), or Context(approval="never") to run without asking.'
    )
