"""The solver as a graph node."""

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage

from agent_graph import monitoring
from agent_graph.events import AnswerReady, AnswerReset, Event, Tell, remark, teller
from agent_graph.evidence import Answer
from agent_graph.journal import Journal
from agent_graph.monitoring import names
from agent_graph.solver.past import remember
from agent_graph.solver.top_up import Search, has_passages, top_up
from agent_graph.solver.write import Solved, SolveRequest
from agent_graph.state import AgentState, Finding, Node, Run, decode

Solve = Callable[[SolveRequest], AsyncIterator[Event | Solved]]
"""Writes one answer, in this process or in another."""


class Beyond(NamedTuple):
    """What may still be done when evidence is insufficient."""

    replan: bool
    search: bool


def solver_node(solve: Solve, *, can_replan: bool, search: Search | None, clock: Callable[[], float]) -> Node:
    """Return the node that answers from question, plan and evidence, or says what is missing.

    What is missing is looked for once: by a new plan, or by one more `search` of the documents where the
    plan brought none of their passages or there may be no new plan. After that the answer is what there is.
    """

    async def solver(state: AgentState) -> dict[str, Any]:
        run = decode(state)
        tell = teller(run.started, clock)
        if _declined(run) and not run.evidence:
            return _answered(run, _nothing_ran(run), tell, clock)
        beyond = _beyond(run, can_replan=can_replan, can_search=search is not None)
        solved = await _solve(solve, run, tell, final=not any(beyond))
        if solved.answer.insufficient and beyond.search and search is not None:
            before = run.model_copy(update={"usage": run.usage.plus("solver", solved.usage)})
            looked = await top_up(search, before, solved.answer.insufficient, tell)
            if looked is not None:
                run = looked
                solved = await _solve(solve, run, tell, final=not beyond.replan)
        if solved.answer.insufficient and beyond.replan:
            tell(AnswerReset(reason=f"the evidence is insufficient: {solved.answer.insufficient}"))
            return {**_kept(run, solved, clock), "missing": solved.answer.insufficient}
        return _answered(run, solved, tell, clock)

    return solver


def _beyond(run: Run, *, can_replan: bool, can_search: bool) -> Beyond:
    if _declined(run):
        return Beyond(replan=False, search=False)
    replan = can_replan and len(run.replans) < run.context.max_replans
    free = can_search and run.context.approval != "always"
    return Beyond(replan, free and not (replan and has_passages(run)))


async def _solve(solve: Solve, run: Run, tell: Tell, *, final: bool) -> Solved:
    # A plan that was refused has not run; the one before it has.
    plan = run.replans[-1].plan if _declined(run) and run.replans else run.plan
    request = SolveRequest(
        task=run.task,
        plan=plan,
        evidence=await Journal.here().fetch(run.evidence),
        context=run.context,
        history=run.history,
        past=run.past,
        images=run.images,
        final=final,
    )
    remarks: list[str] = []
    with monitoring.span(names.SOLVE):
        async for part in solve(request):
            if isinstance(part, Solved):
                solved = part
            else:
                tell(part)
                remarks += filter(None, [remark(part)])
    text = f"{solved.answer.text} {_not_approved(run)}" if _declined(run) else solved.answer.text
    answer = solved.answer.model_copy(update={"text": text, "remarks": tuple(remarks)})
    return solved.model_copy(update={"answer": answer})


def _kept(run: Run, solved: Solved, clock: Callable[[], float]) -> dict[str, Any]:
    usage = run.usage.plus("solver", solved.usage) if solved.usage.calls else run.usage
    usage = usage.model_copy(update={"seconds": round(clock() - run.started, 3)})
    return {"plan": run.plan, "evidence": run.evidence, "usage": usage}


def _answered(run: Run, solved: Solved, tell: Tell, clock: Callable[[], float]) -> dict[str, Any]:
    kept = _kept(run, solved, clock)
    tell(AnswerReady(answer=solved.answer, usage=kept["usage"]))
    return {
        **kept,
        "answer": solved.answer,
        "missing": "",
        "past": remember(run.past, solved.answer, run.evidence),
        "findings": [*run.findings, *_findings(solved)],
        "messages": [AIMessage(solved.answer.text)],
    }


def _declined(run: Run) -> bool:
    return run.approval is not None and run.approval.decision == "reject"


def _nothing_ran(run: Run) -> Solved:
    text = f"Nothing was run. {_not_approved(run)}"
    return Solved(answer=Answer(text=text, insufficient="approval of the plan"))


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
