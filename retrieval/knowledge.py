"""Knowledge: what a program holds in its hands to ingest documents and search them."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from langchain_core.embeddings import Embeddings

from retrieval.batch import Coalescer
from retrieval.card import Card as Card
from retrieval.card import card_of
from retrieval.config import Config
from retrieval.documents import Document, Filters, Hit
from retrieval.embed import WordLlamaEmbeddings, embed_queries, name_of
from retrieval.errors import BadRequest, KnowledgeClosed
from retrieval.filters import checked_filters
from retrieval.ingest import EngineChoice, IngestReport, Paths, Progress, Writer, ingest_files
from retrieval.load import clean
from retrieval.reading import Reading
from retrieval.redact import Redact
from retrieval.search import Search
from retrieval.stores.cache import CachedEmbeddings
from retrieval.stores.store import Asked, DocumentRow, Store
from retrieval.stores.union import UnionStore
from retrieval.terms import query_terms

if TYPE_CHECKING:
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore

    from retrieval.ranking.rerank import Reranker
    from retrieval.retriever import KnowledgeRetriever

_MOST_HITS = 1000
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


class _Request(NamedTuple):
    query: str
    k: int
    filters: Filters | None
    diversity: float

    @property
    def scope(self) -> tuple[object, ...]:
        """What searches of one batch must share."""
        wanted = sorted(
            (field, *([value] if isinstance(value, str) else value))
            for field, value in (self.filters or {}).items()
        )
        return (self.diversity, *wanted)


class Knowledge:
    """One collection of passages with its embeddings; safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        embeddings: Embeddings,
        config: Config,
        *,
        reranker: "Reranker | None" = None,
        sibling: "Callable[[str], Knowledge] | None" = None,
        parts: "Sequence[Knowledge]" = (),
    ) -> None:
        self.store = store
        """Where the passages are kept."""
        self._embeddings, self._config = embeddings, config
        self._reranker = reranker
        self._sibling = sibling
        self._parts = tuple(parts)
        self._closed = False
        weight = _dense_weight(config, store.embedding)
        self._search = Search(store=store, config=config, dense_weight=weight, reranker=reranker)
        self._batch: Coalescer[_Request, list[Hit]] = Coalescer(self._answers)

    @classmethod
    def from_vectorstore(
        cls,
        vectorstore: "VectorStore",
        *,
        name: str = "default",
        folder: str | Path | None = None,
        trusted: bool = True,
        config: Config | None = None,
        reranker: "Reranker | None" = None,
    ) -> "Knowledge":
        """Search any LangChain vector store in Chroma's stead, with its own embeddings.

        With a `folder`, where words and passages are kept beside it, it can be ingested into as well. Without one
        what it holds is searched as it is: metadata source, title, location, page and start are understood.
        """
        from retrieval.stores.foreign import EmbeddedElsewhere, ForeignStore

        model = vectorstore.embeddings
        embedding = name_of(model) if model is not None else type(vectorstore).__name__
        place = Path(folder).expanduser() if folder else None
        store = ForeignStore(vectorstore, name, embedding, folder=place, trusted=trusted)
        return cls(store, EmbeddedElsewhere(model, embedding), config or Config(), reranker=reranker)

    @classmethod
    def from_retriever(
        cls,
        retriever: "BaseRetriever",
        *,
        name: str = "default",
        trusted: bool = True,
        config: Config | None = None,
        reranker: "Reranker | None" = None,
    ) -> "Knowledge":
        """Search by any LangChain retriever; how many hits it brings at most is its own affair."""
        from retrieval.stores.foreign import EmbeddedElsewhere, ForeignStore

        store = ForeignStore(retriever, name, type(retriever).__name__, trusted=trusted)
        return cls(store, EmbeddedElsewhere(None, store.embedding), config or Config(), reranker=reranker)

    @classmethod
    def together(
        cls, parts: "Sequence[Knowledge]", *, sibling: "Callable[[str], Knowledge] | None" = None
    ) -> "Knowledge":
        """Return one knowledge that searches several; each is written to by itself, closing it closes them.

        Raises BadRequest when there is none, and EmbeddingMismatch when their vectors cannot be compared.
        """
        store = UnionStore([part.store for part in parts])
        first = parts[0]
        return cls(
            store, first._embeddings, first._config, reranker=first._reranker, sibling=sibling, parts=parts
        )

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self.store.name

    @property
    def where(self) -> str:
        """The folder, or the address of the server."""
        return self.store.where

    @property
    def embedding_name(self) -> str:
        """Name of the embedding model, as stamped on the collection."""
        return self.store.embedding

    @property
    def trusted(self) -> bool:
        """Whether the text of the collection may reach a planner; new collections are trusted."""
        self._check_open()
        return self.store.trusted

    def for_planning(self) -> "Knowledge | None":
        """Return what may be shown to a planner: this, the trusted ones of several collections, or None.

        It lives as long as this knowledge and is closed with it.
        """
        if self.trusted:
            return self
        trusted = [part for part in self._parts if part.trusted]
        return Knowledge.together(trusted) if trusted else None

    def mark(self, *, trusted: bool) -> None:
        """Change the trust mark of the collection, for everybody who opens it."""
        self._check_open()
        self.store.mark(trusted=trusted)

    def __repr__(self) -> str:
        return f"Knowledge({self.where!r}, collection={self.name!r}, embeddings={self.embedding_name!r})"

    def search(
        self, query: str, *, k: int = 6, filters: Filters | None = None, diversity: float = 0.0
    ) -> list[Hit]:
        """Return the `k` passages that fit the query best, by meaning and by words, best first.

        `filters` maps document, title, location or kind to a value or several; equal scores come in order of id.
        `diversity` above 0 trades fitness for variety (maximal marginal relevance), up to 1.
        Raises BadRequest for an empty query, a `k` out of 1..1000 or an unknown filter.
        """
        return self.search_many([query], k=k, filters=filters, diversity=diversity)[0]

    def search_many(
        self, queries: Sequence[str], *, k: int = 6, filters: Filters | None = None, diversity: float = 0.0
    ) -> list[list[Hit]]:
        """Return the hits of each query; all are embedded and looked up in one go.

        Of near-duplicates only one is shown, the same one to every query of the batch. Raises as `search` does.
        """
        self._check_open()
        return self._answers([self._request(query, k, filters, diversity) for query in queries])

    async def asearch(
        self, query: str, *, k: int = 6, filters: Filters | None = None, diversity: float = 0.0
    ) -> list[Hit]:
        """Search in a thread; searches that are asked for in the same moment go out as one batch."""
        self._check_open()
        return await self._batch.ask(self._request(query, k, filters, diversity))

    async def asearch_many(
        self, queries: Sequence[str], *, k: int = 6, filters: Filters | None = None, diversity: float = 0.0
    ) -> list[list[Hit]]:
        """Search for many queries in a thread; the event loop stays free."""
        return await asyncio.to_thread(self.search_many, queries, k=k, filters=filters, diversity=diversity)

    def ingest(
        self,
        paths: Paths,
        *,
        root: str | Path | None = None,
        progress: Progress | None = None,
        redact: Redact | None = None,
        prune: bool = False,
        force: bool = False,
        urls: bool = False,
        reading: Reading | None = None,
        engine: EngineChoice = "local",
    ) -> IngestReport:
        """Read files, folders and globs into the collection; what is already there is left alone.

        `root`: documents below it are addressed relative to it, so that a collection can move with its files.
        `redact`: takes text and returns what may be stored of it, before anything is. `prune`: documents of these
        folders and globs whose files have vanished are taken out; refused, and said so in the report, when that
        would be most of them, unless `force`. `urls`: web addresses among the paths are fetched. `reading`: sizes
        of passages, bounds on files, private networks; keep to one per collection. `engine`: "ray" or a
        retrieval.Cluster has actors on Ray read, cut and embed; the writing stays here, and so does what is kept.

        Blocks: in async code call it in a thread. Raises DocumentMissing for a path that leads nowhere.
        """
        self._check_open()
        try:
            return ingest_files(
                Writer(self.store, self._embeddings, self._config, reading),
                paths,
                root=Path(root) if root is not None else None,
                avoid=self.store.folder,
                progress=progress,
                redact=redact,
                prune=prune,
                force=force,
                urls=urls,
                engine=engine,
            )
        finally:
            self._refresh_card()

    def add(self, documents: Iterable[Document]) -> IngestReport:
        """Put documents that are already text into the collection; of one address the last version counts."""
        self._check_open()
        latest = {document.address: document for document in map(_storable, documents)}
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
        """Return what the collection holds, in few words: made anew after a change, else as it was noted."""
        self._check_open()
        return card_of(self.store)

    def at(self, collection: str) -> "Knowledge":
        """Return another collection of the same place with the same embeddings; close it on its own.

        Raises BadRequest where there is only one.
        """
        self._check_open()
        if self._sibling is None:
            raise BadRequest(f"{self.where} holds only the collection {self.name!r}.")
        return self._sibling(collection)

    def documents(self) -> Sequence[DocumentRow]:
        """Return the documents of the collection, those with most passages first."""
        self._check_open()
        return self.store.documents()

    def count(self) -> int:
        """Return the number of passages; 0 for a store of somebody else that cannot tell."""
        self._check_open()
        return self.store.count() or 0

    def close(self) -> None:
        """Let go of the place; the last one in the process gives up the folder. Closing again does nothing."""
        if not self._closed:
            self._closed = True
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writer(self) -> Writer:
        return Writer(self.store, self._embeddings, self._config)

    def _refresh_card(self) -> None:
        # readers of a server find the card ready; in a folder it is made when it is asked for
        if self.store.folder is None and self.store.count():
            card_of(self.store)

    def _request(self, query: str, k: int, filters: Filters | None, diversity: float) -> _Request:
        text = clean(query).strip()[: self._config.query_chars] if isinstance(query, str) else ""
        if not text.strip():
            raise BadRequest("The query is empty: ask in a few words or a sentence.")
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= _MOST_HITS:
            raise BadRequest(f"k must be a whole number from 1 to {_MOST_HITS}, not {k!r}.")
        if isinstance(diversity, bool) or not isinstance(diversity, int | float) or not 0 <= diversity <= 1:
            raise BadRequest(f"diversity must be a number from 0 to 1, not {diversity!r}.")
        return _Request(text, k, checked_filters(filters), float(diversity))

    def _answers(self, requests: Sequence[_Request]) -> list[list[Hit]]:
        """Return the hits of each request, those with the same filters in one go."""
        self._check_open()
        together: dict[tuple[object, ...], list[int]] = {}
        for at, request in enumerate(requests):
            together.setdefault(request.scope, []).append(at)
        if not requests or self.store.is_empty():
            return [[] for _ in requests]
        asked = self._asked([request.query for request in requests])
        found: dict[int, list[Hit]] = {}
        for some in together.values():
            first = requests[some[0]]
            hits = self._search.hits(
                [asked[at] for at in some], [requests[at].k for at in some], first.filters, first.diversity
            )
            found.update(zip(some, hits, strict=True))
        return [found[at] for at in range(len(requests))]

    def _asked(self, queries: Sequence[str]) -> list[Asked]:
        if not self.store.embeds:
            return [Asked(query, query_terms(query), None) for query in queries]
        vectors = embed_queries(self._embeddings, queries)
        return [
            Asked(query, query_terms(query), vector) for query, vector in zip(queries, vectors, strict=True)
        ]

    def _check_open(self) -> None:
        if self._closed:
            raise KnowledgeClosed(
                f"This knowledge of {self.where} is closed; open it again with open_knowledge()."
            )


def open_knowledge(
    where: str | Path | Mapping[str, str | Path],
    collection: str | Sequence[str] = "default",
    embeddings: Embeddings | None = None,
    token: str | None = None,
    *,
    config: Config | None = None,
    trusted: bool | None = None,
    read_only: bool = False,
    reranker: "Reranker | None" = None,
    wait_s: float = 0.0,
) -> Knowledge:
    """Open the knowledge in a folder (one process at a time) or on a Chroma server, "http(s)://host:port".

    `where` may map collections to their places, "*" for all others: collections sharded over several servers. Several
    collections are searched as one and each written to by itself.
    `embeddings` is any LangChain Embeddings; None takes the offline default. `token` goes to servers as a bearer
    token. `trusted` marks a new collection; False keeps its text from planners whatever the mark says. `read_only`
    reads a folder that another process owns, always up to date. `reranker` is any LangChain cross-encoder or document
    compressor. `wait_s` waits for a folder that is in use.

    After a crash the indexes of a folder are tried first; a damaged one is rebuilt from the stored passages.
    Raises PlaceUnusable, PlaceBusy when another process owns the folder, and EmbeddingMismatch when the collection
    was made with other embeddings.
    """
    opening = _Opening(
        _places(where),
        embeddings or WordLlamaEmbeddings(),
        token,
        config or Config(),
        trusted,
        read_only,
        reranker,
        wait_s,
    )
    if isinstance(collection, str):
        return opening.at(collection)
    return opening.together(tuple(dict.fromkeys(collection)))


class _Opening(NamedTuple):
    """How collections of one map of places are opened."""

    places: Mapping[str, str | Path]
    embeddings: Embeddings
    token: str | None
    config: Config
    trusted: bool | None
    read_only: bool
    reranker: "Reranker | None"
    wait_s: float

    def at(self, collection: str) -> Knowledge:
        """Open one collection."""
        from retrieval.stores.chroma import checked_name

        name = checked_name(collection)
        where = self.places.get(name, self.places.get("*"))
        if where is None:
            raise BadRequest(
                f"No place is named for the collection {name!r}; there are {', '.join(sorted(self.places))}."
            )
        store, embeddings = self._store(where, name)
        return Knowledge(store, embeddings, self.config, reranker=self.reranker, sibling=self.at)

    def together(self, collections: Sequence[str]) -> Knowledge:
        """Open several collections to be searched as one."""
        with ExitStack() as opened:
            parts = [opened.enter_context(self.at(collection)) for collection in collections]
            both = Knowledge.together(parts, sibling=self.at)
            opened.pop_all()  # from here on closing is its affair
        return both

    def _store(self, where: str | Path, name: str) -> tuple[Store, Embeddings]:
        from retrieval.stores.folder import FolderStore
        from retrieval.stores.place import open_place
        from retrieval.stores.reader import ReaderStore
        from retrieval.stores.server import ServerStore

        if self.read_only and "://" not in str(where):
            folder = Path(where).expanduser().resolve()
            return ReaderStore(folder, name, name_of(self.embeddings), trusted=self.trusted), self.embeddings
        place = open_place(where, token=self.token, config=self.config, wait_s=self.wait_s)
        try:
            embeddings = CachedEmbeddings(self.embeddings, place.cache)
            if place.folder is not None:
                return FolderStore(place, name, embeddings, trusted=self.trusted), embeddings
            return ServerStore(place, name, embeddings.name, self.config, trusted=self.trusted), embeddings
        except BaseException:
            place.release()
            raise


def _places(where: str | Path | Mapping[str, str | Path]) -> Mapping[str, str | Path]:
    if not isinstance(where, Mapping):
        return {"*": where}
    if not where:
        raise BadRequest("The map of collections to places is empty.")
    return where


def _dense_weight(config: Config, embedding: str) -> float:
    if config.dense_weight is not None:
        return config.dense_weight
    return 0.3 if embedding.startswith("wordllama") else 0.4


def _storable(document: Document) -> Document:
    """Return a document without characters that no store accepts; every other keeps its place."""

    def storable(text: str) -> str:
        return _UNSTORABLE.sub(" ", text.encode("utf-8", "replace").decode("utf-8"))

    address = document.address.encode("utf-8", "backslashreplace").decode("utf-8")
    return replace(
        document,
        address=_UNSTORABLE.sub(" ", address),
        text=storable(document.text),
        title=storable(document.title),
    )
