"""Several collections searched as one: what they offer is fused together, so that their scores can be compared."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.documents import Filters, Passage
from retrieval.errors import BadRequest, EmbeddingMismatch, NotWritable
from retrieval.stores.store import Asked, DocumentRow, Offer, Store

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from retrieval.embed import Vectors


class UnionStore:
    """Some collections with the same embeddings, to be searched and not written to."""

    def __init__(self, stores: Sequence[Store]) -> None:
        """Join stores.

        Raises BadRequest when there is none, and EmbeddingMismatch when their vectors cannot be compared.
        """
        if not stores:
            raise BadRequest("Name at least one collection to search.")
        names = {store.embedding for store in stores}
        if len(names) > 1:
            raise EmbeddingMismatch(
                f"Collections made with different embeddings ({', '.join(sorted(names))}) cannot be searched as one: "
                "ingest them with the same embeddings."
            )
        self._stores = tuple(stores)
        self._notes: dict[str, str] = {}
        self.name = ", ".join(store.name for store in stores)
        self.where = ", ".join(dict.fromkeys(store.where for store in stores))
        self.folder: Path | None = None
        self.embedding = stores[0].embedding
        self.embeds = all(store.embeds for store in stores)

    @property
    def trusted(self) -> bool:
        """Whether the text of every one may reach a planner."""
        return all(store.trusted for store in self._stores)

    @property
    def writing(self) -> "AbstractContextManager[object]":
        """Held while nothing is written to any of them."""
        return self._all_writing()

    @contextmanager
    def _all_writing(self) -> Iterator[None]:
        with ExitStack() as stack:
            for store in self._stores:
                stack.enter_context(store.writing)
            yield

    def mark(self, *, trusted: bool) -> None:
        """Change the trust mark of each."""
        for store in self._stores:
            store.mark(trusted=trusted)

    def state(self) -> str:
        """Return a text that differs after every change of any of them."""
        return "\n".join(store.state() for store in self._stores)

    def note(self, name: str) -> str:
        """Return what was noted in this process."""
        return self._notes.get(name, "")

    def write_note(self, name: str, value: str) -> None:
        """Keep a short text until the end of the process."""
        self._notes[name] = value

    def is_empty(self) -> bool:
        """Whether nothing can be found in any of them."""
        return all(store.is_empty() for store in self._stores)

    def count(self) -> int | None:
        """Return the number of passages; None when one of them cannot tell."""
        counts = [store.count() for store in self._stores]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def documents(self) -> Sequence[DocumentRow]:
        """Return the documents of all, those with most passages first."""
        rows = [row for store in self._stores for row in store.documents()]
        return sorted(rows, key=lambda row: (-row.passages, row.document))

    def held(self, documents: Collection[str]) -> dict[str, set[str]]:
        """Return the ids of the passages held per document."""
        held: dict[str, set[str]] = {}
        for store in self._stores:
            for document, ids in store.held(documents).items():
                held.setdefault(document, set()).update(ids)
        return held

    def offer(self, asked: Sequence[Asked], most: int, filters: Filters | None) -> list[Offer]:
        """Return the candidates of each query from every collection together."""
        each = [store.offer(asked, most, filters) for store in self._stores if not store.is_empty()]
        return [_joined([offers[at] for offers in each]) for at in range(len(asked))]

    def passages(self, ids: Collection[str]) -> dict[str, Passage]:
        """Return the passages with these ids, as far as they are there."""
        return {key: one for store in self._stores for key, one in store.passages(ids).items()}

    def titled(self, names: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """Return, per name that is a title, its documents with the id of their first passage."""
        found: dict[str, dict[str, str]] = {}
        for store in self._stores:
            for name, documents in store.titled(names).items():
                found.setdefault(name, {}).update(documents)
        return found

    def vectors(self, ids: Collection[str]) -> "dict[str, Vectors]":
        """Return the vectors of passages, as far as they can be had."""
        return {key: vector for store in self._stores for key, vector in store.vectors(ids).items()}

    def sample(self, most: int) -> list[Passage]:
        """Return some passages of each."""
        share = max(1, most // len(self._stores))
        return [passage for store in self._stores for passage in store.sample(share)]

    def change(
        self,
        new: Sequence[Passage],  # noqa: ARG002
        vectors: "Vectors",  # noqa: ARG002
        gone: Collection[str],  # noqa: ARG002
    ) -> None:
        """Refuse: which of them should it go to?"""
        raise NotWritable(f"{self.name} are several collections: open the one to write to by itself.")

    def close(self) -> None:
        """Let go of each."""
        for store in self._stores:
            store.close()


def _joined(offers: Sequence[Offer]) -> Offer:
    return Offer(
        {key: passage for offer in offers for key, passage in offer.passages.items()},
        {key: score for offer in offers for key, score in offer.dense.items()},
        {key: words for offer in offers for key, words in offer.terms.items()},
    )
