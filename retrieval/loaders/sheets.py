"""Tables: xlsx by openpyxl, older and other spreadsheets by calamine, csv by the standard library."""

import csv
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO, StringIO
from typing import Any

from retrieval.loaders.extract import Extract, Parts, Unreadable
from retrieval.loaders.office import archive
from retrieval.loaders.rows import Row, add_rows
from retrieval.loaders.text import clean, decode

_SNIFFED = 16_384
_LONGEST_CELL = 2**20
_MIDNIGHT = time(0)


def delimited(raw: bytes) -> Extract:
    """Read a csv or tsv file, whatever stands between its cells; places are lines of the file."""
    text = decode(raw)
    parts = Parts("\n\n")
    csv.field_size_limit(_LONGEST_CELL)
    try:
        add_rows(parts, _records(text), lambda first, last, _: _lines(first, last))
    except csv.Error:
        return Extract(text, "sheet")  # not well formed: still text
    return parts.extract("sheet")


def xlsx(raw: bytes) -> Extract:
    """Read an Excel workbook: the values of its visible sheets as they were last computed."""
    import openpyxl

    with archive(raw, of="Excel workbook"):
        pass
    try:
        book = openpyxl.load_workbook(BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    except (KeyError, ValueError, TypeError) as error:
        raise Unreadable("not a readable Excel workbook") from error
    parts = Parts()
    try:
        for sheet in book.worksheets:
            if sheet.sheet_state == "visible":
                sheet.reset_dimensions()  # what a file declares about its size is often wrong
                _add_sheet(parts, str(sheet.title), _cells(sheet))
        title = str(book.properties.title or "")
    finally:
        book.close()
    return parts.extract("sheet", clean(title))


def spreadsheet(raw: bytes) -> Extract:
    """Read an xls, xlsb or ods workbook: the values of its visible sheets."""
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_filelike(BytesIO(raw))
    except calamine.PasswordError as error:
        raise Unreadable("protected by a password") from error
    except calamine.CalamineError as error:
        raise Unreadable("not a readable spreadsheet") from error
    parts = Parts()
    for about in book.sheets_metadata:
        shown = about.visible == calamine.SheetVisibleEnum.Visible
        if shown and about.typ == calamine.SheetTypeEnum.WorkSheet:
            rows = book.get_sheet_by_name(about.name).to_python(skip_empty_area=False)
            _add_sheet(
                parts,
                about.name,
                ((number, [_shown(cell) for cell in row]) for number, row in enumerate(rows, 1)),
            )
    return parts.extract("sheet")


def _add_sheet(parts: Parts, name: str, rows: Iterator[Row]) -> None:
    def place(first: int, last: int, width: int) -> str:
        return f"{name}!A{first}:{_column(width)}{last}"

    add_rows(parts, rows, place, over=clean(name))


def _cells(sheet: Any) -> Iterator[Row]:
    for number, row in enumerate(sheet.iter_rows(), start=1):
        yield number, [_shown(cell.value, str(cell.number_format or "")) for cell in row]


def _shown(value: Any, shape: str = "") -> str:
    """Return a value as Excel shows it, but never rounded."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number(value, shape)
    if isinstance(value, datetime):
        return str(value.date() if value.time() == _MIDNIGHT else value.replace(microsecond=0))
    if isinstance(value, date | time | timedelta):
        return str(value)
    return clean(str(value))


def _number(value: float, shape: str) -> str:
    if "%" in shape:
        return f"{value * 100:.12g}%"
    exact = int(value) if float(value).is_integer() and abs(value) < 1e15 else value
    if isinstance(exact, int):
        return f"{exact:,}" if "#,##" in shape else str(exact)
    return f"{exact:.15g}"


def _column(number: int) -> str:
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _records(text: str) -> Iterator[Row]:
    try:
        dialect: Any = csv.Sniffer().sniff(text[:_SNIFFED], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    reader = csv.reader(StringIO(text, newline=""), dialect)
    line = 1
    for cells in reader:
        yield line, cells
        line = reader.line_num + 1


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"
