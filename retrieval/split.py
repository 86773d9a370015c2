"""Cut a document into passages whose spans point back into its text."""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator

from retrieval.config import Config
from retrieval.documents import Document, Passage, Section

_SEPARATORS = {
    "pdf": ["\f", "\n\n", "\n", " ", ""],
    "text": ["\n\n", "\n", " ", ""],
    "markdown": ["\n# ", "\n## ", "\n### ", "\n#### ", "\n\n", "\n", " ", ""],
}


def split(document: Document, *, embedding: str, config: Config) -> list[Passage]:
    """Return the passages of a document in order, each exactly `document.text[start:end]`.

    `embedding` is the name of the embedding model: it is part of every passage's id.
    """
    passages = (_passage(document, start, text, embedding) for start, text in _spans(document, config))
    return list({passage.id: passage for passage in passages}.values())


def _spans(document: Document, config: Config) -> Iterator[tuple[int, str]]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS.get(document.kind, _SEPARATORS["markdown"]),
        chunk_size=config.passage_chars,
        chunk_overlap=config.overlap_chars,
        add_start_index=True,
    )
    for piece in splitter.create_documents([document.text]):
        yield piece.metadata["start_index"], piece.page_content


def _passage(document: Document, start: int, text: str, embedding: str) -> Passage:
    end = start + len(text)
    location = _location(document, start, end)
    values = [document.address, document.title, document.kind, location, start, end, text, embedding]
    fingerprint = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
    return Passage(fingerprint, text, document.address, document.title, location, start, end, document.kind)


def _location(document: Document, start: int, end: int) -> str:
    if not document.sections:
        return f"line {document.text.count(chr(10), 0, start) + 1}" if document.kind != "html" else ""
    first = max(0, bisect_right(document.sections, start, key=lambda section: section.start) - 1)
    return max(document.sections[first:], key=lambda section: _overlap(section, start, end)).location


def _overlap(section: Section, start: int, end: int) -> int:
    return max(0, min(section.end, end) - max(section.start, start))
