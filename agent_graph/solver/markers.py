"""Citation markers in an answer, brought to one form: `[E1]`, `[E1.2]`; those that lead nowhere taken out.

What was verified is held apart under characters that no text can contain until everything else has been
read, so that nothing that is left over, removed or put together can end up as a marker.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from agent_graph import guardrails
from agent_graph.evidence import Evidence, Source
from agent_graph.guardrails import notation
from agent_graph.guardrails.notation import Mark
from agent_graph.references import StepId

MARKER = re.compile(r"\[(E\d+(?:\.\d+)?)\]")
"""A citation in its one form."""

_BITS = "\ufdd0\ufdd1"
_OPEN, _CLOSE, _GONE, _LINK = "\ufdd2", "\ufdd3", "\ufdd4", "\ufdd5"
_HELD = f"{_OPEN}([{_BITS}]+){_CLOSE}"
_HELDS = f"{_OPEN}[{_BITS}]+{_CLOSE}"
_DASHED = re.compile(f"{_HELD}\\s?[-–—]\\s?{_HELD}")
_CLEAN = tuple(
    (re.compile(form, re.MULTILINE), plain)
    for form, plain in (
        (rf"\[([^\[\]\n]{{1,200}})\]{_LINK}", r"\1 "),
        (_LINK, ""),
        (rf"[\\^](?={_OPEN}|{_GONE})", ""),
        (rf"({_HELDS}|{_GONE})\((?:https?:|www\.|[#/.])[^()\s]{{0,500}}\)", r"\1"),
        (rf"[\[({{（【]\s{{0,2}}((?:{_HELDS}[\s,;]{{0,2}}){{1,40}})[\])}}）】]", r"\1"),
        (rf"[\[({{（【]\s{{0,2}}(?:{_GONE}[\s,;]{{0,2}}){{1,40}}[\])}}）】]", _GONE),
        (rf"(\*{{1,3}}|_{{1,3}}|`{{1,3}}|\$)[ ]?((?:{_HELDS}|{_GONE}){{1,40}})[ ]?\1", r"\2"),
        (
            rf"^[ \t>*-]{{0,8}}(?i:sources?|references?|citations?|evidence)\s?:?\s?(?:{_GONE}[\s,;.]{{0,2}})+$",
            _GONE,
        ),
        (rf"[ \t](?i:and|or|&)[ \t]?{_GONE}(?=[,.;:)]|$)", ""),
        (rf",[ \t]?(?:{_GONE}[ \t]?)+(?=[,.;:)]|$)", ""),
        (rf"([(（]){_GONE}[,;:]?[ \t]?", r"\1"),
        (rf"(?:[ \t]{{0,3}}{_GONE})+[ \t]{{0,3}}(?=[.,;:!?)]|$)", ""),
        (rf"(?:[ \t]{{0,3}}{_GONE})+[ \t]{{0,3}}", " "),
    )
)
_BEGINS = re.compile(rf"(^|[.!?]\s){_GONE},[ ]?(\w?)", re.MULTILINE)
_TWICE = re.compile(r"(\[E\d+(?:\.\d+)?\])(?: ?\1)+")
_KEPT_LEAD = re.compile(r"(?:evidence|refs?|references?|citations?)\b", re.IGNORECASE)
_ROUNDS = 5


class Marked(NamedTuple):
    """A text whose markers all lead to evidence that exists."""

    text: str
    forged: tuple[str, ...]
    """What was taken out, as ids."""


def canonical(text: str, evidence: Mapping[StepId, Evidence], question: str = "") -> Marked:
    """Return the text with every verified citation in its one form and every other one removed.

    A citation is forged when its step does not exist, has no value, or has no such source. An id in round
    brackets or without brackets is text when the question, or for the latter the evidence, speaks of a thing
    of that name.
    """
    reader = _Reader(evidence, guardrails.printable(question))
    before, clean = "", guardrails.printable(text)
    for _ in range(_ROUNDS):
        # What was taken out may bring two halves together; nothing that reads as a citation is left in the end.
        before, clean = clean, reader.read(clean)
        if before == clean:
            break
    return Marked(clean, tuple(reader.forged))


def exists(mark: Mark, evidence: Mapping[StepId, Evidence]) -> bool:
    """Whether there is a value, and such a source, to cite."""
    one = evidence.get(StepId(f"E{mark.step}"))
    return one is not None and one.ok and (mark.source is None or 1 <= mark.source <= len(one.sources))


class _Reader:
    def __init__(self, evidence: Mapping[StepId, Evidence], question: str) -> None:
        self.forged: list[str] = []
        self._evidence = evidence
        self._question = question
        self._held: list[Mark | str] = []
        self._texts: list[str] | None = None

    def read(self, text: str) -> str:
        for _ in range(_ROUNDS):
            before = text
            for form in notation.FORMS:
                text = form.sub(self._take, text)
            if text == before:
                break
        text = notation.LOOSE.sub(self._loose, text)
        text = notation.LED.sub(self._led, text)
        text = notation.EDGE.sub(self._edge, text)
        text = notation.BARE.sub(self._bare, text)
        text = MARKER.sub(self._left_over, text)
        text = _DASHED.sub(self._range, text)
        text = _BEGINS.sub(lambda match: match[1] + match[2].upper(), text)
        for form, plain in _CLEAN:
            text = form.sub(plain, text)
        text = re.sub(_HELD, lambda match: self._shown(match[1]), text)
        return _TWICE.sub(r"\1", text).strip()

    def _take(self, match: re.Match[str]) -> str:
        marks = notation.marks(match["ids"])
        if not marks:
            return match[0]
        whole = match[0]
        if whole[0] in "(（" and len(marks) == 1 and self._named(str(marks[0]), [self._question]):
            return self._hold(whole)
        link = _LINK if whole[0] == "(" and match.string[match.start() - 1 : match.start()] == "]" else ""
        return link + self._verified(marks)

    def _loose(self, match: re.Match[str]) -> str:
        marks = notation.marks(match["ids"])
        if all(exists(mark, self._evidence) for mark in marks):
            return self._hold(match[0])
        return self._verified(marks)

    def _led(self, match: re.Match[str]) -> str:
        verified = self._verified(notation.marks(match["ids"]))
        if verified != _GONE or _KEPT_LEAD.match(match["lead"]):
            return f"{match['lead']}{match['gap']}{verified}"
        return verified

    def _edge(self, match: re.Match[str]) -> str:
        marks = notation.marks(match["ids"] or match["last"])
        return match[0] if any(map(self._is_a_name, marks)) else self._verified(marks)

    def _bare(self, match: re.Match[str]) -> str:
        mark = notation.marks(match["ids"])[0]
        return self._hold(mark) if exists(mark, self._evidence) and not self._is_a_name(mark) else match[0]

    def _is_a_name(self, mark: Mark) -> bool:
        """Whether the question or the evidence speaks of something that is called like a step."""
        return self._named(f"E{mark.step}", [self._question, *self._contents()])

    def _left_over(self, match: re.Match[str]) -> str:
        self.forged.append(match[1])
        return _GONE

    def _range(self, match: re.Match[str]) -> str:
        first, last = self._at(match[1]), self._at(match[2])
        if isinstance(first, str) or isinstance(last, str):
            return match[0]
        return self._verified([first, *notation.between(first, last), last])

    def _verified(self, marks: Sequence[Mark]) -> str:
        valid = [mark for mark in marks if exists(mark, self._evidence)]
        self.forged.extend(str(mark) for mark in marks if mark not in valid)
        return "".join(self._hold(mark) for mark in valid) or _GONE

    def _hold(self, held: Mark | str) -> str:
        self._held.append(held)
        bits = f"{len(self._held) - 1:b}".translate({48: _BITS[0], 49: _BITS[1]})
        return f"{_OPEN}{bits}{_CLOSE}"

    def _at(self, bits: str) -> Mark | str:
        return self._held[int(bits.translate({ord(_BITS[0]): "0", ord(_BITS[1]): "1"}), 2)]

    def _shown(self, bits: str) -> str:
        held = self._at(bits)
        return held if isinstance(held, str) else f"[{held}]"

    def _named(self, name: str, texts: Iterable[str]) -> bool:
        form = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        return any(form.search(text) for text in texts)

    def _contents(self) -> list[str]:
        if self._texts is None:
            self._texts = [
                guardrails.printable(text)
                for one in self._evidence.values()
                for text in (one.text, one.error, *_written(one.sources))
            ]
        return self._texts


def _written(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        yield from (source.text, source.title, source.location, source.document)
