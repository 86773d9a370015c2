"""A collection on a Chroma server, shared by processes: its nearest passages, scored anew by words.

There is no index of words beside a server, so twice as many candidates come by meaning alone. What a server's own
text filter could add takes more than a tenth of a second at 100,000 passages, and was left out.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.config import Config
from retrieval.documents import Filters, Passage
from retrieval.errors import RetrievalError
from retrieval.stores.chroma import ChromaCollection
from retrieval.stores.manifest import opening_of
from retrieval.stores.mirror import batches
from retrieval.stores.place import Place
from retrieval.stores.placed import Placed
from retrieval.stores.store import Asked, DocumentRow, Offer

if TYPE_CHECKING:
    from retrieval.embed import Vectors

_PER_LEG = 2
_MOST_NAMES = 100
"""Names looked up as titles in one search: each costs the server some hundredths of a millisecond."""
_SHARED_TITLE = 3
_DOCUMENTS_AT_ONCE = 100
_NOTE = "note_"


class ServerStore(Placed):
    """One collection of a server; it appears with the first write."""

    folder: Path | None = None

    def __init__(
        self, place: Place, name: str, embedding: str, config: Config, *, trusted: bool | None
    ) -> None:
        super().__init__(
            place,
            ChromaCollection(
                place.client, place.where, name, embedding, retries=config.retries, trusted=trusted
            ),
        )

    def mark(self, *, trusted: bool) -> None:
        """Change the trust mark."""
        self._collection.mark(trusted=trusted)

    def state(self) -> str:
        """Return a text that differs after most changes: the number of passages."""
        return str(self.count())

    def note(self, name: str) -> str:
        """Return what was noted under a name."""
        return str(self._collection.notes().get(_NOTE + name, ""))

    def write_note(self, name: str, value: str) -> None:
        """Keep a short text with the collection, for all processes."""
        self._collection.annotate({_NOTE + name: value})

    def is_empty(self) -> bool:
        """Whether nothing was ever written, as far as we know."""
        return self._collection.raw() is None

    def count(self) -> int:
        """Return the number of passages."""
        return self._collection.count()

    def documents(self) -> Sequence[DocumentRow]:
        """Return the documents, those with most passages first."""
        rows = [
            DocumentRow(
                str(about["document"]), str(about["title"]), str(about["kind"]), int(about["passages"]), key
            )
            for key, about in self._collection.openings()
        ]
        return sorted(rows, key=lambda row: (-row.passages, row.document))

    def held(self, documents: Collection[str]) -> dict[str, set[str]]:
        """Return the ids of the passages held per document."""
        found: dict[str, set[str]] = {}
        for some in batches(documents, _DOCUMENTS_AT_ONCE):
            for key, about in self._collection.where_metadata({"document": {"$in": some}}):
                found.setdefault(str(about["document"]), set()).add(key)
        return found

    def offer(self, asked: Sequence[Asked], most: int, filters: Filters | None) -> list[Offer]:
        """Return the candidates of each query: the nearest by meaning, in one call."""
        import numpy as np

        queries = np.stack([one.vector for one in asked if one.vector is not None])
        near = self._collection.nearest(queries, most * _PER_LEG, filters, texts=True)
        whole = self._whole({key for one in near for key in one.dense}, int(queries.shape[1]))
        return [
            Offer(
                {key: passage for key, passage in one.passages.items() if key in whole},
                {key: score for key, score in one.dense.items() if key in whole},
            )
            for one in near
        ]

    def passages(self, ids: Collection[str]) -> dict[str, Passage]:
        """Return the passages with these ids, as far as they are there."""
        return self._collection.passages(ids)

    def titled(self, names: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """Return, per name that is a title, its documents with the id of their first passage."""
        found: dict[str, dict[str, str]] = {}
        # the longest names say most
        chosen = sorted(names, key=lambda name: (-name.count(" "), -len(name), name))[:_MOST_NAMES]
        for key, about in self._collection.openings(chosen) if chosen else ():
            found.setdefault(str(about["name"]), {})[str(about["document"])] = key
        return {name: several for name, several in found.items() if len(several) <= _SHARED_TITLE}

    def vectors(self, ids: Collection[str]) -> "dict[str, Vectors]":
        """Return the vectors of passages."""
        return self._collection.vectors(ids)

    def sample(self, most: int) -> list[Passage]:
        """Return some passages from all over the collection."""
        return self._collection.sample(most)

    def change(self, new: Sequence[Passage], vectors: "Vectors", gone: Collection[str]) -> None:
        """Put passages in and take others out; readers see no half document.

        While a document is replaced they may see both of its versions for a moment.
        """
        with self.writing:
            try:
                self._collection.write(new, vectors)
            except BaseException:
                # several writes may be needed: leave no half document; the old version is still there
                with suppress(RetrievalError):
                    self._collection.remove(passage.id for passage in new)
                raise
            self._collection.remove(gone)

    def _whole(self, ids: set[str], dimension: int) -> set[str]:
        """Return the ids whose documents are there as a whole: of large ones, the first passage comes last."""
        openings = {key: opening_of(key) for key in ids}
        doubtful = {
            opening for opening, count in openings.values() if count > self._collection.sure_rows(dimension)
        }
        there = self._collection.existing(doubtful - ids) | ids if doubtful else ids
        return {key for key, (opening, _) in openings.items() if opening not in doubtful or opening in there}
