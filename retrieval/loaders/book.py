"""EPUB: the chapters in reading order, each read as the web page it is.

There is no well-kept library for it under a licence that all users of this package could accept.
"""

import posixpath
import zipfile
from typing import Any
from urllib.parse import unquote

from retrieval.loaders.extract import Extract, Parts, Unreadable
from retrieval.loaders.html import as_markdown
from retrieval.loaders.office import archive
from retrieval.loaders.text import clean, decode_as, first_heading, headed
from retrieval.loaders.tree import parsed

_FONTS_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def epub(raw: bytes) -> Extract:
    """Read an electronic book."""
    with archive(raw, of="EPUB book") as opened:
        _check_protection(opened)
        package = _package(opened)
        root = _xml(opened, package)
        title = root.findtext(".//{*}metadata/{*}title") or ""
        items = {item.get("id"): item for item in root.iterfind(".//{*}manifest/{*}item")}
        parts = Parts()
        for number, reference in enumerate(root.iterfind(".//{*}spine/{*}itemref"), start=1):
            item = items.get(reference.get("idref"))
            if item is not None and "nav" not in (item.get("properties") or "").split():
                _add_chapter(
                    parts, opened, posixpath.join(posixpath.dirname(package), item.get("href")), number
                )
    return parts.extract("book", clean(title))


def _add_chapter(parts: Parts, opened: zipfile.ZipFile, href: str, number: int) -> None:
    name = posixpath.normpath(unquote(href.partition("#")[0]))
    if name not in opened.namelist():
        return
    text, _ = as_markdown(decode_as(opened.read(name), "utf-8"))
    sections = headed(text)
    parts.add(text, first_heading(sections) or f"chapter {number}", sections)


def _package(opened: zipfile.ZipFile) -> str:
    rootfile = _xml(opened, "META-INF/container.xml").find(".//{*}rootfile")
    if rootfile is None or not rootfile.get("full-path"):
        raise Unreadable("not a readable EPUB book")
    return str(rootfile.get("full-path"))


def _xml(opened: zipfile.ZipFile, name: str) -> Any:
    if name not in opened.namelist():
        raise Unreadable("not a readable EPUB book")
    return parsed(opened.read(name), of="EPUB book")


def _check_protection(opened: zipfile.ZipFile) -> None:
    if "META-INF/encryption.xml" in opened.namelist():
        methods = _xml(opened, "META-INF/encryption.xml").iter("{*}EncryptionMethod")
        if any(method.get("Algorithm") not in _FONTS_ONLY for method in methods):
            raise Unreadable("protected against copying")
