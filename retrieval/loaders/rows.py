"""Rows of a table as text: cells between bars, and the row of headings again in every block of rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from retrieval.loaders.extract import Parts, one_line

Row = tuple[int, Sequence[str]]
"""Number of a row, as a person finds it in the file, and its cells."""

_BLOCK = 450
"""Characters after which a new block begins, so that every passage of a long table names its columns."""
_LOOK_FOR_HEADINGS = 10
_LONGEST_HEADINGS = 300


def add_rows(
    parts: Parts, rows: Iterable[Row], place: Callable[[int, int, int], str], *, over: str = ""
) -> None:
    """Append a table in blocks, each under the line `over`.

    `place` names a block by its first row, its last row and the number of its columns.
    """
    filled = ((number, shown) for number, cells in rows if (shown := _shown(cells)))
    first = list(islice(filled, _LOOK_FOR_HEADINGS))
    headings = _headings(first)
    for block in _blocks(chain(first, filled)):
        cells = [cells for _, cells in block]
        if headings and block[0][0] > headings[0]:
            cells.insert(0, headings[1])
        margin = min(next(at for at, cell in enumerate(row) if cell) for row in cells)
        lines = [over] * bool(over) + [" | ".join(row[margin:]) for row in cells]
        parts.add("\n".join(lines), place(block[0][0], block[-1][0], max(map(len, cells))))


def _shown(cells: Sequence[str]) -> list[str]:
    shown = [" ".join(cell.split()) for cell in cells]
    while shown and not shown[-1]:
        shown.pop()
    return shown


def _blocks(rows: Iterable[tuple[int, list[str]]]) -> Iterator[list[tuple[int, list[str]]]]:
    block: list[tuple[int, list[str]]] = []
    length = 0
    for row in rows:
        size = sum(len(cell) + 3 for cell in row[1])
        if block and length + size > _BLOCK:
            yield block
            block, length = [], 0
        block.append(row)
        length += size
    if block:
        yield block


def _headings(rows: Sequence[tuple[int, list[str]]]) -> tuple[int, list[str]] | None:
    """Return the row that names the columns: the first of the fullest ones, when it holds words only."""
    widest = max((sum(map(bool, cells)) for _, cells in rows), default=0)
    for number, cells in rows:
        if sum(map(bool, cells)) == widest:
            named = widest > 1 and not any(any(map(str.isdigit, cell[:1])) for cell in cells)
            fits = len(one_line(" | ".join(cells))) <= _LONGEST_HEADINGS
            return (number, cells) if named and fits else None
    return None
