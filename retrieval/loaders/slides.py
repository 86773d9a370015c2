"""PowerPoint slides by python-pptx: titles, text, tables, charts, diagrams and the speaker's notes."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from retrieval.loaders.extract import Extract, Parts, Unreadable
from retrieval.loaders.office import archive
from retrieval.loaders.text import clean
from retrieval.loaders.tree import parsed

_TEXT = "{http://schemas.openxmlformats.org/drawingml/2006/main}t"
_DEEPEST = 20


def pptx(raw: bytes) -> Extract:
    """Read a presentation, slide by slide."""
    from pptx import Presentation
    from pptx.exc import PackageNotFoundError

    with archive(raw, of="presentation"):
        pass
    try:
        shown = Presentation(BytesIO(raw))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        raise Unreadable("not a readable presentation") from error
    parts, title = Parts(), clean(shown.core_properties.title or "")
    for number, slide in enumerate(shown.slides, start=1):
        head = slide.shapes.title
        name = clean(head.text_frame.text).replace("\v", " ") if head is not None else ""
        title = title or name
        lines = [clean(line) for line in _slide(slide, head)]
        parts.add(
            "\n".join(filter(str.strip, [f"# {name}" if name.strip() else "", *lines])), f"slide {number}"
        )
    return parts.extract("slides", title)


def _slide(slide: Any, head: Any) -> Iterator[str]:
    for shape in slide.shapes:
        if head is None or shape.shape_id != head.shape_id:
            yield from _shape(shape, 0)
    for relation in slide.part.rels.values():
        if relation.reltype.endswith("/diagramDrawing") and not relation.is_external:
            yield from _diagram(relation.target_part.blob)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        yield f"Notes: {notes}" if notes else ""


def _shape(shape: Any, depth: int) -> Iterator[str]:
    inner = getattr(shape, "shapes", None)
    if inner is not None and depth < _DEEPEST:
        for one in inner:
            yield from _shape(one, depth + 1)
    elif getattr(shape, "has_table", False):
        for row in shape.table.rows:
            yield " | ".join(" ".join(cell.text.split()) for cell in row.cells)
    elif getattr(shape, "has_chart", False):
        yield from _chart(shape.chart)
    elif shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:
            yield "  " * paragraph.level + paragraph.text.replace("\v", "\n")


def _chart(chart: Any) -> Iterator[str]:
    if chart.has_title and chart.chart_title.has_text_frame:
        yield chart.chart_title.text_frame.text
    for plot in chart.plots:
        names = [str(category) for category in plot.categories]
        for series in plot.series:
            values = [
                f"{name} {value:g}"
                for name, value in zip(names, series.values, strict=False)
                if value is not None
            ]
            yield f"{series.name}: {', '.join(values)}"


def _diagram(blob: bytes) -> Iterator[str]:
    yield from (text.text or "" for text in parsed(blob, of="presentation").iter(_TEXT))
