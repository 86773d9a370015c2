"""Choosing sentences: which ones of all passages speak to a question, and how they are quoted with their source."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent_graph.evidence import Evidence, Source
from agent_graph.solver.extractive.wording import plain
from retrieval import sentences
from retrieval.sentences import ScoredSentence

LEAST_COVERAGE = 0.34
"""Share of the question's weighted words the best sentence must have in or around it."""

LEAST_COVERAGE_NAMED = 0.45
"""The same, for a question one of whose names stands nowhere in the evidence, or that asks for one value."""

LEAST_COVERAGE_UNNAMED = 0.5
"""The same, for a question none of whose names stands anywhere in the evidence."""

_MOST_QUOTES = 5
_NEAR_BEST = 0.55
_LEAST_WORDS = 3
"""Words of content a further sentence must have: "Mr. Speaker." says nothing."""
_BEST_FEW = 3
_LEANS_BACK = re.compile(
    r"^(?:it|its|they|their|them|that|this|these|those|he|his|she|her|instead|such|so did)\b|^(?:that|it|they)['’]",
    re.IGNORECASE,
)


class Passage(NamedTuple):
    """A passage and the marker that cites it."""

    marker: str
    source: Source


class Quotes:
    """What an answer has quoted so far: nothing is said twice."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def sentence(self, passage: Passage, one: ScoredSentence) -> str:
        """Return a sentence with its marker, after the one it leans on; empty when both were said before."""
        row = sentences.split_sentences(passage.source.text)
        first = one.place - 1 if one.place and _LEANS_BACK.match(one.sentence.text) else one.place
        parts = []
        for sentence in row[first : one.place + 1]:
            text = plain(sentence.text)
            if text not in self._said:
                self._said.add(text)
                parts.append(f"{text} [{passage.marker}]")
        return " ".join(parts)

    def all(self, chosen: Sequence[ScoredSentence], passages: Sequence[Passage]) -> str:
        """Return several sentences, those of the best document first, then as the documents run."""
        parts = [self.sentence(passages[one.passage], one) for one in _in_order(chosen, passages)]
        return " ".join(part for part in parts if part)


class Page:
    """Passages cut into sentences once, to be asked several questions."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        self.texts = [one.source.text for one in passages]
        self.titles = [one.source.title for one in passages]
        self.field = sentences.Field(self.texts, self.titles)

    def opening(self, place: int) -> ScoredSentence | None:
        """Return the first sentence of a passage that is no heading."""
        rows = self.field.sentences[place]
        numbered = ((n, row) for n, row in enumerate(rows) if not row.text.startswith("#"))
        return next((ScoredSentence(row, place, n, 1.0, 1.0) for n, row in numbered), None)

    def speaking(self, about: str, *, least: float = 0.0) -> list[ScoredSentence]:
        """Return the sentences that speak to a question, best first; none when the best covers too little of it.

        `least` raises the share of the question's weight that must be covered.
        """
        ranked = self.field.score(about)
        if not ranked or max(one.coverage for one in ranked[:_BEST_FEW]) < max(least, self._least(about)):
            return []
        return ranked

    def _least(self, about: str) -> float:
        query = self.field.query(about)
        if not query.missing:
            return LEAST_COVERAGE
        return LEAST_COVERAGE_UNNAMED if len(query.missing) == len(query.names) else LEAST_COVERAGE_NAMED


def passages_of(steps: Iterable[Evidence]) -> list[Passage]:
    """Return the passages that steps brought, each once, under the marker it was met with first."""
    seen: dict[tuple[str, str, int], Passage] = {}
    for one in steps:
        for number, source in enumerate(one.sources if one.ok else (), 1):
            if source.text.strip():
                seen.setdefault(
                    (source.document, source.text, source.start), Passage(f"{one.step}.{number}", source)
                )
    return list(seen.values())


def near_best(ranked: Sequence[ScoredSentence]) -> list[ScoredSentence]:
    """Return the best sentence and those that speak nearly as well, each said once."""
    chosen: list[ScoredSentence] = []
    for one in ranked:
        if len(chosen) == _MOST_QUOTES or one.score < _NEAR_BEST * ranked[0].score:
            break
        if chosen and len(sentences.content_stems(one.sentence.text)) < _LEAST_WORDS:
            continue
        if not any(_same(one.sentence.text, other.sentence.text) for other in chosen):
            chosen.append(one)
    return chosen


def _in_order(chosen: Sequence[ScoredSentence], passages: Sequence[Passage]) -> list[ScoredSentence]:
    """By passage of the best sentence first, then as the document runs."""
    rank = {passages[one.passage].source.document: n for n, one in reversed(list(enumerate(chosen)))}

    def place(one: ScoredSentence) -> tuple[int, int]:
        source = passages[one.passage].source
        return rank[source.document], source.start + one.sentence.start

    return sorted(chosen, key=place)


def _same(left: str, right: str) -> bool:
    return left in right or right in left
