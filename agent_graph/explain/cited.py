"""Which passages an answer cites, and where in them: the two ends of every link in a report."""

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from agent_graph.evidence import Answer, Citation, Evidence
from agent_graph.references import StepId

MARKER = re.compile(r"\[(E\d+(?:\.\d+)?)\]")

Place = tuple[StepId, int]
"""A step and the number of its source, from 1; 0 is the step's own value."""


class Link(NamedTuple):
    """One citation in the answer: its marker and the two anchors it joins."""

    marker: str
    place: Place
    here: str
    """Anchor in the answer."""
    there: str
    """Anchor of the quote, the passage or the value."""
    quote: str


class Piece(NamedTuple):
    """A stretch of the answer: text, or a citation."""

    text: str
    link: Link | None = None


def pieces(answer: Answer, evidence: Mapping[StepId, Evidence]) -> Iterator[Piece]:
    """Cut the answer's text at its citations and resolve each; the n-th marker is its n-th citation."""
    waiting: defaultdict[str, deque[Citation]] = defaultdict(deque)
    for citation in answer.citations:
        waiting[citation.marker].append(citation)
    at, number = 0, 0
    for match in MARKER.finditer(answer.text):
        queue = waiting[match[1]]
        if not queue:
            continue
        citation = queue[0] if len(queue) == 1 else queue.popleft()
        number += 1
        yield Piece(answer.text[at : match.start()])
        yield Piece(match[0], _link(citation, number, evidence))
        at = match.end()
    yield Piece(answer.text[at:])


def _link(citation: Citation, number: int, evidence: Mapping[StepId, Evidence]) -> Link:
    place = (citation.step, _source_number(citation, evidence))
    return Link(citation.marker, place, f"cite-{number}", anchor(place), citation.quote)


def _source_number(citation: Citation, evidence: Mapping[StepId, Evidence]) -> int:
    sources = evidence[citation.step].sources if citation.step in evidence else ()
    return next((at for at, source in enumerate(sources, start=1) if source == citation.source), 0)


def anchor(place: Place) -> str:
    """Return the anchor of a passage, or of a step's value."""
    step, source = place
    return f"source-{step}-{source}" if source else f"evidence-{step}"
