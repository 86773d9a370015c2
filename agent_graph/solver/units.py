"""A long value taken apart into units that can be left out one by one, and printed with what remains of it.

Text falls into sentences or lines, lists into items, objects into entries, as deep as they go. Structure
stays: what is left out is said where it was, and how much it was.
"""

import heapq
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from agent_graph import references, tokens
from retrieval.sentences import split_sentences

UNIT_CHARACTERS = 300
"""About the largest unit; a structure up to this size stays in one piece."""

MOST_UNITS = 400
"""Units of one text or structure that are looked at closely; of more, those that share most words with the question."""

_LEAST_UNIT = 60
_STRETCH = 2_000
_LOOKED_AT = 50_000
_FEWEST_UNITS = 8
_SMALL_GAP = 40
_LONGEST_KEY = 200


class Unit(NamedTuple):
    """The smallest piece that is kept or left out, and the keys that lead to it."""

    number: int
    text: str
    keys: str = ""
    flows: bool = False
    """Whether it stands in running text, where its neighbours say what it is about."""
    depth: int = 0
    """For an entry of an object: how many keys lead to it."""


class Text(NamedTuple):
    """A text as spans of units; what lies between them is never printed alone."""

    text: str
    spans: Sequence[tuple[int, int]]
    first: int
    """Number of its first unit."""
    quoted: bool = False

    def shown(self, kept: Collection[int]) -> str | None:
        """Return the kept spans in order with a mark for every gap; None when none is kept."""
        ends: list[list[int]] = []
        for number, (start, end) in enumerate(self.spans, self.first):
            if number not in kept:
                continue
            if ends and self._small(ends[-1][1], start):
                ends[-1][1] = end
            else:
                ends.append([start, end])
        if not ends:
            return None
        parts, at = [], 0
        for start, end in ends:
            parts += [self._gap(at, start), self.text[start:end]]
            at = end
        parts.append(self._gap(at, len(self.text)))
        shown = " ".join(part for part in parts if part)
        return json.dumps(shown, ensure_ascii=False) if self.quoted else shown

    def _small(self, start: int, end: int) -> bool:
        return end - start <= _SMALL_GAP or self.text[start:end].isspace()

    def _gap(self, start: int, end: int) -> str:
        between = self.text[start:end].strip()
        return tokens.left_out(len(between)) if len(between) > _SMALL_GAP else between


class Structure(NamedTuple):
    """A list or an object of which some children are left out."""

    children: Mapping[int, "Part"]
    """Those that may be shown, by their place among all."""
    size: int
    keys: Sequence[str] | None
    """The names of all children; None for a list."""

    def shown(self, kept: Collection[int]) -> str | None:
        """Return the kept children in order with a mark for every gap; None when none is kept."""
        parts, at = [], 0
        for place, child in self.children.items():
            text = child.shown(kept)
            if text is not None:
                parts += [*self._gap(at, place), self._named(place, text)]
                at = place + 1
        if not parts:
            return None
        inside = ", ".join([*parts, *self._gap(at, self.size)])
        return f"[{inside}]" if self.keys is None else f"{{{inside}}}"

    def _named(self, place: int, text: str) -> str:
        return text if self.keys is None else f"{json.dumps(self.keys[place], ensure_ascii=False)}: {text}"

    def _gap(self, start: int, end: int) -> list[str]:
        what = "item" if self.keys is None else "key"
        count = end - start
        return [f"... {count:,} more {what}{'s' if count > 1 else ''}"] if count else []


class Leaf(NamedTuple):
    """A value small enough to be shown whole or not at all."""

    number: int
    text: str

    def shown(self, kept: Collection[int]) -> str | None:
        """Return the value when it is kept."""
        return self.text if self.number in kept else None


Part = Text | Structure | Leaf


class Units:
    """Numbers the units of several values; of what is too much to look at, the rest of it holds more `wanted` words."""

    def __init__(self, wanted: Collection[str]) -> None:
        self.all: list[Unit] = []
        self._wanted = re.compile("|".join(map(re.escape, sorted(wanted, key=len, reverse=True))) or r"\b\B")

    def likely(self, text: str) -> int:
        """Return how many of the wanted words a text holds, letter by letter."""
        return len(set(self._wanted.findall(text.lower())))

    def cut(self, value: Any) -> Part:
        """Take a value apart; text that holds a JSON structure is cut like one."""
        opened = _opened(value) if isinstance(value, str) else value
        before = len(self.all)
        try:
            if not isinstance(opened, str):
                return self._part(opened, "", MOST_UNITS)
        except RecursionError:
            del self.all[before:]
        return self._text(references.as_text(value), "", MOST_UNITS, quoted=False)

    def _part(self, value: Any, keys: str, most: int, depth: int = 0) -> Part:
        if isinstance(value, str) and len(value) > UNIT_CHARACTERS:
            return self._text(value, keys, most, quoted=True)
        if isinstance(value, list | dict) and value and not _is_short(value):
            return self._structure(value, keys, most, depth)
        text = json.dumps(value, ensure_ascii=False, default=str)
        self.all.append(Unit(len(self.all), text, keys, depth=depth))
        return Leaf(self.all[-1].number, text)

    def _structure(self, value: list[Any] | dict[str, Any], keys: str, most: int, depth: int) -> Structure:
        names = [str(key)[:_LONGEST_KEY] for key in value] if isinstance(value, dict) else None
        items = list(value.values()) if isinstance(value, dict) else value
        texts = (
            f"{names[n] if names else ''} {_begin(item)}" for n, item in enumerate(islice(items, _LOOKED_AT))
        )
        chosen = self._likeliest(texts, len(items), most)
        share = max(most // len(chosen), _FEWEST_UNITS)
        deeper = depth + 1 if names and (depth or not keys) else 0
        children = {
            n: self._part(items[n], f"{keys} {names[n]}" if names else keys, share, deeper) for n in chosen
        }
        return Structure(children, len(items), names)

    def _text(self, text: str, keys: str, most: int, *, quoted: bool) -> Text:
        first = len(self.all)
        spans: list[tuple[int, int]] = []
        starts = range(0, len(text), _STRETCH)
        stretches = (text[at : at + _STRETCH] for at in starts)
        for at, end in _runs(self._likeliest(stretches, len(starts), max(most // 8, 1)), len(text)):
            spans.extend((at + a, at + b) for a, b in _sentences(text[at:end]))
        self.all.extend(
            Unit(number, text[start:end], keys, flows=True)
            for number, (start, end) in enumerate(spans, first)
        )
        return Text(text, spans, first, quoted)

    def _likeliest(self, texts: Iterator[str], size: int, most: int) -> list[int]:
        """Return the places of the texts that hold most words of the question; early ones win a draw."""
        if size <= most:
            return list(range(size))
        worth = ((-self.likely(text), place) for place, text in enumerate(texts))
        return sorted(place for _, place in heapq.nsmallest(most, worth))


def _runs(places: Sequence[int], length: int) -> Iterator[tuple[int, int]]:
    """Join neighbouring stretches, so that no sentence is cut between them."""
    start = 0
    for n, place in enumerate(places):
        if n == 0 or place != places[n - 1] + 1:
            start = place
        if n + 1 == len(places) or places[n + 1] != place + 1:
            yield start * _STRETCH, min((place + 1) * _STRETCH, length)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ends of units: a sentence or a line, several short ones together."""
    start = end = 0
    for first, last in _lines(text):
        if end and end - start < _LEAST_UNIT and last - start <= UNIT_CHARACTERS:
            end = last
            continue
        if end:
            yield start, end
        start, end = first, last
    if end:
        yield start, end


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ends of sentences; a table or a list that reads as one long sentence falls into its lines."""
    for sentence in split_sentences(text):
        if len(sentence.text) <= UNIT_CHARACTERS:
            yield sentence.start, sentence.end
            continue
        at = sentence.start
        for line in sentence.text.splitlines(keepends=True):
            yield from _stretches(text, at, at + len(line.rstrip()))
            at += len(line)


def _stretches(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a run without any end of a sentence at white space."""
    while start < end:
        cut = end
        if end - start > 2 * UNIT_CHARACTERS:
            space = text.rfind(" ", start + 1, start + 2 * UNIT_CHARACTERS)
            cut = space if space > start else start + 2 * UNIT_CHARACTERS
        if text[start:cut].strip():
            yield start, cut
        start = cut


def _opened(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        opened = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return opened if opened else text


def _is_short(value: Any) -> bool:
    left, rest = UNIT_CHARACTERS, [value]
    while rest and left >= 0:
        one = rest.pop()
        left -= len(one) if isinstance(one, str) else 4
        if isinstance(one, dict):
            left -= 4 * len(one)
            rest.extend(islice(one, UNIT_CHARACTERS))
            rest.extend(islice(one.values(), UNIT_CHARACTERS))
        elif isinstance(one, list):
            rest.extend(one[:UNIT_CHARACTERS])
    return left >= 0


def _begin(value: Any) -> str:
    """Return the first keys and values of a structure as text, enough to see what it is about."""
    if not isinstance(value, dict | list):
        return str(value)[:_STRETCH]
    parts: list[str] = []
    left = _STRETCH
    rest: list[Any] = [value]
    while rest and left > 0:
        one = rest.pop()
        if isinstance(one, dict):
            rest.extend(item for pair in reversed([*islice(one.items(), 40)]) for item in reversed(pair))
        elif isinstance(one, list):
            rest.extend(reversed(one[:40]))
        else:
            parts.append(str(one)[:left])
            left -= len(parts[-1]) + 1
    return " ".join(parts)
