"""The worker as a graph node."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from agent_graph.errors import Bug
from agent_graph.events import teller
from agent_graph.evidence import Evidence
from agent_graph.models.ask import spent
from agent_graph.references import StepId
from agent_graph.state import AgentState, Node, Run, decode
from agent_graph.usage import RoleUsage, Usage
from agent_graph.worker.dataflow import CallStep, Dataflow


def worker_node(call: CallStep, *, writing: Collection[str], clock: Callable[[], float]) -> Node:
    """Return the node that runs the plan's steps as a dataflow; `writing` names the tools that write."""

    async def worker(state: AgentState) -> dict[str, Any]:
        run = decode(state)
        _refuse_another_plan(run)
        flow = Dataflow(
            plan=run.plan,
            evidence=dict(run.evidence),
            writes=frozenset(run.plan.using(writing)),
            context=run.context,
            started=run.started,
            clock=clock,
            call=call,
            tell=teller(run.started, clock),
        )
        own_calls: list[RoleUsage] = []
        spent.set(own_calls)
        evidence = await flow.run()
        usage = _with_tools(run.usage, evidence, run.evidence)
        if own_calls:
            usage = usage.plus("worker", sum(own_calls, RoleUsage()))
        return {"evidence": evidence, "usage": usage}

    return worker


def _refuse_another_plan(run: Run) -> None:
    """What was approved is what runs."""
    if run.approval is not None and run.approval.digest != run.plan.digest:
        raise Bug("the plan that is about to run is not the plan that was approved")


def _with_tools(usage: Usage, now: Mapping[StepId, Evidence], before: Mapping[StepId, Evidence]) -> Usage:
    new = [one for step_id, one in now.items() if step_id not in before]
    spent = RoleUsage(
        calls=sum(one.attempts for one in new), seconds=round(sum(one.seconds for one in new), 4)
    )
    return usage.model_copy(update={"tools": usage.tools + spent})
