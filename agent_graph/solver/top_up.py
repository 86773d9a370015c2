"""One more search of the documents, when the solver says that something is missing."""

from collections.abc import Awaitable, Callable, Mapping

from agent_graph.events import AnswerReset, PlanStepWritten, Tell
from agent_graph.evidence import Evidence
from agent_graph.plan import Step
from agent_graph.references import StepId
from agent_graph.state import Run

Search = Callable[[Step, Run, Tell], Awaitable[Evidence]]
"""Runs one step that searches the documents, and tells how it ended."""

SEARCH = "search_documents"
"""The tool of the search."""

QUERY_CHARACTERS = 400
"""Longest query."""


async def top_up(search: Search, run: Run, missing: str, tell: Tell) -> Run | None:
    """Return the run with one more step that searched for what is missing; None when it found nothing new.

    The step stands at the end of the plan, so that everything which shows a run shows it too.
    """
    last = max((int(step_id[1:]) for step_id in (*run.evidence, *run.plan.by_id)), default=0)
    query = f"{run.task} {missing}"[:QUERY_CHARACTERS]
    step = Step(
        id=StepId(f"E{last + 1}"), tool=SEARCH, args={"query": query}, reason="the solver found it missing"
    )
    tell(PlanStepWritten(step=step))
    found = await search(step, run, tell)
    update = {
        "plan": run.plan.model_copy(update={"steps": (*run.plan.steps, step)}),
        "evidence": {**run.evidence, step.id: found},
        "usage": run.usage.with_step(step.id, found.attempts, found.seconds, found.usage),
    }
    if not _is_news(found, run.evidence):
        return None
    tell(AnswerReset(reason=f"the evidence is insufficient, one more search: {missing}"))
    return run.model_copy(update=update)


def has_passages(run: Run) -> bool:
    """Whether the plan has brought any passage of the documents."""
    return any(one.ok and one.sources for one in run.evidence.values())


def _is_news(found: Evidence, evidence: Mapping[StepId, Evidence]) -> bool:
    known = {source.text for one in evidence.values() if one.ok for source in one.sources}
    return found.ok and any(source.text not in known for source in found.sources)
