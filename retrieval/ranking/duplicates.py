"""Tell near-duplicates: passages that differ in no name, no figure, and hardly in words.

Copies of a document, a page with another header, a quotation: showing both wastes the place of another passage.
Reports from one template differ in their figures and names and stay apart.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from retrieval.documents import Hit, Passage

ALIKE = 0.9
"""Share of runs of three words that two near-duplicates have in common."""

_WORD = re.compile(r"[^\W_]+")


class _Outline(NamedTuple):
    telling: Hashable
    runs: frozenset[tuple[str, ...]]


class Groups:
    """The groups of near-duplicates among the passages seen so far."""

    def __init__(self) -> None:
        self._by_telling: dict[Hashable, list[tuple[int, frozenset[tuple[str, ...]]]]] = {}
        self._known: dict[str, int] = {}

    def group(self, passage: Passage) -> int:
        """Return the number of the group that a passage belongs to."""
        if passage.id not in self._known:
            self._known[passage.id] = self._found(_outline(passage.title, passage.text))
        return self._known[passage.id]

    def _found(self, outline: _Outline) -> int:
        several = self._by_telling.setdefault(outline.telling, [])
        for number, runs in several:
            if _alike(runs, outline.runs):
                return number
        several.append((len(self._known), outline.runs))
        return len(self._known)


def collapsed(rankings: Sequence[Sequence[Hit]], most: Sequence[int]) -> list[list[Hit]]:
    """Return the best hits of each ranking, at most so many, without near-duplicates.

    Where different rankings hold different copies, all get the copy that scored best, so that who reads several
    of them sees one passage.
    """
    groups = Groups()
    kept: list[dict[int, Hit]] = []
    for ranking, limit in zip(rankings, most, strict=True):
        chosen: dict[int, Hit] = {}
        for hit in ranking:
            if len(chosen) >= limit:
                break
            chosen.setdefault(groups.group(hit.passage), hit)
        kept.append(chosen)
    best: dict[int, Hit] = {}
    for chosen in kept:
        for number, hit in chosen.items():
            before = best.get(number)
            if before is None or (-hit.score, hit.passage.id) < (-before.score, before.passage.id):
                best[number] = hit
    return [[_shown(hit, best[number]) for number, hit in chosen.items()] for chosen in kept]


def _shown(hit: Hit, best: Hit) -> Hit:
    if hit.passage.id == best.passage.id:
        return hit
    return replace(hit, passage=best.passage)


def _alike(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> bool:
    return len(one & other) >= ALIKE * len(one | other)


@lru_cache(maxsize=4096)
def _outline(title: str, text: str) -> _Outline:
    words = _WORD.findall(text)
    telling = frozenset(word for word in (*_WORD.findall(title), *words) if not word.islower())
    lower = [word.lower() for word in words]
    runs = frozenset(zip(lower, lower[1:], lower[2:], strict=False)) or frozenset([tuple(lower)])
    return _Outline(telling, runs)
