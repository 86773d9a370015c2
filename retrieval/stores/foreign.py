"""Somebody else's store in Chroma's stead: any LangChain vector store or retriever.

With a folder for the mirror beside it, a vector store does everything Chroma does. Without one, and for a retriever,
what is there can be searched: its candidates are scored anew by words.
"""

import hashlib
import json
import threading
import warnings
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from retrieval.documents import Filters, Passage
from retrieval.embed import embedded_text
from retrieval.errors import NotWritable
from retrieval.filters import passes
from retrieval.stores.mirror import Mirror
from retrieval.stores.mirrored import Mirrored, introduce, marked_trusted
from retrieval.stores.store import Asked, Offer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from retrieval.embed import Vectors

_AT_ONCE = 8
"""Queries under way at the same time."""
_WIDER = 4
"""How much more is asked for when a filter will leave some of it."""

Found = list[tuple[LangChainDocument, float]]
"""Documents with a score that is higher for better ones."""


class ForeignStore(Mirrored):
    """A vector store or a retriever, searched by its own embeddings."""

    embeds = False

    def __init__(
        self,
        source: VectorStore | BaseRetriever,
        name: str,
        embedding: str,
        *,
        folder: Path | None = None,
        trusted: bool = True,
    ) -> None:
        self.name, self.where, self.embedding = name, type(source).__name__, embedding
        self.folder: Path | None = None
        self._source, self._trusted = source, trusted
        self._writing = threading.RLock()
        self._mirror = _mirror(folder, name) if folder else None
        if self._mirror is not None:
            self._trusted = trusted and marked_trusted(self._mirror)
            introduce(self._mirror, name=name, embedding=embedding, trusted=self._trusted)

    @property
    def trusted(self) -> bool:
        """Whether its text may reach a planner."""
        return self._trusted

    @property
    def writing(self) -> "AbstractContextManager[object]":
        """Held while a document is written."""
        return self._writing

    def mark(self, *, trusted: bool) -> None:
        """Change the trust mark; without a mirror, until the end of the process."""
        self._trusted = trusted
        if self._mirror is not None:
            introduce(self._mirror, name=self.name, embedding=self.embedding, trusted=trusted)

    def mirror(self) -> Mirror | None:
        """Return the mirror; None without a folder."""
        return self._mirror

    def count(self) -> int | None:
        """Return the number of passages; None when the store cannot tell."""
        return self._mirror.count() if self._mirror else None

    def offer(self, asked: Sequence[Asked], most: int, filters: Filters | None) -> list[Offer]:
        """Return the candidates of each query; several queries are under way at a time."""
        search = _searcher(self._source, most * (_WIDER if filters else 2))
        with ThreadPoolExecutor(min(_AT_ONCE, len(asked))) as pool:
            found = list(pool.map(search, [one.text for one in asked]))
        return [self._offer(one, some, most, filters) for one, some in zip(asked, found, strict=True)]

    def vectors(self, ids: Collection[str]) -> "dict[str, Vectors]":
        """Return the vectors of passages, embedded again: a vector store does not give its own away."""
        import numpy as np

        embeddings = self._source.embeddings if isinstance(self._source, VectorStore) else None
        held = list(self.passages(ids).values())
        if embeddings is None or not held:
            return {}
        made = np.asarray(embeddings.embed_documents([embedded_text(one) for one in held]), dtype=np.float32)
        return {one.id: vector for one, vector in zip(held, made, strict=True)}

    def change(
        self,
        new: Sequence[Passage],
        vectors: "Vectors",  # noqa: ARG002 - it makes its own
        gone: Collection[str],
    ) -> None:
        """Put passages in and take others out; readers see a document before or after, never in between.

        Raises NotWritable for a retriever, and for a vector store without a folder for its mirror.
        """
        if self._mirror is None or not isinstance(self._source, VectorStore):
            raise NotWritable(
                f"Documents cannot be written to this {self.where}: give from_vectorstore() a vector store and a "
                "folder=, where what it holds is kept in mind."
            )
        with self._writing:
            if new:
                self._source.add_documents(
                    [_document(passage) for passage in new], ids=[one.id for one in new]
                )
            self._mirror.apply(new, gone)
            if gone:
                self._source.delete(ids=sorted(gone))

    def close(self) -> None:
        """Close the mirror; the store is its owner's."""
        if self._mirror is not None:
            self._mirror.close()

    def _offer(self, asked: Asked, found: Found, most: int, filters: Filters | None) -> Offer:
        dense = {_key(one): score for one, score in found}
        if self._mirror is not None:
            words = self._mirror.worded(asked.terms, most, filters)
            passages = self._mirror.passages({*dense, *words})
        else:
            passages = {_key(one): _passage(one) for one, _ in found}
        kept = {key: passage for key, passage in passages.items() if passes(passage, filters)}
        return Offer(kept, {key: score for key, score in dense.items() if key in kept})


class EmbeddedElsewhere(Embeddings):
    """In the place of embeddings where the store embeds by itself."""

    def __init__(self, embeddings: Embeddings | None, name: str) -> None:
        self.name = name
        count = getattr(embeddings, "count_tokens", None)
        if callable(count):
            self.count_tokens = count

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return nothing for each text."""
        import numpy as np

        return np.zeros((len(texts), 0), dtype=np.float32)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return nothing for each text."""
        return [[] for _ in texts]

    def embed_query(self, text: str) -> list[float]:  # noqa: ARG002 - the interface
        """Return nothing."""
        return []


def _searcher(source: VectorStore | BaseRetriever, most: int) -> Callable[[str], Found]:
    def by_retriever(query: str) -> Found:
        assert isinstance(source, BaseRetriever)
        return _ranked(source.invoke(query))

    def by_store(query: str) -> Found:
        assert isinstance(source, VectorStore)
        with warnings.catch_warnings(), suppress(NotImplementedError, ValueError):
            warnings.simplefilter("ignore")  # some scores lie outside 0 to 1, which does not matter here
            return source.similarity_search_with_relevance_scores(query, k=most)
        return _ranked(source.similarity_search(query, k=most))

    return by_retriever if isinstance(source, BaseRetriever) else by_store


def _ranked(documents: Sequence[LangChainDocument]) -> Found:
    return [(one, 1 - place / len(documents)) for place, one in enumerate(documents)]


def _mirror(folder: Path, name: str) -> Mirror:
    folder.mkdir(parents=True, exist_ok=True)
    return Mirror(folder / f"mirror-{name}.sqlite3")


def _key(document: LangChainDocument) -> str:
    own = document.metadata.get("passage") or document.id
    if own:
        return str(own)
    told = [document.page_content, {key: str(value) for key, value in document.metadata.items()}]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _passage(document: LangChainDocument) -> Passage:
    about: dict[str, Any] = document.metadata
    start = about.get("start", about.get("start_index", 0))
    first = start if isinstance(start, int) else 0
    return Passage(
        id=_key(document),
        text=document.page_content,
        document=str(about.get("document") or about.get("source") or ""),
        title=str(about.get("title") or ""),
        location=str(about.get("location") or (f"page {about['page']}" if "page" in about else "")),
        start=first,
        end=first + len(document.page_content),
    )


def _document(passage: Passage) -> LangChainDocument:
    about = {
        "passage": passage.id,
        "source": passage.document,
        "document": passage.document,
        "title": passage.title,
        "location": passage.location,
        "start": passage.start,
        "end": passage.end,
        "kind": passage.kind,
    }
    return LangChainDocument(id=passage.id, page_content=embedded_text(passage), metadata=about)
