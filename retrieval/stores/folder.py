"""A collection in a folder that this process owns: meaning in Chroma, words and passages in its mirror."""

import logging
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from retrieval.documents import Filters, Passage
from retrieval.errors import PlaceDamaged, RetrievalError
from retrieval.stores.cache import CachedEmbeddings
from retrieval.stores.chroma import ChromaCollection
from retrieval.stores.exact import ExactIndex, nearest_of
from retrieval.stores.mirror import Mirror, Prepared, prepared
from retrieval.stores.mirrored import Mirrored, introduce, offered
from retrieval.stores.place import Place, mirror_file
from retrieval.stores.placed import Placed
from retrieval.stores.rebuild import rebuild, unfinished
from retrieval.stores.reconcile import reconcile
from retrieval.stores.store import Asked, Offer

if TYPE_CHECKING:
    from retrieval.embed import Vectors

_log = logging.getLogger("retrieval.stores.folder")

_EXACT = 5000
"""Passages that pass a filter up to which all are compared; Chroma's own filters take a tenth of a second."""
_WIDER = 10
"""How much more is asked of the index when a filter will leave some of it."""
_WIDEST = 2000


class FolderStore(Placed, Mirrored):
    """One collection of a folder; it appears with the first write."""

    def __init__(
        self, place: Place, name: str, embeddings: CachedEmbeddings, *, trusted: bool | None
    ) -> None:
        assert place.folder is not None
        super().__init__(
            place,
            ChromaCollection(place.client, place.where, name, embeddings.name, retries=0, trusted=trusted),
        )
        self._embeddings = embeddings
        self.folder: Path = place.folder
        with place.writing:
            self._repaired()
        self._exact: ExactIndex | None = None

    def mark(self, *, trusted: bool) -> None:
        """Change the trust mark."""
        with self.writing:
            self._collection.mark(trusted=trusted)
            mirror = self.mirror()
            if mirror:
                self._introduced(mirror)

    def mirror(self) -> Mirror | None:
        """Return the mirror, in line with the collection; None before the first write."""
        return self._line(to_write=False)

    def offer(self, asked: Sequence[Asked], most: int, filters: Filters | None) -> list[Offer]:
        """Return the candidates of each query: nearest by meaning and best by words."""
        mirror = self.mirror()
        if mirror is None:
            return [Offer({}, {}) for _ in asked]
        with mirror.at_one_moment():
            return self._offer(mirror, asked, most, filters)

    def vectors(self, ids: Collection[str]) -> "dict[str, Vectors]":
        """Return the vectors of passages."""
        mirror = self.mirror()
        return self._kept_vectors(mirror.contents(ids)) if mirror else {}

    def change(self, new: Sequence[Passage], vectors: "Vectors", gone: Collection[str]) -> None:
        """Put passages in and take others out; readers see a document before or after, never in between."""
        with self.writing:
            mirror = self._line(to_write=True)
            dropped = list(mirror.contents(gone).values()) if mirror else []
            try:
                rows = self._written(new, vectors)
                mirror = mirror or self.mirror()
                if mirror is not None:
                    mirror.apply(rows, gone)
                    self._collection.remove(gone)
                    if dropped and self._place.cache:
                        self._place.cache.drop(self.embedding, mirror.unused(dropped))
            except BaseException:
                self._place.doubt(self._collection.id)
                raise

    def _offer(
        self, mirror: Mirror, asked: Sequence[Asked], most: int, filters: Filters | None
    ) -> list[Offer]:
        import numpy as np

        near = self._near(
            mirror, np.stack([one.vector for one in asked if one.vector is not None]), most, filters
        )
        worded = [mirror.worded(one.terms, most, filters) for one in asked]
        return offered(mirror, near, worded)

    def _near(
        self, mirror: Mirror, queries: "Vectors", most: int, filters: Filters | None
    ) -> list[dict[str, float]]:
        if filters:
            scope = mirror.scope(filters, _EXACT)
            if scope is not None:
                return nearest_of(self._kept_vectors(scope), queries, most)
            return self._passing(mirror, queries, most, filters)
        try:
            return [near.dense for near in self._collection.nearest(queries, most, None, texts=False)]
        except PlaceDamaged as fault:
            if self._place.cache is None:
                raise
            _log.warning("Searching without the index of %r: %s", self.name, fault)
            self._place.doubt(self._collection.id)
            self._exact = self._exact or ExactIndex(mirror, self._place.cache, self.embedding)
            return self._exact.nearest(queries, most)

    def _passing(
        self, mirror: Mirror, queries: "Vectors", most: int, filters: Filters
    ) -> list[dict[str, float]]:
        """Return the nearest passages that pass filters which leave many: from a wider look, else by Chroma."""
        wide = min(most * _WIDER, _WIDEST)
        found = []
        for near in self._collection.nearest(queries, wide, None, texts=False):
            passing = mirror.passing(near.dense, filters)
            found.append({key: score for key, score in near.dense.items() if key in passing})
        if all(len(dense) >= most for dense in found):
            return [dict(list(dense.items())[:most]) for dense in found]
        return [near.dense for near in self._collection.nearest(queries, most, filters, texts=False)]

    def _kept_vectors(self, contents: dict[str, bytes]) -> "dict[str, Vectors]":
        cache = self._place.cache
        known = cache.get(self.embedding, set(contents.values())) if cache else {}
        found = {key: known[content] for key, content in contents.items() if content in known}
        absent = [key for key in contents if key not in found]
        return found | (self._collection.vectors(absent) if absent else {})

    def _written(self, new: Sequence[Passage], vectors: "Vectors") -> list[Prepared]:
        """Write to Chroma, and make the terms for the mirror meanwhile: Chroma works outside of Python's lock."""
        try:
            with ThreadPoolExecutor(1) as pool:
                writing = pool.submit(self._collection.write, new, vectors)
                rows = [prepared(passage) for passage in new]
                writing.result()
        except BaseException:
            # several writes may be needed: leave no half document; the old version is still there
            with suppress(RetrievalError):
                self._collection.remove(passage.id for passage in new)
            raise
        return rows

    def _line(self, *, to_write: bool) -> Mirror | None:
        raw = self._collection.raw()
        if raw is None:
            return None
        return self._place.mirror(str(raw.id), self._filled, to_write=to_write)

    def _filled(self, mirror: Mirror) -> None:
        reconcile(self._collection, mirror)
        self._introduced(mirror)

    def _introduced(self, mirror: Mirror) -> None:
        introduce(mirror, name=self.name, embedding=self.embedding, trusted=self._collection.trusted)

    def _repaired(self) -> None:
        unfinished(self._place.client, self.name)
        damaged = self._place.condition.damaged
        if self.name in damaged and self._collection.raw() is not None:
            before = self._collection.id
            after = rebuild(self._place.client, self._collection, self._embeddings)
            self._collection.forget()
            if after:
                with suppress(OSError):
                    mirror_file(self.folder, before).rename(mirror_file(self.folder, after))
            for leftover in self.folder.glob("damaged-*"):
                rmtree(leftover, ignore_errors=True)
        damaged.pop(self.name, None)
