"""One Chroma collection: stamped with what made it, its errors turned into what to do, its server asked again."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from retrieval.config import SCHEMA
from retrieval.documents import Filters, Passage
from retrieval.errors import BadRequest, CollectionForeign, EmbeddingMismatch
from retrieval.ranking.links import title_key
from retrieval.stores.manifest import opening_of
from retrieval.stores.mirror import batches
from retrieval.stores.transport import asked_again

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection as Raw

    from retrieval.embed import Vectors

T = TypeVar("T")

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]")
HNSW: dict[str, str | int] = {"space": "cosine", "ef_search": 200, "sync_threshold": 5000}
"""How a collection is indexed. A sync is when a crash can break the index, and what was not synced is read again at
the next opening, at 0.6 ms a passage: the threshold balances the two."""
FLOATS_PER_WRITE = 1_000_000
_BYTES_PER_WRITE = 8 * 2**20
"""Together they keep one write under the server's body limit of 40 MiB."""
_SURE_ROWS = 1000
_IDS_PER_CALL = 1000
_PAGE = 2000
_STAMPS = ("embedding", "dimension", "schema", "trusted")


class Near(NamedTuple):
    """What lies near one vector."""

    dense: dict[str, float]
    """Cosine similarity by id, nearest first."""
    passages: dict[str, Passage]
    """Empty when only ids were asked for."""


class ChromaCollection:
    """A collection by name; it is created by the first write, when the dimension is known."""

    def __init__(
        self,
        client: "ClientAPI",
        where: str,
        name: str,
        embedding: str,
        *,
        retries: int,
        trusted: bool | None,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        self.where, self.name, self.embedding = where, checked_name(name), embedding
        self._client, self._retries, self._asked_trust = client, retries, trusted
        self._found: Raw | None = None
        self._notes = notes or {}
        self.raw()

    @property
    def trusted(self) -> bool:
        """Whether the collection is marked as trusted; who opened it may be more careful than the mark."""
        found = self.raw()
        marked = bool((found.metadata or {}).get("trusted", True)) if found else True
        return marked and self._asked_trust is not False

    def mark(self, *, trusted: bool) -> None:
        """Change the trust mark for everybody."""
        self._asked_trust = trusted
        self.annotate({"trusted": trusted})

    def notes(self) -> Mapping[str, Any]:
        """Return the collection's metadata, read anew."""
        self._found = None
        found = self.raw()
        return (found.metadata or {}) if found else {}

    def annotate(self, notes: Mapping[str, str | int | bool]) -> None:
        """Add to the collection's metadata; nothing happens before the first write."""
        held = self.notes()
        if held:
            # Chroma replaces the whole of it
            self._ask(lambda raw: raw.modify(metadata={**held, **notes}), None)
            self._found = None

    @property
    def id(self) -> str:
        """Chroma's own id of the collection; empty before the first write."""
        found = self.raw()
        return str(found.id) if found else ""

    def forget(self) -> None:
        """Look the collection up anew the next time."""
        self._found = None

    def count(self) -> int:
        """Return the number of passages."""
        return self._ask(lambda raw: int(raw.count()), 0)

    def ids(self) -> list[str]:
        """Return the ids of all passages in the order they were written."""
        return self._ask(lambda raw: list(raw.get(include=[])["ids"]), list[str]())

    def passages(self, ids: Collection[str]) -> dict[str, Passage]:
        """Return the passages with these ids, as far as they are there."""
        found: dict[str, Passage] = {}
        for some in batches(ids, _IDS_PER_CALL):
            found.update(_passages(self._got(ids=some, include=["documents", "metadatas"])))
        return found

    def pages(self) -> Iterator[dict[str, Passage]]:
        """Yield all passages, some at a time."""
        for start in range(0, self.count(), _PAGE):
            yield _passages(self._got(include=["documents", "metadatas"], limit=_PAGE, offset=start))

    def openings(self, names: Sequence[str] | None = None) -> list[tuple[str, Mapping[str, Any]]]:
        """Return id and metadata of the first passages of documents, all or those with one of these names."""
        if names is None:
            return self.where_metadata({"passages": {"$gte": 1}})
        return self.where_metadata({"name": {"$in": list(names)}})

    def existing(self, ids: Collection[str]) -> set[str]:
        """Return those of the ids that are there."""
        found: set[str] = set()
        for some in batches(ids, _IDS_PER_CALL):
            found.update(self._got(ids=some, include=[])["ids"])
        return found

    def sample(self, most: int) -> list[Passage]:
        """Return up to `most` passages from four places of the collection."""
        held, some = self.count(), max(1, most // 4)
        found: dict[str, Passage] = {}
        for part in range(4):
            start = held * part // 4
            found.update(_passages(self._got(include=["documents", "metadatas"], limit=some, offset=start)))
        return list(found.values())[:most]

    def where_metadata(self, where: Any) -> list[tuple[str, Mapping[str, Any]]]:
        """Return id and metadata of the passages that match Chroma's `where`."""
        got = self._got(where=where, include=["metadatas"])
        return list(zip(got["ids"], got["metadatas"], strict=True))

    def vectors(self, ids: Collection[str]) -> "dict[str, Vectors]":
        """Return the vectors of passages, as far as they are there."""
        import numpy as np

        found: dict[str, Vectors] = {}
        for some in batches(ids, _IDS_PER_CALL):
            got = self._got(ids=some, include=["embeddings"])
            rows = (np.asarray(row, dtype=np.float32) for row in got["embeddings"])
            found.update(zip(got["ids"], rows, strict=True))
        return found

    def nearest(self, vectors: "Vectors", k: int, filters: Filters | None, *, texts: bool) -> list[Near]:
        """Return per vector its nearest `k` passages, in one call; `texts` asks for more than their ids."""
        if self.raw(vectors.shape[1]) is None:
            return [Near({}, {}) for _ in vectors]
        wanted: Any = ["distances", "documents", "metadatas"] if texts else ["distances"]
        got: Any = self._ask(
            lambda raw: raw.query(
                query_embeddings=cast("Any", vectors), n_results=k, where=_where(filters), include=wanted
            ),
            None,
        )
        return [_near(got, row) for row in range(len(vectors))] if got else [Near({}, {}) for _ in vectors]

    def write(self, passages: Sequence[Passage], vectors: "Vectors") -> None:
        """Put passages in with their vectors; the first of a document comes last, when several writes are needed."""
        if not passages:
            return
        dimension = int(vectors.shape[1])
        raw = self.raw(dimension) or self._created(dimension)
        rows = self._rows_per_write(dimension)
        portions = list(_portions(range(len(passages)), passages, rows))
        if len(portions) > 1:
            last_first = sorted(range(len(passages)), key=lambda at: _ordinal(passages[at].id), reverse=True)
            portions = list(_portions(last_first, passages, rows))
        for some in portions:
            self._upserted(raw, [passages[at] for at in some], vectors[some])

    def remove(self, ids: Iterable[str]) -> None:
        """Take passages out, the first of a document first."""
        for some in batches(sorted(ids, key=_ordinal), _IDS_PER_CALL):
            self._ask(partial(_deleted, ids=some), None)

    def sure_rows(self, dimension: int) -> int:
        """Return up to how many passages of a document certainly go in at once, seen by readers all or none."""
        return min(_SURE_ROWS, FLOATS_PER_WRITE // dimension)

    def raw(self, dimension: int | None = None) -> "Raw | None":
        """Return Chroma's collection, checked; None before the first write.

        Raises CollectionForeign and EmbeddingMismatch.
        """
        from chromadb.errors import NotFoundError

        if self._found is None:
            try:
                self._found = self._again(
                    lambda: self._client.get_collection(self.name, embedding_function=None)
                )
            except NotFoundError:
                return None
        self._check(self._found.metadata or {}, dimension)
        return self._found

    def _got(self, **options: Any) -> Any:
        nothing: Any = {"ids": [], "documents": [], "metadatas": [], "embeddings": []}
        return self._ask(lambda raw: cast("Any", raw.get(**options)), nothing)

    def _upserted(self, raw: "Raw", passages: Sequence[Passage], vectors: "Vectors") -> None:
        self._again(
            lambda: raw.upsert(
                ids=[passage.id for passage in passages],
                embeddings=cast("Any", vectors),
                documents=[passage.text for passage in passages],
                metadatas=[_about(passage) for passage in passages],
            )
        )

    def _rows_per_write(self, dimension: int) -> int:
        return max(1, min(self._again(self._client.get_max_batch_size), FLOATS_PER_WRITE // dimension))

    def _ask(self, question: "Callable[[Raw], T]", nothing: T) -> T:
        from chromadb.errors import NotFoundError

        for _ in range(2):
            raw = self.raw()
            if raw is None:
                return nothing
            try:
                return self._again(partial(question, raw))
            except NotFoundError:
                self._found = None  # someone else dropped the collection since we looked it up
        return nothing

    def _again(self, question: Callable[[], T]) -> T:
        return asked_again(question, where=self.where, retries=self._retries)

    def _created(self, dimension: int) -> "Raw":
        self._found = self._again(
            lambda: self._client.get_or_create_collection(
                self.name,
                metadata={
                    **self._notes,
                    "embedding": self.embedding,
                    "dimension": dimension,
                    "schema": SCHEMA,
                    "trusted": self._asked_trust is not False,
                },
                configuration=cast("Any", {"hnsw": HNSW}),
                embedding_function=None,
            )
        )
        # a writer elsewhere may have been faster, with other embeddings
        self._check(self._found.metadata or {}, dimension)
        return self._found

    def _check(self, stamp: Mapping[str, Any], dimension: int | None) -> None:
        remedy = "Open another collection name, or ingest the documents again into a new one."
        if stamp.get("schema") != SCHEMA:
            self._found = None
            raise CollectionForeign(
                f"The collection {self.name!r} in {self.where} was not made by this version of retrieval "
                f"(its schema is {stamp.get('schema')!r}, ours {SCHEMA!r}). {remedy}"
            )
        if stamp.get("embedding") != self.embedding:
            self._found = None
            raise EmbeddingMismatch(
                f"The collection {self.name!r} in {self.where} was made with the embeddings "
                f"{stamp.get('embedding')!r} and is now opened with {self.embedding!r}. "
                f"Open it with {stamp.get('embedding')!r}. {remedy}"
            )
        if dimension is not None and stamp.get("dimension") != dimension:
            raise EmbeddingMismatch(
                f"The collection {self.name!r} in {self.where} holds vectors of {stamp.get('dimension')} "
                f"dimensions, but {self.embedding!r} now returns {dimension}. {remedy}"
            )


def checked_name(name: str) -> str:
    """Return a name that can name a collection; raises BadRequest for others."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot name a collection: use 3 to 63 letters, digits, dots, dashes or underscores, "
            "with a letter or digit at both ends."
        )
    return name


def _portions(order: Sequence[int], passages: Sequence[Passage], rows: int) -> Iterator[list[int]]:
    portion: list[int] = []
    size = 0
    for at in order:
        length = len(passages[at].text.encode("utf-8", "replace"))
        if portion and (len(portion) >= rows or size + length > _BYTES_PER_WRITE):
            yield portion
            portion, size = [], 0
        portion.append(at)
        size += length
    if portion:
        yield portion


def _deleted(raw: "Raw", *, ids: list[str]) -> None:
    raw.delete(ids=ids)


def _ordinal(key: str) -> int:
    """Return the place of a passage in its document, which the last part of its id tells."""
    try:
        return int(key.rpartition("-")[2], 16)
    except ValueError:
        return 0


def _where(filters: Filters | None) -> Any:
    if not filters:
        return None
    conditions: list[dict[str, Any]] = [
        {field: wanted if isinstance(wanted, str) else {"$in": list(wanted)}}
        for field, wanted in filters.items()
    ]
    return conditions[0] if len(conditions) == 1 else {"$and": conditions}


def _about(passage: Passage) -> dict[str, str | int]:
    opening, count = opening_of(passage.id)
    # the first passage of a document stands for it: listed, found by its title, and there only when the rest is
    standing: dict[str, str | int] = (
        {"name": title_key(passage.title), "passages": count} if opening == passage.id else {}
    )
    return standing | {
        "document": passage.document,
        "title": passage.title,
        "location": passage.location,
        "start": passage.start,
        "end": passage.end,
        "kind": passage.kind,
    }


def _passages(got: Any) -> dict[str, Passage]:
    rows = zip(got["ids"], got["documents"], got["metadatas"], strict=True)
    return {key: Passage(id=key, text=text or "", **_fields(about)) for key, text, about in rows}


def _fields(about: Mapping[str, Any]) -> dict[str, Any]:
    return {field: about[field] for field in ("document", "title", "location", "start", "end", "kind")}


def _near(got: Any, row: int) -> Near:
    ids = got["ids"][row]
    dense = {key: 1.0 - distance for key, distance in zip(ids, got["distances"][row], strict=True)}
    if not got.get("documents"):
        return Near(dense, {})
    return Near(
        dense, _passages({"ids": ids, "documents": got["documents"][row], "metadatas": got["metadatas"][row]})
    )
