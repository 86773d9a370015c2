"""What retrieval speaks about: documents that go in, passages and hits that come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "markdown", "html", "pdf"]
"""What a document was read from."""

FIELDS = ("document", "title", "location", "kind")
"""Fields of a passage that a filter may name."""

Filters = Mapping[str, str | Sequence[str]]
"""Field to the value it must have, or to several values of which it must have one."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document's text that people call by a name: a page, a chapter."""

    start: int
    end: int
    location: str


@dataclass(frozen=True, slots=True)
class Document:
    """One document as text, ready to be cut into passages."""

    address: str
    """Path or URI; the same address again means a new version of the same document."""
    text: str
    title: str = ""
    kind: Kind = "text"
    sections: tuple[Section, ...] = ()
    """In order of `start`; without them passages are located by line."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that is searched and cited as one."""

    id: str
    """Fingerprint of everything below and of the embeddings."""
    text: str
    document: str
    """Address of the document."""
    title: str = ""
    location: str = ""
    """Where in the document, for a person: "page 3", "line 120", a heading."""
    start: int = 0
    """First character in the document's extracted text."""
    end: int = 0
    """One past the last character."""
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found."""

    passage: Passage
    score: float
    """Fused score from 0 to 1, comparable within one search only."""
    dense: float | None = None
    """Cosine similarity to the query; None when the passage was no dense candidate."""
    lexical: float | None = None
    """BM25 of the query's words among the candidates of this search; None when it has none of them."""
