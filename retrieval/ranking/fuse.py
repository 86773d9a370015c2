"""Join two rankings into one: a convex combination of normalised scores."""

from collections.abc import Mapping


def normalised(scores: Mapping[str, float]) -> dict[str, float]:
    """Stretch scores so that the lowest is 0 and the highest 1; equal scores all become 1."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}


def convex(
    dense: Mapping[str, float], lexical: Mapping[str, float], *, dense_weight: float
) -> dict[str, float]:
    """Return `dense_weight` x dense + the rest x lexical per id, best first, ties by id.

    An id that one side lacks gets 0 from it.
    """
    near, worded = normalised(dense), normalised(lexical)
    fused = {
        key: dense_weight * near.get(key, 0.0) + (1 - dense_weight) * worded.get(key, 0.0)
        for key in near.keys() | worded.keys()
    }
    return dict(sorted(fused.items(), key=lambda item: (-item[1], item[0])))
