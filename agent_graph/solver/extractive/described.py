"""The one a description fits: "what English essayist best known for ..." is the passage that says so of its subject."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent_graph.solver.extractive.definition import definition
from agent_graph.solver.extractive.quotes import Page
from agent_graph.solver.extractive.subject import mentions, name_stems
from retrieval import sentences
from retrieval.sentences import ScoredSentence

_ASKS = re.compile(
    r"\b(?:what|which)\s+(?P<noun>(?:(?!(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|the|an?|of|in|on|at|by|for|from|"
    r"to|with|that|who|which|whose|where|when|and|or|year|date|day|time)\b)[\w’'-]+\s*){1,7})",
    re.IGNORECASE,
)
_BRACKET = re.compile(r"\s*\([^()]*\)$")
_OF = frozenset(
    map(sentences.stem, sentences.word_list("group kind type sort part form number amount share member"))
)
"""Words that leave to what follows them what is asked for: "what kind of animal"."""
_LEAST_KIND = 0.5
"""Share of the describing words' weight that must stand where a passage says what its subject is."""
_LEAST = 0.6
"""Least worth of a candidate: share of the question's weight its passage holds, and what is added to it."""
_MARGIN = 0.05
"""What the best must be worth more than the next."""
_KIND = 0.3
"""What full agreement in the describing words adds."""
_LINK = 0.3
"""What it adds that a passage on someone the question names speaks of the candidate."""


class Titled(NamedTuple):
    """The subject of a passage, and the sentence that says what it is."""

    text: str
    sentence: ScoredSentence


def read(question: str, page: Page) -> Titled | None:
    """Return the one thing or person that "what ..." or "which ..." describes; None when none fits clearly best."""
    match = _ASKS.search(question)
    noun = list(dict.fromkeys(sentences.content_stems(match["noun"]))) if match else []
    if not noun:
        return None
    offers = sorted(_offers(question, noun, page), key=lambda offer: -offer[0])
    if not offers or offers[0][0] < _LEAST:
        return None
    others = [worth for worth, other in offers[1:] if other.text != offers[0][1].text]
    return offers[0][1] if not others or offers[0][0] - others[0] >= _MARGIN else None


def _offers(question: str, noun: Sequence[str], page: Page) -> Iterator[tuple[float, Titled]]:
    """Yield the subject of each passage that says it is of the asked kind, with how well the passage fits."""
    query = page.field.query(question)
    own = frozenset(sentences.content_stems(question))
    for place, rows in enumerate(page.field.sentences):
        title, told = _BRACKET.sub("", page.titles[place]), definition(page, place)
        if (
            told is None
            or not title
            or title.lower() in question.lower()
            or not mentions(told.subject, title)
        ):
            continue
        kind = _agreement(noun, told.head, told.rest, page)
        if kind < _LEAST_KIND:
            continue
        holds = {stem for row in rows for stem in sentences.content_stems(row.text)}
        covered = sum(w for term, w in query.weight.items() if term in holds) / (query.total or 1.0)
        linked = any(
            other != place and mentions(text, title) and _asked_about(page.titles[other], own)
            for other, text in enumerate(page.texts)
        )
        yield covered + _KIND * kind + _LINK * linked, Titled(title, told.sentence)


def _agreement(noun: Sequence[str], head: str, rest: str, page: Page) -> float:
    """Return the share of the describing words that a definition holds; 0 when it is of another kind.

    The words run into the verb, "rowing club won", so they are read up to the last one that the definition names.
    """
    named = frozenset(sentences.content_stems(head))
    ends = max((n for n, stem in enumerate(noun, 1) if stem in named), default=0)
    kind = noun[:ends]
    if not kind or kind[-1] in _OF:
        return 0.0
    said = frozenset(sentences.content_stems(rest))
    weights = page.field.weights
    return sum(weights[stem] for stem in kind if stem in said) / sum(weights[stem] for stem in kind)


def _asked_about(title: str, own: frozenset[str]) -> bool:
    stems = name_stems(title)
    return bool(stems) and stems <= own
