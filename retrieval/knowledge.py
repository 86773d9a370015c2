"""Knowledge: what a program holds in its hands to ingest documents and search them."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from langchain_core.embeddings import Embeddings

from retrieval.chroma import Place, Store, open_place
from retrieval.config import Config
from retrieval.documents import FIELDS, Document, Filters, Hit, Passage
from retrieval.embed import WordLlamaEmbeddings, embed_queries, name_of
from retrieval.errors import BadRequest, KnowledgeClosed
from retrieval.fuse import convex
from retrieval.ingest import IngestReport, Paths, Progress, Writer, ingest_files
from retrieval.lexical import Lexical
from retrieval.load import clean

if TYPE_CHECKING:
    from retrieval.retriever import KnowledgeRetriever

_MOST_HITS = 1000
_CARD_TITLES = 12
_CARD_CHARS = 600
_CARD_TITLE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Card:
    """What a collection holds, in few words; `str(card)` is text for a planner prompt."""

    collection: str
    documents: int
    passages: int
    titles: tuple[str, ...] = ()
    """Of the longest documents, longest first."""
    kinds: tuple[tuple[str, int], ...] = ()
    """Kind and number of documents, most frequent first."""

    def __str__(self) -> str:
        if not self.documents:
            return f"Collection {self.collection!r} is empty: nothing has been ingested."
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds)
        text = (
            f"Collection {self.collection!r}: {self.documents} documents ({kinds}), {self.passages} passages."
        )
        return text + self._titles(_CARD_CHARS - len(text))

    def _titles(self, room: int) -> str:
        shown: list[str] = []
        for title in self.titles:
            if sum(map(len, shown)) + 2 * len(shown) + len(title) + 30 > room:
                break
            shown.append(title)
        rest = self.documents - len(shown)
        more = f" and {rest} more" if shown and rest else ""
        return f" Titles: {'; '.join(shown)}{more}." if shown else ""


class Knowledge:
    """One collection of passages with its embeddings; safe to use from several threads."""

    def __init__(self, place: Place, collection: str, embeddings: Embeddings, config: Config) -> None:
        self._place, self._embeddings, self._config = place, embeddings, config
        self._store = Store(place, collection, name_of(embeddings))
        self._closed = False
        self._weight = _dense_weight(config, embeddings)

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self._store.name

    @property
    def where(self) -> str:
        """The folder, or the address of the server."""
        return self._place.where

    @property
    def embedding_name(self) -> str:
        """Name of the embedding model, as stamped on the collection."""
        return self._store.embedding

    def __repr__(self) -> str:
        return f"Knowledge({self.where!r}, collection={self.name!r}, embeddings={self.embedding_name!r})"

    def search(self, query: str, *, k: int = 6, filters: Filters | None = None) -> list[Hit]:
        """Return the `k` passages that fit the query best, by meaning and by words, best first.

        `filters` maps document, title, location or kind to a value or several; equal scores come in order of id.
        Raises BadRequest for an empty query, a `k` out of 1..1000 or an unknown filter.
        """
        return self.search_many([query], k=k, filters=filters)[0]

    def search_many(
        self, queries: Sequence[str], *, k: int = 6, filters: Filters | None = None
    ) -> list[list[Hit]]:
        """Return the hits of each query; all are embedded and sent to Chroma in one go.

        Raises as `search` does.
        """
        self._check_open()
        texts = [_checked_query(query, self._config.query_chars) for query in queries]
        _check_scope(k, filters)
        if not texts or not self.count():
            return [[] for _ in texts]
        vectors = embed_queries(self._embeddings, texts)
        # a server has no lexical index of ours: its dense candidates are all there is to choose from
        offered = self._config.candidates * (1 if self._place.folder else 2)
        near = self._store.nearest(vectors, max(k, offered), filters)
        return [self._hits(text, some, k, filters) for text, some in zip(texts, near, strict=True)]

    async def asearch(self, query: str, *, k: int = 6, filters: Filters | None = None) -> list[Hit]:
        """Search in a thread; the event loop stays free."""
        return await asyncio.to_thread(self.search, query, k=k, filters=filters)

    async def asearch_many(
        self, queries: Sequence[str], *, k: int = 6, filters: Filters | None = None
    ) -> list[list[Hit]]:
        """Search for many queries in a thread; the event loop stays free."""
        return await asyncio.to_thread(self.search_many, queries, k=k, filters=filters)

    def ingest(
        self, paths: Paths, *, root: str | Path | None = None, progress: Progress | None = None
    ) -> IngestReport:
        """Read files, folders and globs into the collection; what is already there is left alone.

        With `root`, documents below it are addressed relative to it, so that a collection can move with its
        files. Blocks: in async code call it in a thread. Raises DocumentMissing for a path that leads nowhere.
        """
        self._check_open()
        return ingest_files(
            self._writer(),
            paths,
            config=self._config,
            root=Path(root) if root is not None else None,
            avoid=self._place.folder,
            progress=progress,
        )

    def add(self, documents: Iterable[Document]) -> IngestReport:
        """Put documents that are already text into the collection; of one address the last version counts."""
        self._check_open()
        latest = {document.address: document for document in documents}
        return IngestReport(tuple(self._writer().put(latest.values())))

    def remove(self, document: str) -> int:
        """Take the document with this address out and return how many passages it had."""
        self._check_open()
        return self._writer().drop(document)

    def as_retriever(self, *, k: int = 6, filters: Filters | None = None) -> "KnowledgeRetriever":
        """Return a LangChain retriever over this knowledge."""
        from retrieval.retriever import KnowledgeRetriever

        return KnowledgeRetriever(knowledge=self, k=k, filters=filters)

    def card(self) -> Card:
        """Return what the collection holds, in few words."""
        self._check_open()
        held = self._held()
        kinds = Counter(kind for _, _, kind, _ in held)
        titles = [title or document for document, title, _, _ in held[:_CARD_TITLES]]
        return Card(
            collection=self.name,
            documents=len(held),
            passages=sum(count for *_, count in held),
            titles=tuple(dict.fromkeys(_shortened(title) for title in titles)),
            kinds=tuple(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
        )

    def at(self, collection: str) -> "Knowledge":
        """Return another collection of the same place with the same embeddings; close it on its own."""
        self._check_open()
        return _opened(self._place.share(), collection, self._embeddings, self._config)

    def count(self) -> int:
        """Return the number of passages."""
        self._check_open()
        return self._store.count()

    def close(self) -> None:
        """Let go of the place; the last one in the process gives up the folder. Closing again does nothing."""
        if not self._closed:
            self._closed = True
            self._place.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writer(self) -> Writer:
        return Writer(self._store, self._embeddings, self._config)

    def _hits(
        self, query: str, near: list[tuple[Passage, float]], k: int, filters: Filters | None
    ) -> list[Hit]:
        index = self._store.mirror()
        worded = index.search(query, max(k, self._config.candidates), filters) if index else []
        passages = {passage.id: passage for passage, _ in (*worded, *near)}
        dense = {passage.id: score for passage, score in near}
        lexical = _words_among(query, passages.values())
        fused = convex(dense, lexical, dense_weight=self._weight)
        return [
            Hit(passages[key], score, dense.get(key), lexical.get(key))
            for key, score in list(fused.items())[:k]
        ]

    def _held(self) -> list[tuple[str, str, str, int]]:
        index = self._store.mirror()
        if index is not None:
            return index.titles()
        counted: Counter[tuple[str, str, str]] = Counter(
            (str(about["document"]), str(about["title"]), str(about["kind"]))
            for page in self._store.pages()
            for about in page
        )
        return [
            (*about, count) for about, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        ]

    def _check_open(self) -> None:
        if self._closed:
            raise KnowledgeClosed(
                f"This knowledge of {self.where} is closed; open it again with open_knowledge()."
            )


def open_knowledge(
    where: str | Path,
    collection: str = "default",
    embeddings: Embeddings | None = None,
    token: str | None = None,
    *,
    config: Config | None = None,
) -> Knowledge:
    """Open the knowledge in a folder (one process at a time) or on a Chroma server, "http(s)://host:port".

    `embeddings` is any LangChain Embeddings; None takes the offline default. `token` goes to the server as a bearer
    token. Raises PlaceUnusable, PlaceBusy when another process owns the folder, and EmbeddingMismatch when the
    collection was made with other embeddings.
    """
    config = config or Config()
    place = open_place(where, token=token, timeout_s=config.timeout_s)
    return _opened(place, collection, embeddings or WordLlamaEmbeddings(), config)


def _opened(place: Place, collection: str, embeddings: Embeddings, config: Config) -> Knowledge:
    try:
        return Knowledge(place, collection, embeddings, config)
    except BaseException:
        place.release()
        raise


def _words_among(query: str, passages: Iterable[Passage]) -> dict[str, float]:
    # how rare a word is among the candidates tells more than how rare it is in the whole collection: measured on
    # 277 multi-hop questions, the same recall and the first supporting passage clearly higher up
    beside = Lexical()
    try:
        beside.add(passages)
        return {passage.id: score for passage, score in beside.search(query, -1)}
    finally:
        beside.close()


def _dense_weight(config: Config, embeddings: Embeddings) -> float:
    if config.dense_weight is not None:
        return config.dense_weight
    return 0.3 if isinstance(embeddings, WordLlamaEmbeddings) else 0.4


def _checked_query(query: str, most: int) -> str:
    text = clean(query).strip()[:most] if isinstance(query, str) else ""
    if not text:
        raise BadRequest("The query is empty: ask in a few words or a sentence.")
    return text


def _check_scope(k: int, filters: Filters | None) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= _MOST_HITS:
        raise BadRequest(f"k must be a whole number from 1 to {_MOST_HITS}, not {k!r}.")
    if not isinstance(filters or {}, Mapping):
        raise BadRequest(f"filters must be a mapping of {', '.join(FIELDS)}, not a {type(filters).__name__}.")
    for field, wanted in (filters or {}).items():
        if field not in FIELDS:
            raise BadRequest(f"There is no filter {field!r}; filter by {', '.join(FIELDS)}.")
        several = [wanted] if isinstance(wanted, str) else wanted
        if (
            not isinstance(several, list | tuple | set | frozenset)
            or not several
            or not all(isinstance(value, str) for value in several)
        ):
            raise BadRequest(f"The filter {field!r} must be a text or a list of texts, not {wanted!r}.")


def _shortened(title: str) -> str:
    return title if len(title) <= _CARD_TITLE_CHARS else f"{title[: _CARD_TITLE_CHARS - 1]}…"
