"""What a search needs from wherever passages are kept: a folder, a server, or somebody else's vector store."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from retrieval.documents import Filters, Passage

if TYPE_CHECKING:
    from retrieval.embed import Vectors


class Asked(NamedTuple):
    """One query, ready to be searched for."""

    text: str
    terms: Sequence[str]
    vector: "Vectors | None"
    """None where the store embeds by itself."""


class Offer(NamedTuple):
    """The candidates of one query."""

    passages: Mapping[str, Passage]
    """By id: nearest by meaning, and those that hold the query's words where the store can tell."""
    dense: Mapping[str, float]
    """Cosine similarity by id, of those that are near by meaning."""
    terms: Mapping[str, Sequence[str]] = {}
    """Index terms by id, those of the title twice, where the store has them ready."""


class DocumentRow(NamedTuple):
    """One document of a collection."""

    document: str
    title: str
    kind: str
    passages: int
    opening: str
    """Id of its first passage."""


class Store(Protocol):
    """One collection of passages."""

    @property
    def name(self) -> str:
        """Name of the collection."""
        ...

    @property
    def where(self) -> str:
        """Folder or address."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder, None when the passages are elsewhere."""
        ...

    @property
    def embedding(self) -> str:
        """Name of the embedding model."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether queries must come with a vector."""
        ...

    @property
    def trusted(self) -> bool:
        """Whether its text may reach a planner."""
        ...

    @property
    def writing(self) -> AbstractContextManager[object]:
        """Held while a document is written: one writer at a time in a process."""
        ...

    def mark(self, *, trusted: bool) -> None:
        """Change the trust mark."""
        ...

    def state(self) -> str:
        """Return a text that differs after every change, as far as that can be told cheaply."""
        ...

    def note(self, name: str) -> str:
        """Return what was noted under a name; empty when nothing was."""
        ...

    def write_note(self, name: str, value: str) -> None:
        """Keep a short text with the collection."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing can be found, as far as that can be told without asking anybody."""
        ...

    def count(self) -> int | None:
        """Return the number of passages; None where that cannot be told."""
        ...

    def documents(self) -> Sequence[DocumentRow]:
        """Return the documents, those with most passages first."""
        ...

    def held(self, documents: Collection[str]) -> dict[str, set[str]]:
        """Return the ids of the passages held per document; one without passages is left out."""
        ...

    def offer(self, asked: Sequence[Asked], most: int, filters: Filters | None) -> list[Offer]:
        """Return the candidates of each query, `most` of each kind, in as few calls as possible."""
        ...

    def passages(self, ids: Collection[str]) -> dict[str, Passage]:
        """Return the passages with these ids, as far as they are there."""
        ...

    def titled(self, names: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """Return, per name that is a title, its documents with the id of their first passage."""
        ...

    def vectors(self, ids: Collection[str]) -> "dict[str, Vectors]":
        """Return the vectors of passages, as far as they can be had."""
        ...

    def sample(self, most: int) -> list[Passage]:
        """Return some passages from all over the collection."""
        ...

    def change(self, new: Sequence[Passage], vectors: "Vectors", gone: Collection[str]) -> None:
        """Put passages in and take others out; readers see a document before or after, never in between."""
        ...

    def close(self) -> None:
        """Let go."""
        ...
