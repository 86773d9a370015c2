"""Citations in an answer: read as models write them, checked against the evidence, resolved to passages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from agent_graph.evidence import Answer, Citation, Evidence
from agent_graph.references import StepId
from agent_graph.solver import numbers
from agent_graph.solver.markers import MARKER, canonical
from agent_graph.solver.support import Grounds
from retrieval.sentences import content_stems, split_sentences

LISTED = 0.5
"""Share of an uncited sentence's words that a source named in a list at the end must hold to count as its support."""

_SPACE_BEFORE = re.compile(r"[ \t]+(?=[.,;:!?](?:\s|$))")
_LEADING = re.compile(r"(?:\[E\d+(?:\.\d+)?\]\s*)+")
_ENDED = re.compile(r"[.!?…:;。！？][\s\"'”’»)\]*_`]*(?:\[E\d+(?:\.\d+)?\]\s*)*$")
"""A sentence is over; a very long one arrives in pieces."""
_LIST = re.compile(
    r"[\s>*#-]*(?:sources?|references?|citations?|evidence|quellen)?[\s:,;.*]*$", re.IGNORECASE
)
_HEADING = re.compile(r"\s*(?:#{1,6}\s|\|?[\s|:-]+\|?$|```)")


class _Claim(NamedTuple):
    text: str
    """Without markers."""
    markers: tuple[str, ...]

    @property
    def lists(self) -> bool:
        """Whether it only names what the sentences before it rest on."""
        return bool(self.markers) and _LIST.match(self.text) is not None


def check(
    text: str,
    evidence: Mapping[StepId, Evidence],
    *,
    question: str | None = None,
    insufficient: str = "",
    author: str = "",
) -> Answer:
    """Return the answer with every citation in canonical form and resolved; forged ones are removed.

    A citation is forged when its step does not exist, has no value, or has no such source. Numbers are only
    verified when the question is given: what the person said may be repeated.
    """
    marked = canonical(text, evidence, question or "")
    clean = marked.text
    if not clean:
        clean, insufficient = "No answer was given.", insufficient or "an answer"
    claims = list(_claims(clean))
    grounds = Grounds(evidence, clean)
    return Answer(
        text=clean,
        citations=tuple(_citations(claims, grounds)),
        unsupported=() if insufficient else tuple(dict.fromkeys(_unsupported(claims, grounds))),
        forged=marked.forged,
        unverified_numbers=()
        if question is None
        else numbers.unverified(clean, question, list(evidence.values())),
        insufficient=insufficient,
        author=author,
    )


def _claims(text: str) -> Iterator[_Claim]:
    """Yield the sentences, each with the markers in it and those that follow its full stop."""
    for line in text.splitlines():
        held = ""
        for sentence in split_sentences(line):
            bare = MARKER.sub("", sentence.text).strip(" .")
            if held and (not bare or not _ENDED.search(held)):
                held += f" {sentence.text}"
                continue
            leading = _LEADING.match(sentence.text)
            if held and leading:
                held += f" {leading[0]}"
            if held:
                yield _claim(held)
            held = sentence.text[leading.end() :] if leading and held else sentence.text
        if held:
            yield _claim(held)


def _claim(written: str) -> _Claim:
    bare = _SPACE_BEFORE.sub("", MARKER.sub("", written)).strip()
    return _Claim(bare, tuple(dict.fromkeys(MARKER.findall(written))))


def _citations(claims: Sequence[_Claim], grounds: Grounds) -> Iterator[Citation]:
    for claim in claims:
        for marker in claim.markers:
            step, number = _place(marker)
            said = _nearest(claims, step, grounds) if claim.lists else claim.text
            found = grounds.find(said, step, number)
            yield Citation(marker=marker, step=step, source=found.source, quote=found.quote, claim=said)


def _nearest(claims: Sequence[_Claim], step: StepId, grounds: Grounds) -> str:
    """Return the sentence of the answer that a source named in a list most likely stands for."""
    said = [claim.text for claim in claims if not claim.lists]
    return max(said, key=lambda text: grounds.overlap(text, step), default="")


def _unsupported(claims: Sequence[_Claim], grounds: Grounds) -> Iterator[str]:
    listed = [_place(marker)[0] for claim in claims if claim.lists for marker in claim.markers]
    for place, claim in enumerate(claims):
        if claim.lists or len(content_stems(claim.text)) <= 1 or _HEADING.match(claim.text):
            continue
        if claim.markers:
            if grounds.lacks(claim.text, [_place(marker)[0] for marker in claim.markers]):
                yield claim.text
        elif not _introduces(claims, place) and not any(
            grounds.overlap(claim.text, step) >= LISTED for step in listed
        ):
            yield claim.text


def _introduces(claims: Sequence[_Claim], place: int) -> bool:
    """Whether a sentence only opens the list that follows it: "The treaties are:"."""
    return claims[place].text.endswith(":") and any(claim.markers for claim in claims[place + 1 :])


def _place(marker: str) -> tuple[StepId, int | None]:
    step, _, number = marker.partition(".")
    return StepId(step), int(number) if number else None
