"""The things a question sets side by side, each with what the run found out about it."""

from collections.abc import Sequence
from typing import NamedTuple

from agent_graph.evidence import Evidence
from agent_graph.solver.extractive import life
from agent_graph.solver.extractive.lead import Lead, best_value
from agent_graph.solver.extractive.lineage import Lineage
from agent_graph.solver.extractive.quotes import Page
from agent_graph.solver.extractive.subject import mentions, passages_about
from retrieval.sentences import ScoredSentence
from tools import values
from tools.question import answer_type
from tools.values import Value


class Side(NamedTuple):
    """One of the things compared."""

    name: str
    """As the question has it."""
    subject: str
    """Whom to look at: itself, or the one found to stand in the asked role to it; empty when that one is not known."""
    end: Evidence | None
    """The step that was to find what is compared."""
    hops: tuple[Evidence, ...]
    """The values that lead from the name to the subject."""


def sides_of(candidates: Sequence[str], lineage: Lineage, page: Page) -> list[Side]:
    """Return a side for each candidate, in their order; the plan asks about them in that order too."""
    own = [one for one in lineage.ends if one.tool == "extract" or one.sources or not one.ok][
        : len(candidates)
    ]
    known: Sequence[Evidence | None] = own if len(own) == len(candidates) else [None] * len(candidates)
    return [_side(name, end, lineage, page) for name, end in zip(candidates, known, strict=True)]


def _side(name: str, end: Evidence | None, lineage: Lineage, page: Page) -> Side:
    if end is None:
        return Side(name, name, None, ())
    asked = [one for one in reversed(list(lineage.behind(end))) if one.tool == "extract"]
    if not asked:
        return Side(name, name, end, ())
    hops = tuple(one for one in asked if one.ok)
    sure = len(hops) == len(asked) and _leads_on(name, hops[0], page)
    return Side(name, str(hops[-1].value) if sure else "", end, hops)


def _leads_on(name: str, hop: Evidence, page: Page) -> bool:
    """Whether the hop was read from a passage that speaks of the one it starts at."""
    return any(
        mentions(f"{title} {text}", name) and str(hop.value).lower() in text.lower()
        for title, text in zip(page.titles, page.texts, strict=True)
    )


def read(question: str, side: Side, page: Page) -> Lead | None:
    """Read a value of a side out of the passages that are about its subject, else of those that name it."""
    if not side.subject:
        return None
    about = passages_about(side.subject, page)
    naming = [
        n
        for n, (title, text) in enumerate(zip(page.titles, page.texts, strict=True))
        if n not in about and mentions(f"{title} {text}", side.subject)
    ]
    told = life.read(question, about, page)
    if told is not None:
        return Lead(*told)
    kind = answer_type(question)
    found = (
        best_value(question, kind, places, page, about=places is not naming)
        for places in (about[:1], about, naming)
    )
    return next((one for one in found if one is not None), None)


def lifetime(side: Side, page: Page) -> tuple[list[Value], ScoredSentence] | None:
    """Return the dates of birth and death that open the passage on a side, and the sentence they stand in."""
    for place in passages_about(side.subject, page) if side.subject else []:
        opening = page.opening(place)
        dated = values.dates(opening.sentence.text) if opening else ()
        said = [one for one in dated if values.when(one.value) is not None]
        if opening and len(said) > 1:
            return said[:2], opening
    return None
