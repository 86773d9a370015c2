"""The planner as a graph node."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from agent_graph import durable, monitoring
from agent_graph.context import Context
from agent_graph.events import (
    Event,
    PlanReady,
    PlanReset,
    PlanStepWritten,
    Replanned,
    RunStarted,
    Tell,
    remark,
    teller,
)
from agent_graph.monitoring import names
from agent_graph.plan import Plan, Step
from agent_graph.planner.prompt import Surroundings
from agent_graph.planner.surroundings import Shown, surroundings
from agent_graph.planner.write import PlanRequest, Written
from agent_graph.state import AgentState, Node, Replan, Run, decode
from agent_graph.usage import RoleUsage, Usage
from tools.faults import one_line

WritePlan = Callable[[PlanRequest], AsyncIterator[Event | Written]]
"""Writes one plan, in this process or in another."""


class Beginning(Protocol):
    """Runs steps of a plan while it is still being written."""

    def write(self, step: Step, *, start: bool = True) -> None:
        """Take a step as it is written; with `start`, it may run at once."""
        ...

    def forget(self) -> None:
        """Take note that the plan is being written afresh."""
        ...

    async def finish(self, plan: Plan, usage: Usage) -> dict[str, Any]:
        """Run the checked plan as far as it may, and return the update of the state."""
        ...


Begin = Callable[[Run, Tell], AbstractAsyncContextManager[Beginning | None]]
"""Opens what runs a plan's first steps; None when nothing may start before the plan is complete."""


def planner_node(
    write_plan: WritePlan,
    *,
    begin: Begin,
    mode: Callable[[Context], str],
    knowledge: Shown | None,
    clock: Callable[[], float],
) -> Node:
    """Return the node that writes a checked plan, or a new one when the last did not suffice."""

    async def planner(state: AgentState) -> dict[str, Any]:
        run = decode(state)
        tell = teller(run.started, clock)
        replans = _replans(run, "plan" in state and state["plan"] is not None)
        run = run.model_copy(update={"replans": replans})
        _announce(run, mode(run.context), tell)
        remarks: list[str] = []
        request = PlanRequest(
            task=run.task,
            context=run.context,
            history=run.history,
            replans=replans,
            evidence=run.evidence,
            surroundings=await _surroundings(knowledge, run, remarks),
        )
        async with begin(run, tell) as beginning:
            written = await _write(write_plan, request, tell, beginning)
            remarks += written["remarks"]
            plan = written["plan"].model_copy(update={"remarks": tuple(remarks)})
            tell(PlanReady(plan=plan))
            spent = written["usage"]
            usage = run.usage.plus("planner", spent) if spent.calls else run.usage
            ran = await beginning.finish(plan, usage) if beginning else {"usage": usage}
        return {"plan": plan, "replans": list(replans), "approval": None, "missing": "", **ran}

    return planner


class _Writing(TypedDict):
    """A plan that was written and how it came about; kept with the run."""

    plan: Plan
    usage: RoleUsage
    remarks: list[str]
    drafts: list[list[Step]]
    """The steps of each draft, the last one being the plan's."""


_WRITING = TypeAdapter(_Writing)


async def _write(
    write_plan: WritePlan, request: PlanRequest, tell: Tell, beginning: Beginning | None
) -> _Writing:
    """Write the plan, handing each step on as it comes.

    The writing is a task of its own: a run that resumes does not ask the model again for the plan of steps
    that have ended already. It then writes the same steps in the same order once more.
    """
    live = False

    async def writing() -> _Writing:
        nonlocal live
        live = True
        remarks: list[str] = []
        drafts: list[list[Step]] = [[]]
        with monitoring.span(names.PLAN):
            async for part in write_plan(request):
                if isinstance(part, Written):
                    written = part
                    continue
                tell(part)
                remarks += filter(None, [remark(part)])
                if isinstance(part, PlanReset):
                    drafts.append([])
                    if beginning:
                        beginning.forget()
                elif isinstance(part, PlanStepWritten):
                    drafts[-1].append(part.step)
                    if beginning:
                        beginning.write(part.step)
        return _Writing(plan=written.plan, usage=written.usage, remarks=remarks, drafts=drafts)

    if beginning is None:
        return await writing()
    kept = _WRITING.validate_python(await durable.begin(writing, "planner"))
    if not live:
        for draft in kept["drafts"]:
            beginning.forget()
            for step in draft:
                beginning.write(step, start=False)
    return kept


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


def _announce(run: Run, mode: str, tell: Tell) -> None:
    if run.replans:
        tell(Replanned(reason=run.replans[-1].reason, round=len(run.replans)))
    else:
        tell(RunStarted(task=run.task, mode=mode))


async def _surroundings(knowledge: Shown | None, run: Run, remarks: list[str]) -> Surroundings:
    """Ask the documents; a plan can be written without, so that their loss is only a remark."""
    if knowledge is None:
        return Surroundings()
    try:
        async with asyncio.timeout(run.context.step_timeout_s):
            return await surroundings(knowledge, run.task)
    except Exception as error:
        remarks.append(f"the planner did not see the documents: {one_line(error)}")
        return Surroundings()
