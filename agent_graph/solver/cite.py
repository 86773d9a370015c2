"""Citations in an answer: read as models write them, checked against the evidence, resolved to passages."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from agent_graph import guardrails
from agent_graph.evidence import Answer, Citation, Evidence, Source
from agent_graph.references import StepId
from retrieval.sentences import content_stems, score_sentences, split_sentences

_ONE = r"#?E(\d{1,4})(?:\s*[.:]\s*(\d{1,3}))?"
_MEMBER = re.compile(rf"(?P<range>(?:-|–|\bto\b)\s*)?{_ONE}", re.I)
_MARKER = re.compile(r"\[(E\d+(?:\.\d+)?)\]")
_SPACE_BEFORE = re.compile(r"[ \t]+(?=[.,;:!?](?:\s|$))")


class _Mark(NamedTuple):
    step: StepId
    source: int | None

    def __str__(self) -> str:
        return self.step if self.source is None else f"{self.step}.{self.source}"


def check(
    text: str, evidence: Mapping[StepId, Evidence], *, insufficient: str = "", author: str = ""
) -> Answer:
    """Return the answer with every citation in canonical form and resolved; forged ones are removed.

    A citation is forged when its step does not exist, has no value, or has no such source.
    """
    forged: list[str] = []
    clean = _checked(guardrails.printable(text), evidence, forged)
    clean = _SPACE_BEFORE.sub("", re.sub(r"[ \t]{2,}", " ", clean)).strip()
    if not clean:
        clean, insufficient = "No answer was given.", insufficient or "an answer"
    citations: list[Citation] = []
    unsupported: list[str] = []
    for claim in _claims(clean):
        marks = [_mark(marker) for marker in _MARKER.findall(claim)]
        bare = _SPACE_BEFORE.sub("", _MARKER.sub("", claim)).strip()
        if marks:
            citations.extend(_citation(mark, bare, evidence) for mark in dict.fromkeys(marks))
        elif not insufficient and len(content_stems(bare)) > 1:
            unsupported.append(bare)
    return Answer(
        text=clean,
        citations=tuple(citations),
        unsupported=tuple(unsupported),
        forged=tuple(forged),
        insufficient=insufficient,
        author=author,
    )


def _checked(text: str, evidence: Mapping[StepId, Evidence], forged: list[str]) -> str:
    """Return the text in which every marker stands for evidence that exists.

    A space takes a forged marker's place, so that removing one never puts another together.
    """

    def verified(match: re.Match[str]) -> str:
        if _exists(_mark(match[1]), evidence):
            return match[0]
        forged.append(match[1])
        return " "

    canonical = guardrails.CITATION.sub(lambda match: _canonical(match[1], evidence, forged) or " ", text)
    return _MARKER.sub(verified, canonical)


def _canonical(group: str, evidence: Mapping[StepId, Evidence], forged: list[str]) -> str:
    marks = list(dict.fromkeys(_members(group)))
    valid = [mark for mark in marks if _exists(mark, evidence)]
    forged.extend(str(mark) for mark in marks if mark not in valid)
    return "".join(f"[{mark}]" for mark in valid)


def _members(group: str) -> Iterator[_Mark]:
    last: _Mark | None = None
    for match in _MEMBER.finditer(group):
        mark = _Mark(StepId(f"E{int(match[2])}"), int(match[3]) if match[3] else None)
        if match["range"] and last is not None:
            yield from _between(last, mark)
        yield mark
        last = mark


def _between(first: _Mark, last: _Mark) -> Iterator[_Mark]:
    if first.step == last.step and first.source and last.source:
        yield from (_Mark(first.step, number) for number in range(first.source + 1, last.source))
    elif first.source is None and last.source is None:
        low, high = int(first.step[1:]), int(last.step[1:])
        yield from (_Mark(StepId(f"E{number}"), None) for number in range(low + 1, min(high, low + 50)))


def _exists(mark: _Mark, evidence: Mapping[StepId, Evidence]) -> bool:
    one = evidence.get(mark.step)
    if one is None or not one.ok:
        return False
    return mark.source is None or 1 <= mark.source <= len(one.sources)


def _mark(marker: str) -> _Mark:
    step, _, source = marker.partition(".")
    return _Mark(StepId(step), int(source) if source else None)


def _claims(text: str) -> Iterator[str]:
    """Yield the sentences, each with the markers that follow its full stop."""
    for line in text.splitlines():
        held = ""
        for sentence in split_sentences(line):
            bare = _MARKER.sub("", sentence.text).strip(" .")
            if held and not bare:
                held += f" {sentence.text}"
                continue
            leading = re.match(r"(?:\[E\d+(?:\.\d+)?\]\s*)+", sentence.text)
            if held and leading:
                held += f" {leading[0]}"
            if held:
                yield held
            held = sentence.text[leading.end() :] if leading and held else sentence.text
        if held:
            yield held


def _citation(mark: _Mark, claim: str, evidence: Mapping[StepId, Evidence]) -> Citation:
    one = evidence[mark.step]
    if not one.sources:
        return Citation(marker=str(mark), step=mark.step, quote=one.text[:300], claim=claim)
    candidates = [one.sources[mark.source - 1]] if mark.source else list(one.sources)
    source, quote = _support(claim, candidates)
    return Citation(marker=str(mark), step=mark.step, source=source, quote=quote, claim=claim)


def _support(claim: str, sources: list[Source]) -> tuple[Source, str]:
    """Return the source, and in it the sentence, that supports the claim best by weighted overlap."""
    scored = score_sentences(claim, [source.text for source in sources])
    if not scored:
        return sources[0], ""
    best = scored[0]
    return sources[best.passage], best.sentence.text
