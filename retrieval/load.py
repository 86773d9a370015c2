"""Read files into documents: plain text, Markdown, HTML and PDF, in whatever encoding they come."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from retrieval.documents import Document, Kind, Section

KINDS: dict[str, Kind] = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".rst": "text",
    ".csv": "text",
    ".tsv": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
}
"""Suffix of a file to what it is read as."""

_PDFIUM = threading.Lock()
"""PDFium keeps global state: one thread at a time."""
_PASSWORD_ERROR = 4
_TITLE_CHARS = 200
_MOST_CONTROL = 0.05
"""Share of control characters above which bytes are no text."""
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"))
_SHORT_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\ufffe\uffff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)


class Unreadable(Exception):
    """A file that cannot become a document; the message is the reason, for a person."""


def load(file: Path, address: str, *, max_bytes: int) -> Document:
    """Read one file into a document with this address.

    Raises Unreadable for what is empty, protected, binary, too large, of another kind or broken.
    """
    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise Unreadable(f"unsupported kind {file.suffix!r}; text, Markdown, HTML and PDF are read")
    raw = _bytes(file, max_bytes)
    fallback = " ".join(re.split(r"[_\-\s]+", clean(file.stem))).strip()
    try:
        document = _READERS[kind](raw, address, fallback)
    except Unreadable:
        raise
    except Exception as error:
        # parsers of other people's files raise anything; the report carries it
        raise Unreadable(f"unreadable: {type(error).__name__}: {error}") from error
    if not document.text.strip():
        raise Unreadable("no text in it; scanned pages need OCR first" if kind == "pdf" else "empty")
    return document


def clean(text: str) -> str:
    """Return text that every store accepts: one kind of line end, no control characters, no lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def decode(raw: bytes) -> str:
    """Return bytes as text in their most likely encoding.

    Raises Unreadable when they are no text.
    """
    encoding = _marked(raw) or _detected(raw)
    try:
        text = raw.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"not valid {encoding} text") from error
    if len(_CONTROL.findall(text)) > _MOST_CONTROL * len(text):
        raise Unreadable("binary, not text")
    return clean(text)


def _bytes(file: Path, max_bytes: int) -> bytes:
    if not file.is_file():
        raise Unreadable("not a regular file")
    try:
        size = file.stat().st_size
        if size > max_bytes:
            raise Unreadable(f"too large: {size:,} bytes, at most {max_bytes:,} are read")
        raw = file.read_bytes()
    except OSError as error:
        raise Unreadable(f"unreadable: {error.strerror or error}") from error
    if not raw.strip():
        raise Unreadable("empty")
    return raw


def _text(raw: bytes, address: str, fallback: str) -> Document:
    text = decode(raw)
    return Document(address, text, _first_line_title(text) or fallback, "text")


def _markdown(raw: bytes, address: str, fallback: str) -> Document:
    text = decode(raw)
    sections = tuple(_headed(text))
    return Document(address, text, _first_heading(sections) or fallback, "markdown", sections)


def _html(raw: bytes, address: str, fallback: str) -> Document:
    import trafilatura

    page = _html_text(raw)
    if "<html" not in page[:4096].lower():
        # trafilatura refuses fragments
        page = f"<html><body>{page}</body></html>"
    body = trafilatura.extract(
        page, output_format="markdown", include_comments=False, include_tables=True, favor_recall=True
    )
    text = clean(re.sub(r"</?u>", "", body or trafilatura.html2txt(page) or ""))
    about = trafilatura.extract_metadata(page)
    sections = tuple(_headed(text))
    title = " ".join(str(getattr(about, "title", None) or "").split())[:_TITLE_CHARS]
    return Document(address, text, title or _first_heading(sections) or fallback, "html", sections)


def _pdf(raw: bytes, address: str, fallback: str) -> Document:
    pages, title = _pdf_pages(raw)
    sections, start = [], 0
    for number, page in enumerate(pages, start=1):
        sections.append(Section(start, start + len(page), f"page {number}"))
        start += len(page) + 1
    return Document(address, "\f".join(pages), title or fallback, "pdf", tuple(sections))


_READERS: dict[Kind, Callable[[bytes, str, str], Document]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
    "pdf": _pdf,
}


def _pdf_pages(raw: bytes) -> tuple[list[str], str]:
    import pypdfium2

    with _PDFIUM:
        try:
            pdf = pypdfium2.PdfDocument(raw)
        except pypdfium2.PdfiumError as error:
            locked = getattr(error, "err_code", None) == _PASSWORD_ERROR
            raise Unreadable("protected by a password" if locked else "not a readable PDF") from error
        try:
            pages = [_page_text(pdf, index) for index in range(len(pdf))]
            title = " ".join(clean(pdf.get_metadata_dict().get("Title") or "").split())[:_TITLE_CHARS]
        finally:
            pdf.close()
    return pages, title


def _page_text(pdf: "object", index: int) -> str:
    page = pdf[index]  # type: ignore[index]
    words = page.get_textpage()
    try:
        text = str(words.get_text_bounded())
    finally:
        words.close()
        page.close()
    # PDFium marks a hyphen at a line's end with U+FFFE or U+0002: the word goes on in the next line
    joined = re.sub(r"[\ufffe\x02]\s*", "", text)
    return clean(joined).replace("\f", "\n").translate(_LIGATURES).strip()


def _marked(raw: bytes) -> str | None:
    return next((encoding for mark, encoding in (*_BOMS, *_SHORT_BOMS) if raw.startswith(mark)), None)


def _detected(raw: bytes) -> str:
    if raw.count(0) > _MOST_CONTROL * len(raw):
        return _guessed(raw)  # UTF-16 without a mark is valid UTF-8 too, full of zeros
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return _guessed(raw)
    return "utf-8"


def _guessed(raw: bytes) -> str:
    import charset_normalizer

    matches = list(charset_normalizer.from_bytes(raw))
    if not matches:
        raise Unreadable("binary, not text")
    likely = {
        name for match in matches if match.chaos <= matches[0].chaos + 0.01 for name in _readings(match)
    }
    # among Latin encodings that fit equally well the commonest is right most often
    return "cp1252" if "cp1252" in likely else matches[0].encoding


def _readings(match: object) -> list[str]:
    encoding: str = match.encoding  # type: ignore[attr-defined]
    return [encoding, *match.could_be_from_charset]  # type: ignore[attr-defined]


def _html_text(raw: bytes) -> str:
    declared = _META_CHARSET.search(raw[:4096])
    if declared and not _marked(raw):
        try:
            return clean(raw.decode(declared[1].decode("ascii")))
        except (UnicodeDecodeError, LookupError):
            pass  # a wrong declaration is common; detection decides
    return decode(raw)


def _first_line_title(text: str) -> str:
    first, _, rest = text.lstrip("\n").partition("\n")
    alone = not rest.strip() or rest.startswith("\n")
    line = first.strip().lstrip("#= ").rstrip("= ")
    return (
        line
        if alone and rest.strip() and 0 < len(line) <= 100 and not line.endswith((".", ",", ":", ";"))
        else ""
    )


def _first_heading(sections: tuple[Section, ...]) -> str:
    return next((section.location for section in sections if section.location), "")[:_TITLE_CHARS]


def _headed(text: str) -> Iterator[Section]:
    start, heading, found, fenced, at = 0, "", False, False, 0
    for line in text.splitlines(keepends=True):
        fenced ^= bool(_FENCE.match(line))
        match = None if fenced else _HEADING.match(line.rstrip("\n"))
        if match:
            if at > start:
                yield Section(start, at, heading)
            start, heading, found = at, _plain(match[2]), True
        at += len(line)
    if found:
        yield Section(start, at, heading)


def _plain(heading: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)|[*_`]", lambda match: match[1] or "", heading).strip()[
        :_TITLE_CHARS
    ]
