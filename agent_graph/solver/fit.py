"""Which parts of the evidence the solver reads when it may not read all: short values first, then by relevance.

Relevance is weighted word overlap with the question and with what the step itself was asked for. The choice
is deterministic, and whatever is left out is said in its place.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from agent_graph import guardrails, tokens
from agent_graph.references import StepId
from agent_graph.solver.repeats import LEAST
from agent_graph.solver.units import Part, Units
from retrieval.sentences import STOP_WORDS, Query, Weights, content_stems

WHOLE_TOKENS = 200
"""Values up to this size are printed whole before anything else is."""

_OWN = 2.0
"""What the step's own arguments count for, beside the question: they say more exactly what was sought."""
_AROUND = 0.4
"""What a word counts for that stands beside a unit, or in its label or keys, and not in the unit itself."""
_RANK = 0.5
"""What it adds to be in the first of a step's sources, half of it in the second, and so on: they come ranked."""
_SHALLOW = 0.5
"""What it adds to stand at the top of an object, among what tells what the rest is."""
_EXACT = 0.03
"""What every word of the question adds that stands there letter by letter: ids that no stemmer knows."""
_FIRST = 0.03
_ROUND = 100
"""Tokens that each step gets in its turn."""
_TRIED = 20
"""Smaller units that may fill the place which the next best one is too large for."""
_WORD = re.compile(r"\w{3,}")


class Piece(NamedTuple):
    """One value or passage, with what it is relevant to."""

    step: StepId
    order: int
    """0 for the step's value, n for its n-th source."""
    label: str
    """What stands before it, already neutral."""
    content: Any
    """What is cut when not everything fits."""
    text: str
    """What is printed when everything fits: the content, without what another piece holds too."""
    asked: str = ""
    """What the steps that brought it were asked for."""
    same_as: str = ""
    """The id of the piece that this one only names."""

    @property
    def id(self) -> str:
        """What it is cited by: `E1`, `E1.2`."""
        return f"{self.step}.{self.order}" if self.order else self.step

    @property
    def cost(self) -> int:
        """Tokens of label and text."""
        return tokens.estimate(self.label) + tokens.estimate(self.text)


class Printed(NamedTuple):
    """A piece as it is printed."""

    piece: Piece
    text: str
    """With its label."""
    changes: int
    """Places in it that imitated our notation."""


def fit(pieces: Sequence[Piece], question: str, budget: int) -> list[Printed]:
    """Return the pieces that fit the budget of tokens, in their order: whole where possible, else cut.

    A piece of which nothing fits is not among them.
    """
    if sum(piece.cost for piece in pieces) <= budget:
        whole = [_printed(piece, piece.text) for piece in pieces]
        if _total(whole) <= budget:
            return whole
    notes = {n: piece for n, piece in enumerate(pieces) if piece.same_as}
    reserved = sum(piece.cost for piece in notes.values())
    if reserved > budget // 4:
        notes, reserved = {}, 0
    left = budget - reserved
    printed: dict[int, Printed] = {}
    values = [(piece.cost, n) for n, piece in enumerate(pieces) if not (piece.order or piece.same_as)]
    for cost, n in sorted(values):
        if cost > WHOLE_TOKENS:
            break
        short = _printed(pieces[n], pieces[n].text)
        if _total([short]) <= left:
            printed[n] = short
            left -= _total([short])
    rest = {n: piece for n, piece in enumerate(pieces) if n not in printed and not piece.same_as}
    printed |= _Choice(rest, question).within(left)
    there = {one.piece.id for one in printed.values()}
    printed |= {n: _printed(piece, piece.text) for n, piece in notes.items() if piece.same_as in there}
    return [printed[n] for n in sorted(printed)]


def _printed(piece: Piece, text: str) -> Printed:
    neutral = guardrails.neutralise(text)
    return Printed(piece, f"{piece.label} {neutral.text}".rstrip(), neutral.changes)


class _Choice:
    """The units of several pieces in the order in which they are worth their place."""

    def __init__(self, pieces: Mapping[int, Piece], question: str) -> None:
        asked = " ".join([question, *(piece.asked for piece in pieces.values())])
        self._pieces = pieces
        self._units = Units(set(_WORD.findall(asked.lower())) - STOP_WORDS)
        self._parts: dict[int, Part] = {}
        self._owner: list[int] = []
        for n, piece in pieces.items():
            self._parts[n] = self._units.cut(piece.content)
            self._owner += [n] * (len(self._units.all) - len(self._owner))
        self._order = self._ranked(question)

    def within(self, budget: int) -> dict[int, Printed]:
        """Return the pieces with as many of the best units as fit together."""
        low, high = 0, len(self._order)
        while low < high:
            middle = (low + high + 1) // 2
            if self._cost(self._order[:middle]) <= budget:
                low = middle
            else:
                high = middle - 1
        kept = self._order[:low]
        for number in self._order[low : low + _TRIED]:
            if self._cost([*kept, number]) <= budget:
                kept.append(number)
        # bending adds a character here and there
        while kept and _total((printed := self._print(kept)).values()) > budget:
            kept.pop()
        return printed if kept else {}

    def _cost(self, kept: Sequence[int]) -> int:
        shown = self._shown(kept)
        return sum(
            tokens.estimate(self._pieces[n].label) + tokens.estimate(text) for n, text in shown.items()
        )

    def _print(self, kept: Sequence[int]) -> dict[int, Printed]:
        return {n: _printed(self._pieces[n], text) for n, text in self._shown(kept).items()}

    def _shown(self, kept: Sequence[int]) -> dict[int, str]:
        chosen: dict[int, set[int]] = {}
        for number in kept:
            chosen.setdefault(self._owner[number], set()).add(number)
        texts = {n: self._parts[n].shown(units) for n, units in chosen.items()}
        return {n: text for n, text in texts.items() if text is not None}

    def _ranked(self, question: str) -> list[int]:
        """Order the units by worth: the best of every step first, then in turns of equal size; early ones win a draw."""
        worth = list(self._worths(question))
        spent: dict[StepId, int] = {}
        turn: dict[int, int] = {}
        there: set[str] = set()
        for number in sorted(range(len(worth)), key=lambda number: -worth[number]):
            text = " ".join(self._units.all[number].text.split())
            if len(text) >= LEAST and text in there:
                continue  # passages overlap
            there.add(text)
            step = self._pieces[self._owner[number]].step
            turn[number] = 1 + spent[step] // _ROUND if step in spent else 0
            spent[step] = spent.get(step, 0) + tokens.estimate(text)
        return sorted(turn, key=lambda number: (turn[number], -worth[number], number))

    def _worths(self, question: str) -> Iterator[float]:
        units, pieces = self._units.all, self._pieces
        stems = [frozenset(content_stems(unit.text)) for unit in units]
        weights = Weights(stems)
        about = Query(question, weights)
        own = {n: Query(piece.asked, weights) for n, piece in pieces.items()}
        labels = {n: frozenset(content_stems(piece.label)) for n, piece in pieces.items()}
        place, last = 0, -1
        for number, unit in enumerate(units):
            n = self._owner[number]
            place, last = (place + 1, n) if n == last else (0, n)
            near = labels[n] | frozenset(content_stems(unit.keys))
            if unit.flows:
                near |= _beside(stems, self._owner, number)
            worth = _coverage(about, stems[number], near) + _OWN * _coverage(own[n], stems[number], near)
            worth += _RANK / pieces[n].order if pieces[n].order else _RANK
            worth += _SHALLOW / unit.depth if unit.depth else 0.0
            yield worth + _EXACT * self._units.likely(unit.text) + _FIRST / (1 + place)


def _beside(stems: Sequence[frozenset[str]], owner: Sequence[int], number: int) -> frozenset[str]:
    near = [n for n in (number - 1, number + 1) if 0 <= n < len(stems) and owner[n] == owner[number]]
    return frozenset().union(*(stems[n] for n in near))


def _coverage(query: Query, inside: frozenset[str], near: frozenset[str]) -> float:
    if not query.total:
        return 0.0
    gained = sum(
        weight * (1.0 if term in inside else _AROUND if term in near else 0.0)
        for term, weight in query.weight.items()
    )
    return gained / query.total


def _total(printed: Iterable[Printed]) -> int:
    return sum(tokens.estimate(one.text) for one in printed)
