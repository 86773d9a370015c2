"""Extractive mode's solver: a value where one can be read out, the sentences it rests on, citations, and no model.

It computes nothing itself, and abstains in so many words when the evidence does not speak about the task. English.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent_graph.evidence import Evidence
from agent_graph.plan import Plan
from agent_graph.references import StepId
from agent_graph.solver.extractive.lineage import Lineage
from agent_graph.solver.extractive.outcome import Outcome, Run, outcome, stands_in
from agent_graph.solver.extractive.verdict import verdict
from agent_graph.solver.extractive.wording import plain
from tools.question import strip_lead

NOT_FOUND = "Not found in the documents."
"""How every abstention begins."""


class Draft(NamedTuple):
    """An answer without a model: its text with citation markers, and what is missing."""

    text: str
    insufficient: str
    """One sentence; empty when the task is answered."""


def write_answer(task: str, plan: Plan, evidence: Mapping[StepId, Evidence]) -> Draft:
    """Answer from the evidence alone: a value, quotes, computed values with their operands, or `NOT_FOUND`.

    Citations are `[E1.2]` for the second source of E1 and `[E5]` for a value a tool computed.
    """
    lineage = Lineage(plan, evidence)
    run = Run(_as_searched(strip_lead(task), lineage), lineage)
    if not (ends := lineage.ends):
        return Draft(NOT_FOUND, f"Nothing was looked up for: {plain(run.question)}.")
    said = verdict(run)
    found = _outcomes(ends, run) if said is None else [said]
    return _draft(found)


def _as_searched(question: str, lineage: Lineage) -> str:
    """Return the question as the planner spelled it: names typed in small letters are names in its search."""
    asked = (value for one in lineage.ends for value in one.args.values() if isinstance(value, str))
    return next((value for value in asked if value.lower() == question.lower()), question)


def _outcomes(ends: Sequence[Evidence], run: Run) -> list[Outcome]:
    """What the ends came to; a search for the whole question stands in for the others where they leave it open."""
    whole = [one for one in ends if run.alone(one)]
    apart = [one for one in ends if one not in whole]
    found = [outcome(one, run) for one in apart or whole]
    if apart and any(one.missing for one in found):
        # A run of its own: what the ends quoted in vain may be said again.
        instead = (stands_in(one, Run(run.question, run.lineage)) for one in whole)
        return next(([one] for one in instead if one is not None), found)
    return found


def _draft(found: Sequence[Outcome]) -> Draft:
    text = "\n".join(dict.fromkeys(one.text for one in found if one.text))
    missing = [plain(one) for one in dict.fromkeys(one.missing for one in found if one.missing)]
    if not missing:
        return Draft(text, "")
    why = "".join(f" {plain(one)}" for one in dict.fromkeys(one.why for one in found if one.why))
    insufficient = f"The documents do not say: {'; '.join(missing)}.{why}"
    return Draft(f"{text}\n{NOT_FOUND[:-1]}: {'; '.join(missing)}." if text else NOT_FOUND, insufficient)
