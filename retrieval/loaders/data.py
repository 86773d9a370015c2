"""Data meant for programs: notebooks cell by cell, XML by its names, JSON as it stands."""

import json
from collections.abc import Iterator
from typing import Any

from retrieval.documents import Section
from retrieval.loaders.extract import Extract, Parts, Unreadable, one_line
from retrieval.loaders.text import clean, decode, first_heading, headed
from retrieval.loaders.tree import parsed

_LONG_LINE = 2000
"""Characters of a line beyond which JSON was written for machines only and is set out anew."""
_LONGEST_OUTPUT = 4000


def notebook(raw: bytes) -> Extract:
    """Read a Jupyter notebook: text, code and the text that its cells put out."""
    try:
        kept = json.loads(decode(raw))
        cells = (
            kept["cells"]
            if "cells" in kept
            else [one for sheet in kept["worksheets"] for one in sheet["cells"]]
        )
        about = kept.get("metadata") or {}
        if not all(isinstance(cell, dict) for cell in cells):
            raise TypeError(cells)
        language = str((about.get("language_info") or {}).get("name") or "")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Unreadable("not a readable notebook") from error
    parts, title = Parts(), str(about.get("title") or "")
    for number, cell in enumerate(cells, start=1):
        text = clean(_joined(cell.get("source", cell.get("input", ""))))
        if cell.get("cell_type") == "code":
            outputs = (clean(_output(output)).strip() for output in cell.get("outputs") or ())
            text = "\n\n".join(
                filter(None, [f"```{language}\n{text}\n```" if text.strip() else "", *outputs])
            )
        else:
            title = title or first_heading(headed(text))
        parts.add(text, f"cell {number}")
    return parts.extract("notebook", clean(title))


def _joined(source: Any) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _output(output: dict[str, Any]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        text = _joined(output.get("text", ""))
    elif kind in ("error", "pyerr"):
        text = f"{output.get('ename', '')}: {output.get('evalue', '')}"
    else:
        shown = output.get("data") or output
        text = _joined(shown.get("text/markdown") or shown.get("text/plain") or shown.get("text") or "")
    return text[:_LONGEST_OUTPUT]


def structured(raw: bytes) -> Extract:
    """Read JSON, JSON lines or another notation as it stands; what has no lines gets some."""
    text = decode(raw)
    if max(map(len, text.split("\n")), default=0) <= _LONG_LINE:
        return Extract(text, "data")
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except (ValueError, RecursionError):
        return Extract(text, "data")
    return Extract(clean(text), "data", sections=(Section(0, len(text), ""),))


def xml(raw: bytes) -> Extract:
    """Read XML: one line "name: text" per element, set in by depth; places are lines of the file."""
    try:
        root = parsed(raw, of="XML file")
    except Unreadable:
        return Extract(decode(raw), "data")  # not well formed: still text
    parts = Parts("\n")
    for line, text in _lines(root, 0):
        parts.add(clean(text), f"line {line}")
    return parts.extract("data", one_line(clean(root.findtext("{*}title") or "")))


def _lines(element: Any, depth: int) -> Iterator[tuple[int, str]]:
    if not isinstance(element.tag, str):
        return
    name = element.tag.rpartition("}")[2]
    given = ", ".join(f"{key.rpartition('}')[2]} {value}" for key, value in element.attrib.items())
    label = "  " * depth + (f"{name} ({given})" if given else name)
    mixed = any((child.tail or "").strip() for child in element)
    text = one_long_line("".join(element.itertext())) if mixed or not len(element) else ""
    own = one_long_line(element.text or "")
    yield element.sourceline or 0, f"{label}: {text or own}" if text or own else label
    if not mixed:
        for child in element:
            yield from _lines(child, depth + 1)


def one_long_line(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())
