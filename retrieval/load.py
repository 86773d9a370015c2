"""Read one file into a document, whatever its format and encoding."""

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from retrieval.documents import Document
from retrieval.loaders.extract import Extract, OutOfMemory, Unreadable
from retrieval.loaders.formats import format_of, no_text
from retrieval.loaders.text import clean as clean

READERS = "1"
"""Version of the loaders: raise it when one of them reads a file differently, and every file is read again."""

_DEEPEST = 3
"""How deep letters may lie in letters."""


def load(file: Path, address: str, *, max_bytes: int, loaders: Mapping[str, str] | None = None) -> Document:
    """Read one file into a document with this address.

    Raises Unreadable for what is empty, protected, binary, too large, of another kind or broken.
    """
    raw = read_bytes(file, max_bytes=max_bytes, loaders=loaders)
    return read(raw, file.name, address, loaders=loaders)


def read(raw: bytes, name: str, address: str, *, loaders: Mapping[str, str] | None = None) -> Document:
    """Read the bytes of a file called `name` into a document.

    `loaders` maps a suffix such as ".dwg" to "module:function" of a function that takes bytes and name and returns
    text. Raises Unreadable as `load` does.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parsers grumble about other people's files
            extract = _extracted(raw, name, loaders or {})
    except Unreadable:
        raise
    except MemoryError as error:
        raise OutOfMemory("reading it needs too much memory") from error
    except Exception as error:
        # parsers of other people's files raise anything; the report carries it
        told = " ".join(clean(str(error)).split())[:200]
        raise Unreadable(f"unreadable: {type(error).__name__}: {told}") from error
    if not extract.text.strip():
        raise Unreadable("empty")
    title = extract.title or _title_of(name)
    return Document(address, extract.text, title, extract.kind, extract.sections, fingerprint(raw, name))


def fingerprint(raw: bytes, name: str) -> str:
    """Return what stays the same as long as a file reads the same."""
    digest = hashlib.sha256(f"{READERS}\0{name}\0".encode("utf-8", "surrogatepass"))
    digest.update(raw)
    return digest.hexdigest()


def read_bytes(file: Path, *, max_bytes: int, loaders: Mapping[str, str] | None = None) -> bytes:
    """Return what is in a file, once it has stopped changing.

    Raises Unreadable for what is no regular file, too large, or cannot be opened.
    """
    reason = no_text(file.name)
    if reason and file.suffix.lower() not in (loaders or {}):
        raise Unreadable(reason)
    try:
        if not file.is_file():
            raise Unreadable("a link that leads nowhere" if file.is_symlink() else "not a regular file")
        for _ in range(3):
            before = file.stat()
            if before.st_size > max_bytes:
                raise Unreadable(f"too large: {before.st_size:,} bytes, at most {max_bytes:,} are read")
            with file.open("rb") as opened:
                raw = opened.read(max_bytes + 1)
            after = file.stat()
            if before.st_mtime_ns == after.st_mtime_ns and before.st_size == after.st_size == len(raw):
                return raw
    except OSError as error:
        raise Unreadable(f"unreadable: {error.strerror or error}") from error
    raise Unreadable("it changes while it is being read; ingest it again when it is finished")


def _extracted(raw: bytes, name: str, loaders: Mapping[str, str], depth: int = 0) -> Extract:
    if not raw.strip():
        raise Unreadable("empty")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in loaders:
        from retrieval.loaders.others import own

        return own(raw, name, loaders[suffix])
    reason = no_text(name)
    if reason:
        raise Unreadable(reason)
    return _by_format(raw, name, loaders, depth)


def _by_format(raw: bytes, name: str, loaders: Mapping[str, str], depth: int) -> Extract:  # noqa: C901 - one line per format
    def attached(inner: bytes, called: str) -> Extract:
        if depth >= _DEEPEST:
            raise Unreadable("letters within letters")
        return _extracted(inner, called, loaders, depth + 1)

    from retrieval.loaders import book, code, data, html, mail, others, pdf, sheets, slides, text, word

    match format_of(raw, name):
        case "markdown":
            return text.markdown(raw)
        case "html":
            return html.page(raw)
        case "pdf":
            return pdf.pdf(raw)
        case "docx":
            return word.docx(raw)
        case "odt":
            return word.odt(raw)
        case "rtf":
            return word.rtf(raw)
        case "pptx":
            return slides.pptx(raw)
        case "xlsx":
            return sheets.xlsx(raw)
        case "spreadsheet":
            return sheets.spreadsheet(raw)
        case "delimited":
            return sheets.delimited(raw)
        case "eml":
            return mail.eml(raw, attached)
        case "msg":
            return mail.msg(raw, attached)
        case "epub":
            return book.epub(raw)
        case "notebook":
            return data.notebook(raw)
        case "structured":
            return data.structured(raw)
        case "xml":
            return data.xml(raw)
        case "old office":
            return others.old_office(raw, PurePosixPath(name).suffix.lower())
        case "text":
            return code.code(raw, name) or text.plain(raw)


def _title_of(name: str) -> str:
    stem = clean(PurePosixPath(name).stem)
    return " ".join(re.split(r"[_\-\s]+", stem)).strip()
