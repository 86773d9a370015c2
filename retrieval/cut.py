"""Documents in, passages out, as one collection wants them: the same here and on another machine."""

from typing import NamedTuple

from langchain_core.embeddings import Embeddings

from retrieval.documents import Document, Passage
from retrieval.reading import Reading
from retrieval.split import counter, split, stamp_of, version_of


class Cut(NamedTuple):
    """A document that was cut into passages where it was read."""

    address: str
    passages: tuple[Passage, ...]


class Cutter:
    """Cuts documents for a collection of this embedding model."""

    def __init__(self, embeddings: Embeddings, embedding: str, reading: Reading) -> None:
        self.embedding, self.reading = embedding, reading
        self._count = counter(embeddings)

    def stamp(self, address: str, version: str) -> str:
        """Return the stamp of a version of a document: equal when its passages would be equal."""
        return stamp_of(address, version, embedding=self.embedding, reading=self.reading)

    def passages(self, document: Document) -> list[Passage]:
        """Return the passages of a document, in order."""
        stamp = self.stamp(document.address, version_of(document))
        return split(document, stamp=stamp, count=self._count, reading=self.reading)
