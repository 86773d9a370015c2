"""The solver as a graph node."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from langchain_core.messages import AIMessage

from agent_graph import monitoring
from agent_graph.events import AnswerReady, AnswerReset, Event, remark, teller
from agent_graph.evidence import Answer
from agent_graph.monitoring import names
from agent_graph.solver.write import Solved, SolveRequest
from agent_graph.state import AgentState, Finding, Node, Run, decode

Solve = Callable[[SolveRequest], AsyncIterator[Event | Solved]]
"""Writes one answer, in this process or in another."""


def solver_node(solve: Solve, *, can_replan: bool, clock: Callable[[], float]) -> Node:
    """Return the node that answers from question, plan and evidence, or says what is missing."""

    async def solver(state: AgentState) -> dict[str, Any]:
        run = decode(state)
        tell = teller(run.started, clock)
        declined = run.approval is not None and run.approval.decision == "reject"
        if declined and not run.evidence:
            solved = Solved(answer=_declined(run))
        else:
            remarks: list[str] = []
            with monitoring.span(names.SOLVE):
                async for part in solve(_request(run)):
                    if isinstance(part, Solved):
                        solved = part
                    else:
                        tell(part)
                        remarks += filter(None, [remark(part)])
            text = f"{solved.answer.text} {_not_approved(run)}" if declined else solved.answer.text
            answer = solved.answer.model_copy(update={"text": text, "remarks": tuple(remarks)})
            solved = solved.model_copy(update={"answer": answer})
        usage = run.usage.plus("solver", solved.usage) if solved.usage.calls else run.usage
        usage = usage.model_copy(update={"seconds": round(clock() - run.started, 3)})
        may_replan = can_replan and not declined and len(run.replans) < run.context.max_replans
        if solved.answer.insufficient and may_replan:
            tell(AnswerReset(reason=f"the evidence is insufficient: {solved.answer.insufficient}"))
            return {"usage": usage, "missing": solved.answer.insufficient}
        tell(AnswerReady(answer=solved.answer, usage=usage))
        return {
            "answer": solved.answer,
            "usage": usage,
            "missing": "",
            "findings": [*run.findings, *_findings(solved)],
            "messages": [AIMessage(solved.answer.text)],
        }

    return solver


def _request(run: Run) -> SolveRequest:
    return SolveRequest(
        task=run.task, plan=run.plan, evidence=run.evidence, context=run.context, history=run.history
    )


def _declined(run: Run) -> Answer:
    text = f"Nothing was run. {_not_approved(run)}"
    return Answer(text=text, insufficient="approval of the plan")


def _not_approved(run: Run) -> str:
    """Say it of the plan that was refused; what an earlier plan of this turn did stays said and cited."""
    which = "further plan" if run.replans else "plan"
    reason = f": {run.approval.reason}" if run.approval and run.approval.reason else ""
    return f"The {which} was not approved{reason}."


def _findings(solved: Solved) -> list[Finding]:
    return [
        Finding(guard="injection", where=f"evidence {step}", count=count, action="neutralised")
        for step, count in solved.neutralised.items()
    ]
