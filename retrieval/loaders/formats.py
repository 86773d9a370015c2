"""Which format a file is in: by its first bytes where they tell, else by its name."""

from pathlib import PurePosixPath
from typing import Literal

from retrieval.loaders.extract import Unreadable
from retrieval.loaders.office import archive, ole_streams

Format = Literal[
    "text", "markdown", "html", "pdf", "docx", "odt", "rtf", "pptx", "xlsx", "spreadsheet", "delimited",
    "eml", "msg", "epub", "notebook", "structured", "xml", "old office",
]  # fmt: skip
"""How a file is read."""

_BY_SUFFIX: dict[str, Format] = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".rst": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".docm": "docx",
    ".dotx": "docx",
    ".odt": "odt",
    ".rtf": "rtf",
    ".pptx": "pptx",
    ".pptm": "pptx",
    ".ppsx": "pptx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "spreadsheet",
    ".xlsb": "spreadsheet",
    ".ods": "spreadsheet",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".eml": "eml",
    ".msg": "msg",
    ".epub": "epub",
    ".ipynb": "notebook",
    ".json": "structured",
    ".jsonl": "structured",
    ".ndjson": "structured",
    ".xml": "xml",
    ".rss": "xml",
    ".atom": "xml",
    ".doc": "old office",
    ".ppt": "old office",
}
_ZIPPED = ("docx", "odt", "pptx", "xlsx", "spreadsheet", "epub")
_BY_ENTRY: dict[str, Format] = {
    "word/document.xml": "docx",
    "ppt/presentation.xml": "pptx",
    "xl/workbook.xml": "xlsx",
    "xl/workbook.bin": "spreadsheet",
    "META-INF/container.xml": "epub",
}
_BY_STREAM: dict[str, Format] = {
    "__properties_version1.0": "msg",
    "Workbook": "spreadsheet",
    "Book": "spreadsheet",
    "WordDocument": "old office",
    "PowerPoint Document": "old office",
}
_NO_TEXT = {
    "an image": "png jpg jpeg gif bmp tif tiff webp ico heic avif psd svg eps",
    "sound": "mp3 wav flac ogg oga m4a aac wma aiff mid midi",
    "a film": "mp4 mkv mov avi wmv webm m4v mpg mpeg flv",
    "an archive; unpack it and ingest its files": "zip tar gz tgz bz2 xz zst 7z rar jar war whl iso dmg",
    "a program": "exe dll so dylib class pyc pyd wasm",
    "a font": "ttf otf woff woff2 eot",
    "a database": "sqlite sqlite3 db mdb parquet feather",
}
_BY_NAME = {f".{suffix}": reason for reason, suffixes in _NO_TEXT.items() for suffix in suffixes.split()}


def no_text(name: str) -> str:
    """Return why a file of this name has no text; empty for one that may have."""
    return _BY_NAME.get(_suffix(name), "")


def format_of(raw: bytes, name: str) -> Format:
    """Return how to read a file.

    Raises Unreadable for formats that are not read.
    """
    named = _BY_SUFFIX.get(_suffix(name))
    head = raw[:1024]
    if b"%PDF-" in head and named in (None, "text", "pdf"):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return named if named in _ZIPPED else _unzipped(raw)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _contained(raw)
    if head.lstrip().startswith(b"{\\rtf"):
        return "rtf"
    if named in ("pdf", "docx", "odt", "pptx", "xlsx", "epub", "spreadsheet"):
        raise Unreadable(f"not a readable {_suffix(name)[1:]} file")
    if named in ("msg", "old office", "rtf", None):
        return _by_look(head)
    return named


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _by_look(head: bytes) -> Format:
    begin = head.lstrip()[:100].lower()
    if begin.startswith((b"<!doctype html", b"<html")):
        return "html"
    return "xml" if begin.startswith(b"<?xml") else "text"


def _unzipped(raw: bytes) -> Format:
    with archive(raw, of="archive") as opened:
        names = set(opened.namelist())
        kept = opened.read("mimetype")[:100] if "mimetype" in names else b""
    if kept.startswith(b"application/vnd.oasis.opendocument"):
        return "odt" if kept.endswith(b".text") else "spreadsheet"
    found = next((kind for entry, kind in _BY_ENTRY.items() if entry in names), None)
    if found is None:
        raise Unreadable(no_text(".zip"))
    return found


def _contained(raw: bytes) -> Format:
    streams = ole_streams(raw)
    if "EncryptedPackage" in streams:
        raise Unreadable("protected by a password")
    found = next((kind for stream, kind in _BY_STREAM.items() if stream in streams), None)
    if found is None:
        raise Unreadable("an office file of an unknown kind")
    return found
