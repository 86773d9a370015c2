"""Cut a document into passages whose spans point back into its text.

First by structure (headings, pages, slides, blocks of rows, definitions; then paragraphs), small parts joined with
what follows them; then by size: LangChain's recursive splitter says where, at sentences, lines or words. It is asked
for cuts only, not for overlaps and places: its `add_start_index` mixes characters with tokens and loses passages when
sizes are tokens. Measured in benchmarks/retrieval/splitting.py.
"""

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from retrieval.documents import Document, Passage, Section, passage_id
from retrieval.reading import Reading

CUTS = "1"
"""Version of this file: raise it when documents are cut differently, and every document is cut again."""

Count = Callable[[str], float]
"""Number of tokens in a text; that of a long text is about the sum of its parts."""

STAMP = 20
"""Digits of a stamp."""
_FILE, _TEXT = "f", "0"
_FROM_TEXT = "text "
_SEPARATORS = [r"\n\s*\n", r"(?<=[.!?])\s+|(?<=[。！？])", r"\n", r"\s", ""]
_SMALL = 0.2
"""Share of a passage's size up to which a part is joined with its neighbour."""
_IN_PARAGRAPHS = ("text", "markdown", "html", "word", "email", "book")
"""Kinds in which a blank line ends a thought."""
_BY_LINE = ("text", "markdown", "code", "data")
_RUNNING = ("pdf",)
"""Kinds whose sections end in the middle of a sentence: a passage may begin in the section before."""
_NUMBERED = re.compile(r"(page|slide|cell|line) (\d+)")
_PART_OF = 0.5
"""Share of a page or slide that a passage must hold to be named after it beside another one."""
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_BREAKS = (
    re.compile(r"\n\s*\n\s*|(?<=[.!?])[\"'”’)\]]*\s+|(?<=[。！？])"),
    re.compile(r"\n\s*"),
    re.compile(r"\s+"),
)
"""Where a passage may begin: at a sentence, else at a line, else at a word."""


def split(document: Document, *, stamp: str, count: Count, reading: Reading) -> list[Passage]:
    """Return the passages of a document in order, each exactly `document.text[start:end]`.

    `stamp` is what `stamp_of` returns for it.
    """
    spans = list(_spans(document, count, reading))
    lines = _Lines(document.text)
    return [
        Passage(
            id=passage_id(stamp, len(spans), index),
            text=document.text[start:end],
            document=document.address,
            title=document.title,
            location=_location(document, start, end, lines),
            start=start,
            end=end,
            kind=document.kind,
        )
        for index, (start, end) in enumerate(spans)
    ]


def stamp_of(address: str, version: str, *, embedding: str, reading: Reading) -> str:
    """Return the stamp that passage ids carry: equal when nothing that made the passages has changed.

    Its first digit tells documents read from files from those that came as text.
    """
    values = [CUTS, address, version, embedding, reading.passage_tokens, reading.overlap_tokens]
    source = _TEXT if version.startswith(_FROM_TEXT) else _FILE
    return source + hashlib.sha256(json.dumps(values).encode()).hexdigest()[: STAMP - 1]


def is_from_file(passage_id: str) -> bool:
    """Whether a passage belongs to a document that was read from a file or a web page."""
    return passage_id.startswith(_FILE)


def version_of(document: Document) -> str:
    """Return the fingerprint of what a document was read from, or of its text where it came as text."""
    return document.version or f"{_FROM_TEXT}{text_version(document)}"


def text_version(document: Document) -> str:
    """Return the fingerprint of a document's text, title and sections."""
    sections = [(section.start, section.end, section.location) for section in document.sections]
    values = [document.title, document.kind, document.text, sections]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def counter(embeddings: Any) -> Count:
    """Return what counts tokens as the embedding model does, by its `count_tokens(text)` if it has one."""
    own = getattr(embeddings, "count_tokens", None)
    return lru_cache(maxsize=65_536)(own) if callable(own) else approximate_tokens


def approximate_tokens(text: str) -> float:
    """Return about how many tokens a text has, in any script: never 16 % too few, by measurement."""
    size = len(text.encode("utf-8", "replace"))
    if size == len(text):
        return size / 3.6
    plain = sum(letter < "\x80" for letter in text)
    return plain / 3.6 + (size - plain) / 2.4


def _spans(document: Document, count: Count, reading: Reading) -> Iterator[tuple[int, int]]:
    text, before = document.text, 0
    for first, last in _stretches(document, count, reading):
        for start, end in _pieces(text, first, last, count, reading):
            floor = before if document.kind in _RUNNING else max(before, first)
            room = min(reading.overlap_tokens, reading.passage_tokens - count(text[start:end]))
            # what follows a blank line is whole by itself
            broken = start > floor and not text[max(0, start - 20) : start].rstrip(" \t").endswith("\n\n")
            began = _backed(text, start, floor, room, count) if broken and room > 0 else start
            before = start
            piece = text[began:end]
            if text[start:end].strip():
                yield began + len(piece) - len(piece.lstrip()), began + len(piece.rstrip())


def _stretches(document: Document, count: Count, reading: Reading) -> Iterator[tuple[int, int]]:
    """Yield the parts of a document, small ones joined with a neighbour that they fit to."""
    text, small = document.text, reading.passage_tokens * _SMALL
    places = {section.start for section in document.sections}
    named = places if document.kind != "data" else set()  # its lines are no chapters
    edges = {0, *places, len(text)}
    if document.kind in _IN_PARAGRAPHS:
        edges.update(match.end() for match in _PARAGRAPH.finditer(text))
    held: tuple[int, int, float] | None = None
    for start, end in pairwise(sorted(edges)):
        size = count(text[start:end])
        # what stands under a new heading is never the tail of what stood before it
        least = held[2] if held and start in named else min(held[2], size) if held else 0
        if held and least <= small and held[2] + size <= reading.passage_tokens:
            held = held[0], end, held[2] + size
            continue
        if held:
            yield held[0], held[1]
        held = start, end, size
    if held:
        yield held[0], held[1]


def _pieces(text: str, first: int, last: int, count: Count, reading: Reading) -> Iterator[tuple[int, int]]:
    """Yield consecutive spans of a part, each small enough to be a passage together with its overlap."""
    size = reading.passage_tokens - reading.overlap_tokens
    if count(text[first:last]) <= reading.passage_tokens:
        yield first, last
        return
    made = _splitter(count, size).split_text(text[first:last])
    cuts = list(accumulate(map(len, made), initial=first))
    if len(cuts) > 2 and count(text[cuts[-3] : last]) <= reading.passage_tokens:
        del cuts[-2]  # a short rest is no passage
    yield from pairwise(cuts)


def _splitter(count: Count, size: int) -> Any:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    # nothing stripped and nothing repeated: the pieces put together are the text again
    return RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        is_separator_regex=True,
        # whole numbers of hundredths: the splitter trips over the rounding of fractions
        chunk_size=100 * size,
        chunk_overlap=0,
        length_function=lambda text: round(100 * count(text)),
        strip_whitespace=False,
    )


def _backed(text: str, start: int, floor: int, tokens: float, count: Count) -> int:
    """Return where to begin so that a passage repeats the end of the one before, from a sentence or word on."""
    reach = int(tokens * 6)
    window = text[max(floor, start - reach) : start]
    while window and count(window) > tokens:
        window = window[max(1, len(window) // 8) :]
    low = start - len(window)
    ends = (match.end() for breaks in _BREAKS for match in breaks.finditer(window))
    return low + next((end for end in ends if end < len(window)), len(window))


class _Lines:
    """Numbers of lines and paragraphs, found once per document."""

    def __init__(self, text: str) -> None:
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._paragraphs = [match.end() for match in re.finditer(r"\n\s*\n", text)]

    def line(self, at: int) -> int:
        return bisect_right(self._breaks, at - 1) + 1

    def paragraph(self, at: int) -> int:
        return bisect_right(self._paragraphs, at) + 1


def _location(document: Document, start: int, end: int, lines: _Lines) -> str:
    named = _section(document.sections, start, end) if document.sections else ""
    if named or (document.sections and document.kind == "data"):
        return named
    if document.kind in _BY_LINE:
        return f"line {lines.line(start)}"
    return f"paragraph {lines.paragraph(start)}"


def _section(sections: Sequence[Section], start: int, end: int) -> str:
    first = max(0, bisect_right(sections, start, key=lambda section: section.start) - 1)
    last = max(first + 1, bisect_right(sections, end - 1, key=lambda section: section.start))
    inside = [
        one for one in sections[first:last] if _shared(one, start, end) >= _PART_OF * (one.end - one.start)
    ]
    numbered = [_NUMBERED.fullmatch(one.location) for one in inside]
    if len(inside) > 1 and all(numbered):
        return f"{numbered[0][1]}s {numbered[0][2]}-{numbered[-1][2]}"  # type: ignore[index]
    return max(sections[first:last], key=lambda section: _shared(section, start, end)).location


def _shared(section: Section, start: int, end: int) -> int:
    return max(0, min(section.end, end) - max(section.start, start))
