"""Search by comparing with every vector: for a few passages that a filter leaves, and where there is no index."""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from retrieval.stores.cache import VectorCache
from retrieval.stores.mirror import Mirror

if TYPE_CHECKING:
    from retrieval.embed import Vectors


def nearest_of(vectors: "Mapping[str, Vectors]", queries: "Vectors", most: int) -> list[dict[str, float]]:
    """Return per query the ids of its nearest vectors with their cosine similarity, nearest first."""
    import numpy as np

    if not vectors:
        return [{} for _ in queries]
    return _nearest(list(vectors), _unit(np.stack(list(vectors.values()))), queries, most)


class ExactIndex:
    """All vectors of a mirror in memory, kept up to date from row to row."""

    def __init__(self, mirror: Mirror, cache: VectorCache, embedding: str) -> None:
        self._mirror, self._cache, self._embedding = mirror, cache, embedding
        self._lock = threading.Lock()
        self._ids: list[str] = []
        self._rows: Vectors | None = None
        self._last, self._generation = -1, -1

    def nearest(self, queries: "Vectors", most: int) -> list[dict[str, float]]:
        """Return per query the ids of its nearest passages with their cosine similarity, nearest first."""
        with self._lock:
            self._refresh()
            ids, rows = self._ids, self._rows
        if rows is None:
            return [{} for _ in queries]
        return _nearest(ids, rows, queries, most)

    def _refresh(self) -> None:
        import numpy as np

        now = self._mirror.generation()
        if now == self._generation:
            return
        fresh = self._mirror.since(self._last)
        found = self._cache.get(self._embedding, {content for _, _, content in fresh})
        added = [(key, found[content]) for _, key, content in fresh if content in found]
        held = self._mirror.ids()
        kept = [at for at, key in enumerate(self._ids) if key in held]
        parts = [self._rows[kept]] if self._rows is not None and kept else []
        if added:
            parts.append(_unit(np.stack([vector for _, vector in added])))
        self._rows = np.concatenate(parts) if parts else None
        self._ids = [self._ids[at] for at in kept] + [key for key, _ in added]
        self._last = max([self._last, *(row for row, _, _ in fresh)])
        self._generation = now


def _nearest(ids: Sequence[str], rows: "Vectors", queries: "Vectors", most: int) -> list[dict[str, float]]:
    import numpy as np

    likeness = _unit(queries) @ rows.T
    found: list[dict[str, float]] = []
    for scores in likeness:
        best = np.argpartition(-scores, most)[:most] if most < len(scores) else np.arange(len(scores))
        ordered = best[np.argsort(-scores[best], kind="stable")]
        found.append({ids[at]: float(scores[at]) for at in ordered})
    return found


def _unit(vectors: "Vectors") -> "Vectors":
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
