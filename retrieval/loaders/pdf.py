"""PDF, page by page, with PDFium: words intact also in two columns."""

import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from retrieval.loaders.extract import TITLE_CHARS, Extract, Parts, Unreadable, one_line
from retrieval.loaders.text import clean

_PDFIUM = threading.Lock()
"""PDFium keeps global state: one thread at a time."""
_PASSWORD_ERROR = 4
_UPWARD = 0.8
"""Share of lines that stand above the line before them beyond which a page is taken to run upwards."""
_TITLE_PAGE = 4000
"""Characters of the first page in which a title is looked for."""
_UPRIGHT = 0.1
"""Radians that letters of a title may lean."""
_STANDS_OUT = 1.15
"""How many times the usual letter a title's letters are large."""
_SHORTEST_TITLE = 8
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_BROKEN = re.compile(r"(\w+)[\ufffe\x02]\s*(\w+)")
"""A word that goes on in the next line: PDFium marks the hyphen with U+FFFE or U+0002."""


def pdf(raw: bytes) -> Extract:
    """Read a PDF; its pages are joined by form feeds."""
    pages, title = _read(raw)
    whole = "\n".join(pages)
    parts = Parts("\f")
    for number, page in enumerate(pages, start=1):
        parts.add(_finished(page, whole), f"page {number}")
    extract = parts.extract("pdf", title)
    if not extract.text:
        raise Unreadable("no text in it; scanned pages need OCR first")
    return extract


def _read(raw: bytes) -> tuple[list[str], str]:
    import pypdfium2

    with _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(raw)
        except pypdfium2.PdfiumError as error:
            locked = getattr(error, "err_code", None) == _PASSWORD_ERROR
            raise Unreadable("protected by a password" if locked else "not a readable PDF") from error
        try:
            pages = [_page(document, index) for index in range(len(document))]
            title = one_line(clean(document.get_metadata_dict().get("Title") or ""))
            title = title or (one_line(clean(_largest(document[0]))) if pages else "")
        finally:
            document.close()
    return pages, title


def _page(document: Any, index: int) -> str:
    page = document[index]
    words = page.get_textpage()
    try:
        text = str(words.get_text_bounded())
        if _may_run_upwards(words):
            return _downwards(words)
    finally:
        words.close()
        page.close()
    return text


def _may_run_upwards(words: Any) -> bool:
    last = words.count_chars() - 1
    return last > 0 and float(words.get_charbox(0)[1]) < float(words.get_charbox(last)[1])


def _downwards(words: Any) -> str:
    """Return the lines of a page from its top, where they were drawn from the bottom."""
    lines = list(_lines(words))
    rises = [below < above for (below, _), (above, _) in pairwise(lines)]
    if rises and sum(rises) >= _UPWARD * len(rises):
        lines.reverse()
    return "\n".join(text for _, text in lines)


def _lines(words: Any) -> Iterator[tuple[float, str]]:
    at = 0
    for line in str(words.get_text_range()).splitlines(keepends=True):
        if line.strip():
            yield float(words.get_charbox(at)[1]), line.rstrip("\r\n")
        at += len(line)


def _largest(page: Any) -> str:
    """Return the first run of the largest upright letters, when they stand out as a title does."""
    import pypdfium2.raw

    words = page.get_textpage()
    try:
        text = str(words.get_text_range())[:_TITLE_PAGE]
        sizes = [
            round(pypdfium2.raw.FPDFText_GetFontSize(words.raw, at), 1)
            if letter.strip() and abs(pypdfium2.raw.FPDFText_GetCharAngle(words.raw, at)) < _UPRIGHT
            else 0.0
            for at, letter in enumerate(text)
        ]
    finally:
        words.close()
        page.close()
    drawn = sorted(size for size in sizes if size)
    largest = drawn[-1] if drawn else 0.0
    if not drawn or largest < _STANDS_OUT * drawn[len(drawn) // 2]:
        return ""
    start = sizes.index(largest)
    end = next((at for at in range(start, len(text)) if 0 < sizes[at] < largest), len(text))
    title = text[start:end].strip()
    return title if _SHORTEST_TITLE <= len(title) <= TITLE_CHARS else ""


def _finished(page: str, whole: str) -> str:
    joined = _BROKEN.sub(lambda found: _rejoined(found[1], found[2], whole), page)
    joined = re.sub(r"[\ufffe\x02]\s*", "", joined)
    return clean(joined).replace("\f", "\n").translate(_LIGATURES).strip()


def _rejoined(first: str, second: str, whole: str) -> str:
    """Return a word broken at a line's end, with its hyphen if the document writes it so elsewhere."""
    if f"{first}{second}" in whole:
        return f"{first}{second}"
    hyphened = f"{first}-{second}"
    kept = hyphened in whole or len(first) == 1 or not second[0].islower()
    return hyphened if kept else f"{first}{second}"
