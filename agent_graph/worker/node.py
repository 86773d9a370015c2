"""The worker as a graph node."""

from collections.abc import Callable
from typing import Any

from agent_graph.errors import Bug
from agent_graph.events import teller
from agent_graph.state import AgentState, Node, Run, decode
from agent_graph.worker.call import CallStep
from agent_graph.worker.dataflow import Dataflow, Effects


def worker_node(call: CallStep, *, effects: Effects, clock: Callable[[], float]) -> Node:
    """Return the node that runs what is left of the plan as a dataflow."""

    async def worker(state: AgentState) -> dict[str, Any]:
        run = decode(state)
        _refuse_another_plan(run)
        async with Dataflow(
            context=run.context,
            call=call,
            effects=effects,
            tell=teller(run.started, clock),
            started=run.started,
            clock=clock,
            before=run.evidence,
        ) as flow:
            evidence = await flow.finish(run.plan)
        return {"evidence": evidence, "usage": flow.account(run.usage)}

    return worker


def _refuse_another_plan(run: Run) -> None:
    """What was approved is what runs."""
    if run.approval is not None and run.approval.digest != run.plan.digest:
        raise Bug("the plan that is about to run is not the plan that was approved")
