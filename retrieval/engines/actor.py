"""What runs on Ray: one process that reads, redacts and cuts files, and embeds texts, one thing at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from retrieval.cut import Cut, Cutter
from retrieval.documents import Document
from retrieval.embed import embed_texts
from retrieval.engines.travel import Maker
from retrieval.intake import Skip
from retrieval.loaders.extract import Unreadable
from retrieval.loaders.guarded import Readers
from retrieval.reading import Reading
from retrieval.redact import Redact, redacted

if TYPE_CHECKING:
    from retrieval.embed import Vectors


class Order(NamedTuple):
    """What an actor is told once; it must be possible to send it."""

    make: Maker | None
    """None where the embeddings cannot be sent: then nothing is embedded or cut."""
    embedding: str
    reading: Reading
    redact: Redact | None
    cuts: bool
    """Whether files come back as passages, or as documents that the asker redacts and cuts."""


class IngestActor:
    """Does what one ingest asks; each has its own guarded reader process and its own embedding model."""

    def __init__(self, order: Order) -> None:
        reading = order.reading
        # the actors are the processes: each needs one reader
        self._readers = Readers(replace(reading, workers=min(1, reading.processes)))
        self._redact = order.redact
        self._embeddings = order.make() if order.make else None
        self._cutter = None
        if order.cuts and self._embeddings is not None:
            self._cutter = Cutter(self._embeddings, order.embedding, reading)

    def ready(self) -> None:
        """Answer once the model is there."""

    def read(self, raw: bytes, name: str, address: str) -> Document | Cut | Skip:
        """Return the passages of a file, the document itself where it is cut elsewhere, or why it is not read."""
        try:
            document = self._readers.read(raw, name, address)
            if self._cutter is None:
                return document
            if self._redact is not None:
                document = redacted(document, self._redact)
            return Cut(address, tuple(self._cutter.passages(document)))
        except Unreadable as error:
            return Skip(address, str(error))

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return one vector per text."""
        assert self._embeddings is not None
        return embed_texts(self._embeddings, texts)
