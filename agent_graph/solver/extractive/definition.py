"""What a passage says its subject is: "a Finnish former racing driver" of "X is a Finnish former racing driver, ..."."""

import re
from typing import NamedTuple

from agent_graph.solver.extractive.quotes import Page
from retrieval.sentences import ScoredSentence

_COPULA = re.compile(r"\b(?:is|was|are|were)\s+(?:an?|the|one)\b")
_ENDS = re.compile(
    r",|\b(?:in|of|by|for|from|at|on|with|who|which|that|best|known|owned|based|directed|written)\b"
)
_LONGEST = 14
"""Words in which a definition names what its subject is."""


class Definition(NamedTuple):
    """The first sentence of a passage, taken apart."""

    sentence: ScoredSentence
    subject: str
    """What stands before "is a"."""
    head: str
    """What the subject is, up to the first preposition or comma."""
    rest: str
    """All that stands after "is a"."""


def definition(page: Page, place: int) -> Definition | None:
    """Return how a passage opens, when it opens by saying what something is."""
    opening = page.opening(place)
    copula = _COPULA.search(opening.sentence.text) if opening else None
    if opening is None or copula is None:
        return None
    rest = opening.sentence.text[copula.end() :]
    head = _ENDS.split(" ".join(rest.split()[:_LONGEST]), maxsplit=1)[0].strip()
    return Definition(opening, opening.sentence.text[: copula.start()], head, rest)
