"""Texts of word processors: docx by mammoth, odt by odfdo, rtf by striprtf."""

import re
import zipfile
from contextlib import suppress
from io import BytesIO
from typing import Any

from retrieval.loaders.extract import Extract, Unreadable, one_line
from retrieval.loaders.html import as_markdown
from retrieval.loaders.office import archive
from retrieval.loaders.text import clean, first_heading, headed
from retrieval.loaders.tree import parsed

_MARGIN = re.compile(r"word/(header|footer)\d*\.xml")
_BOLD_LINE = re.compile(r"<p><strong>([^<.:]{2,100})</strong></p>")
"""What many people write instead of a heading."""
_BULLET = re.compile(r"^ *- +", re.MULTILINE)
_CODE_PAGE = re.compile(rb"\\ansicpg(\d{3,5})")
_WORDS = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_CORE = "{http://purl.org/dc/elements/1.1/}"


def docx(raw: bytes) -> Extract:
    """Read a Word document: paragraphs, lists, tables, notes and text boxes, with the page header and footer."""
    import mammoth

    with archive(raw, of="Word document") as opened:
        if "word/document.xml" not in opened.namelist():
            raise Unreadable("not a readable Word document")
        header, footer = _margins(opened, "header"), _margins(opened, "footer")
        title = _title(opened)
    pictures = mammoth.images.img_element(lambda _: {})
    markup = mammoth.convert_to_html(BytesIO(raw), convert_image=pictures).value
    body, _ = as_markdown(_BOLD_LINE.sub(r"<h4>\1</h4>", markup))
    return _markdown("\n\n".join(filter(None, [header, body, footer])), title)


def odt(raw: bytes) -> Extract:
    """Read an OpenDocument text."""
    from odfdo import Document

    with archive(raw, of="OpenDocument text") as opened:
        if "content.xml" not in opened.namelist():
            raise Unreadable("not a readable OpenDocument text")
        if b"manifest:encryption-data" in opened.read("META-INF/manifest.xml"):
            raise Unreadable("protected by a password")
    document = Document(BytesIO(raw))
    return _markdown(_BULLET.sub("- ", str(document.to_markdown())), document.meta.title or "")


def rtf(raw: bytes) -> Extract:
    """Read rich text."""
    from striprtf import striprtf

    rtf_to_text: Any = striprtf.rtf_to_text

    declared = _CODE_PAGE.search(raw[:4096])
    encoding = f"cp{declared[1].decode()}" if declared else "cp1252"
    try:
        source = raw.decode(encoding, "replace")
    except LookupError:
        encoding = "cp1252"
        source = raw.decode(encoding, "replace")
    text = clean(rtf_to_text(source, encoding=encoding, errors="replace"))
    return Extract(re.sub(r"\n{3,}", "\n\n", text.replace("|\n", "\n").replace("|", " | ")).strip(), "word")


def _markdown(text: str, title: str) -> Extract:
    text = re.sub(r"\n{3,}", "\n\n", clean(text)).strip()
    sections = headed(text)
    return Extract(text, "word", one_line(clean(title)) or first_heading(sections), sections)


def _margins(opened: zipfile.ZipFile, place: str) -> str:
    """Return what stands in the page headers or footers, each text once."""
    texts: dict[str, None] = {}
    for name in opened.namelist():
        match = _MARGIN.fullmatch(name)
        if match and match[1] == place:
            for paragraph in parsed(opened.read(name), of="Word document").iter(f"{_WORDS}p"):
                words = "".join(text.text or "" for text in paragraph.iter(f"{_WORDS}t"))
                texts[one_line(words)] = None
    return "\n".join(filter(None, texts))


def _title(opened: zipfile.ZipFile) -> str:
    if "docProps/core.xml" not in opened.namelist():
        return ""
    with suppress(Unreadable):
        return str(
            parsed(opened.read("docProps/core.xml"), of="Word document").findtext(f".//{_CORE}title") or ""
        )
    return ""
