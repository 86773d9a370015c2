"""What retrieval speaks about: documents that go in, passages and hits that come out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

Kind = Literal[
    "text",
    "markdown",
    "html",
    "pdf",
    "word",
    "slides",
    "sheet",
    "email",
    "book",
    "notebook",
    "code",
    "data",
]
"""What a document was read from: word is docx, odt and rtf; sheet is xlsx, xls, ods and csv; data is JSON and XML."""

FIELDS = ("document", "title", "location", "kind")
"""Fields of a passage that a filter may name."""

Filters = Mapping[str, str | Sequence[str]]
"""Field to the value it must have, or to several values of which it must have one."""

_PAGE = re.compile(r"pages? (\d+)(-\d+)?")


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
    """In order of `start`; without them passages are located by line or by paragraph."""
    version: str = ""
    """Fingerprint of the bytes the text was read from; empty where there are none, then the text itself counts."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that is searched and cited as one."""

    id: str
    """Made by `passage_id`: equal ids mean equal passages."""
    text: str
    document: str
    """Address of the document."""
    title: str = ""
    location: str = ""
    """Where in the document, for a person: "page 3", "line 120", a heading, "Budget!A2:F40", "slide 5"."""
    start: int = 0
    """First character in the document's extracted text."""
    end: int = 0
    """One past the last character."""
    kind: Kind = "text"

    @property
    def link(self) -> str:
        """Address of the exact place: a PDF's page, the first words on a web page; else of the document."""
        page = _PAGE.fullmatch(self.location) if self.kind == "pdf" else None
        if page:
            return f"{self.document}#page={page[1]}"
        if self.kind == "html" and self.document.startswith(("http://", "https://")):
            first = " ".join(self.text.lstrip("#|- ").partition("\n")[0].split()[:8])
            return f"{self.document}#:~:text={quote(first, safe='')}"
        return self.document


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
    linked: float | None = None
    """Score of the best hit that mentions its document's title; None when none of the first ones does."""


def passage_id(stamp: str, count: int, index: int) -> str:
    """Return the id of passage `index` of the `count` of a document whose version has this stamp.

    The ids of a document are its manifest: they tell which version is there and whether all of it is.
    """
    return f"{stamp}-{count:x}-{index:x}"


def passage_ids(stamp: str, count: int) -> set[str]:
    """Return the ids of all passages of one version of a document."""
    return {passage_id(stamp, count, index) for index in range(count)}
