"""What an ingest asks of whoever reads, cuts and embeds for it."""

from typing import NamedTuple

from langchain_core.embeddings import Embeddings

from retrieval.intake import Reader
from retrieval.reading import Reading
from retrieval.redact import Redact


class Job(NamedTuple):
    """What an engine must know of one ingest."""

    embeddings: Embeddings
    embedding: str
    """Name of the embedding model, as stamped on the collection."""
    embeds: bool
    """Whether the store is given vectors; somebody else's makes its own."""
    reading: Reading
    redact: Redact | None


class Engine(NamedTuple):
    """Who does the heavy work of one ingest; it never writes."""

    reader: Reader
    embeddings: Embeddings
    """For the texts of passages."""
    ahead: int
    """Files under way, or read and not yet taken, at the same time."""
