"""Each format by what is particular to it: what a person sees is read, where it stands is known."""

import io
import json
import sys
import zipfile
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from odfdo import Document as OpenDocument
from odfdo import Table
from openpyxl.styles.numbers import FORMAT_PERCENTAGE_00
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from retrieval.documents import Document
from retrieval.load import Unreadable, read

DOCUMENTS = Path(__file__).parent / "documents" / "files"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/></Types>"""
RELATIONS = """<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" Target="{target}"/>
</Relationships>"""


def zipped(entries: dict[str, str]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return raw.getvalue()


def saved(made: Any) -> bytes:
    raw = io.BytesIO()
    made.save(raw)
    return raw.getvalue()


def document(raw: bytes | str, name: str) -> Document:
    return read(raw.encode() if isinstance(raw, str) else raw, name, name)


def places(found: Document) -> list[tuple[str, str]]:
    """Return the beginning of every section's text, and its location."""
    return [(found.text[one.start : one.end].strip()[:30], one.location) for one in found.sections]


def word(body: str, others: dict[str, str]) -> bytes:
    return zipped(
        {
            "[Content_Types].xml": TYPES,
            "_rels/.rels": RELATIONS.format(kind="officeDocument", target="word/document.xml"),
            "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
            **others,
        }
    )


def test_word_headings_bold_lines_and_margins() -> None:
    """Headings by style or by bold print become places; what stands in page header and footer is read once."""
    raw = word(
        '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Harbour</w:t></w:r></w:p>'
        "<w:p><w:r><w:t>The harbour was deepened in 1894.</w:t></w:r></w:p>"
        "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Lighthouse</w:t></w:r></w:p>"
        "<w:p><w:ins><w:r><w:t>It was lit in 1862.</w:t></w:r></w:ins></w:p>",
        {
            "word/styles.xml": f'<w:styles xmlns:w="{WORD}"><w:style w:type="paragraph" w:styleId="Heading1">'
            '<w:name w:val="heading 1"/></w:style></w:styles>',
            "word/header1.xml": f'<w:hdr xmlns:w="{WORD}"><w:p><w:r><w:t>Port of Aurel</w:t></w:r></w:p></w:hdr>',
            "word/header2.xml": f'<w:hdr xmlns:w="{WORD}"><w:p><w:r><w:t>Port of Aurel</w:t></w:r></w:p></w:hdr>',
        },
    )
    found = document(raw, "port.docx")
    assert found.text.startswith("Port of Aurel\n\n")
    assert found.text.count("Port of Aurel") == 1
    assert "It was lit in 1862." in found.text
    assert places(found)[-1] == ("#### Lighthouse\n\nIt was lit in", "Lighthouse")


def test_slides_with_tables_charts_groups_and_notes() -> None:
    """Everything that stands on a slide is read, in its order, and the speaker's notes."""
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Freight"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for (row, column), text in {(0, 0): "Year", (0, 1): "Tons", (1, 0): "1894", (1, 1): "40,000"}.items():
        table.cell(row, column).text = text
    chart = CategoryChartData()
    chart.categories = ["Coal", "Wheat"]
    chart.add_series("1895", (30, 12.5))
    slide.shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, Inches(3), Inches(3), chart)
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "Grouped words"
    slide.notes_slide.notes_text_frame.text = "Mention the strike."
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = "Outlook"
    found = document(saved(show), "freight.pptx")
    assert found.title == "Freight"
    for seen in (
        "Year | Tons",
        "1894 | 40,000",
        "Coal 30, Wheat 12.5",
        "Grouped words",
        "Notes: Mention the strike.",
    ):
        assert seen in found.text
    assert places(found) == [("# Freight\nYear | Tons\n1894 | 4", "slide 1"), ("# Outlook", "slide 2")]


def test_a_sheet_as_it_is_seen() -> None:
    """Percentages, thousands and dates as they stand on the screen, never rounded; hidden sheets stay hidden."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Margins"
    for row in (
        ["Quarter", "Margin", "Sales", "Closed", "Sure"],
        ["Q1", 0.1525, 1250000, date(2023, 4, 1), True],
    ):
        sheet.append(row)
    sheet["B2"].number_format = FORMAT_PERCENTAGE_00
    sheet["C2"].number_format = "#,##0"
    hidden = book.create_sheet("Salaries")
    hidden.append(["secret"])
    hidden.sheet_state = "hidden"
    found = document(saved(book), "margins.xlsx")
    assert (
        found.text
        == "Margins\nQuarter | Margin | Sales | Closed | Sure\nQ1 | 15.25% | 1,250,000 | 2023-04-01 | TRUE"
    )
    assert places(found)[0][1] == "Margins!A1:E2"


def test_a_long_table_names_its_columns_again_and_again() -> None:
    """Every block of rows begins with the row of headings, in a workbook as in a csv file."""
    rows = ["name;born;town", *(f"Person {number};{1900 + number};Town {number}" for number in range(99))]
    found = document("\n".join(rows), "people.csv")
    blocks = [found.text[one.start : one.end] for one in found.sections]
    assert len(blocks) > 3
    assert all(block.startswith("name | born | town\n") for block in blocks)
    assert found.sections[0].location.startswith("lines 1-")
    assert "Person 98 | 1998 | Town 98" in blocks[-1]
    last = found.sections[-1].location
    assert rows[int(last.rpartition("-")[2]) - 1].startswith("Person 98")


def test_open_document_sheets_are_read() -> None:
    """Other spreadsheets come through calamine, with the same places."""
    made = OpenDocument("spreadsheet")
    made.body.clear()
    table = Table("Ships")
    table.set_values([["ship", "tons"], ["Hesper", 120]])
    made.body.append(table)
    found = document(saved(made), "ships.ods")
    assert (found.kind, found.text) == ("sheet", "Ships\nship | tons\nHesper | 120")
    assert found.sections[0].location == "Ships!A1:B2"


def test_a_letter_with_letters_and_files_in_it() -> None:
    """Attachments are read like files of their own; what cannot be read is at least named."""
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "The lamp", "keeper@example.org"
    inner.set_content("The lamp needs oil.")
    letter = EmailMessage()
    letter["Subject"], letter["From"] = "Forwarded: Wünsche", "harbour@example.org"
    letter.add_alternative("<p>Please see the <b>letter</b> below.</p>", subtype="html")
    letter.add_attachment(inner)
    letter.add_attachment("a;b\n1;2\n", subtype="csv", filename="table.csv")
    letter.add_attachment(b"\x89PNG\r\n", maintype="image", subtype="png", filename="photo.png")
    found = document(bytes(letter), "letter.eml")
    assert found.title == "Forwarded: Wünsche"
    assert "Please see the letter below." in found.text
    assert "The lamp needs oil." in found.text
    assert "a | b\n1 | 2" in found.text
    assert "Attachment photo.png (an image)" in found.text
    assert [place for _, place in places(found)] == [
        "message",
        "attachment message.eml",
        "attachment table.csv",
        "attachment photo.png",
    ]


def test_letters_within_letters_end_somewhere() -> None:
    """A matryoshka of letters is read some way down."""
    letter = EmailMessage()
    letter.set_content("The innermost.")
    for number in range(30):
        outer = EmailMessage()
        outer["Subject"] = f"Level {number}"
        outer.set_content(f"This is level {number}.")
        outer.add_attachment(letter)
        letter = outer
    text = document(bytes(letter), "deep.eml").text
    assert "This is level 28." in text
    assert "letters within letters" in text
    assert "The innermost." not in text


def test_a_book_in_reading_order() -> None:
    """Chapters come in the order of the spine, under their headings; copy protection is told."""
    container = '<container><rootfiles><rootfile full-path="text/book.opf"/></rootfiles></container>'
    package = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
    <dc:title>Of Lamps</dc:title></metadata><manifest><item id="a" href="b.xhtml"/><item id="b" href="a%20a.xhtml"/>
    <item id="n" href="n.xhtml" properties="nav"/></manifest>
    <spine><itemref idref="n"/><itemref idref="b"/><itemref idref="a"/></spine></package>"""
    entries = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container,
        "text/book.opf": package,
        "text/a a.xhtml": "<html><body><h1>Oil</h1><p>Whale oil.</p></body></html>",
        "text/b.xhtml": "<html><body><p>No heading, but gas.</p></body></html>",
        "text/n.xhtml": "<html><body><p>Contents</p></body></html>",
    }
    found = document(zipped(entries), "lamps.epub")
    assert (found.title, found.text) == ("Of Lamps", "# Oil\n\nWhale oil.\n\nNo heading, but gas.")
    assert [place for _, place in places(found)] == ["Oil", "chapter 3"]
    locked = (
        '<encryption><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></encryption>'
    )
    with pytest.raises(Unreadable, match="protected against copying"):
        document(zipped({**entries, "META-INF/encryption.xml": locked}), "locked.epub")


def test_a_notebook_of_the_third_version_and_a_broken_one() -> None:
    """Old notebooks keep their cells in worksheets; what is no notebook says so."""
    old = {
        "worksheets": [{"cells": [{"cell_type": "code", "input": ["1 + 1"], "outputs": [{"text": ["2"]}]}]}]
    }
    assert document(json.dumps(old), "old.ipynb").text == "```\n1 + 1\n```\n\n2"
    with pytest.raises(Unreadable, match="not a readable notebook"):
        document('{"cells": 7}', "broken.ipynb")


def test_json_written_for_machines_gets_lines() -> None:
    """One endless line is set out, so that it can be cut where it has parts."""
    found = document(json.dumps([{"name": f"name {number}"} for number in range(200)]), "long.json")
    assert '  "name": "name 7"\n' in found.text
    assert document('{"a": 1}', "short.json").text == '{"a": 1}'


def test_xml_that_is_not_well_formed_is_still_text() -> None:
    """A missing end tag does not make a file unreadable."""
    assert document("<a><b>words", "broken.xml").text == "<a><b>words"
    assert (
        document("<a><p>Some <i>mixed</i> words.</p><b c='d'/></a>", "mixed.xml").text
        == "a\n  p: Some mixed words.\n  b (c d)"
    )


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("a.py", "import os\n\n\n@cache\nclass Lamp:\n    def light(self):\n        pass\n\n\ndef main():\n    pass\n", ["Lamp, line 5", "Lamp.light, line 6", "main, line 10"]),
        ("old.py", "class Lamp:\n    def light(self):\n        print 'it'\n", ["Lamp, line 1", "Lamp.light, line 2"]),
        ("a.go", "package a\n\n// Light it.\nfunc (l *Lamp) Light(oil int) error {\n\treturn nil\n}\n\ntype Lamp struct {\n}\n", ["Light, line 4", "Lamp, line 8"]),
        ("a.rs", "pub struct Lamp;\n\nimpl Lamp {\n    pub fn light(&self) {\n        burn();\n    }\n}\n", ["Lamp, line 1", "Lamp, line 3", "Lamp.light, line 4"]),
        ("a.ts", "export interface Lamp { oil: number }\nexport async function light(lamp: Lamp) {\n  return burn(lamp);\n}\n", ["Lamp, line 1", "light, line 2"]),
        ("a.java", "public class Lamp {\n    public static void main(String[] args) {\n        light();\n    }\n}\n", ["Lamp, line 1", "Lamp.main, line 2"]),
        ("a.c", "#include <x.h>\n\nstatic int\nlight(int oil)\n{\n  return burn(oil);\n}\n", ["light, line 4"]),
    ],
)  # fmt: skip
def test_source_code_is_placed_by_its_definitions(name: str, source: str, found: list[str]) -> None:
    """A passage of code is found under the name of what it defines, comments and decorators included."""
    made = document(source, name)
    assert (made.kind, made.text) == ("code", source)
    assert [one.location for one in made.sections if one.location != "line 1"] == found
    assert "".join(source[one.start : one.end] for one in made.sections) == source


def test_a_page_full_of_links_is_cut_to_its_main_part() -> None:
    """Menus go, the article stays; a page that is a list of links stays as it is."""
    menu = "".join(f'<li><a href="/{n}">Menu entry number {n}</a></li>' for n in range(60))
    words = " ".join(f"The canal has lock {n} near the town of Hesk." for n in range(12))
    page = (
        f"<html><body><div><ul>{menu}</ul></div><article><h1>Locks</h1><p>{words}</p></article></body></html>"
    )
    index = f"<html><body><h1>Index</h1><ul>{menu}</ul></body></html>"
    assert "Menu entry number 7" not in document(page, "page.html").text
    assert "The canal has lock 11 near" in document(page, "page.html").text
    assert "Menu entry number 7" in document(index, "index.html").text


def test_what_is_hidden_on_a_page_is_not_read() -> None:
    """Scripts, styles, hidden elements and menus are not what a person sees; pictures have their words."""
    page = """<html><body><nav>Home</nav><p style="display: none">unseen</p><p hidden>unseen</p><style>p {}</style>
    <p>10<sup>6</sup> lamps <img src="x" alt="in a row"></p><table><tr><td>Only</td></tr></table></body></html>"""
    assert document(page, "page.html").text == "10^6 lamps in a row\n\nOnly"


def test_deep_nesting_is_no_way_to_break_a_reader() -> None:
    """Thousands of elements in one another end as text or as a reason."""
    assert document("[" * 100_000, "a.json").text == "[" * 100_000
    with pytest.raises(Unreadable, match="unreadable: RecursionError"):
        document("<div>" * 5000 + "deep" + "</div>" * 5000, "a.html")


@pytest.mark.parametrize(
    ("raw", "name", "kind"),
    [
        (b"{\\rtf1 words}", "letter.doc", "word"),
        (b"%PDF-1.4 nothing", "paper.txt", None),
        (b"<!DOCTYPE html><p>words</p>", "page.unknown", "html"),
        (b"<?xml version='1.0'?><a>words</a>", "feed.unknown", "data"),
        (b"plain words in a strange coat", "notes.msg", "text"),
        (b"words", "Makefile", "code"),
        (b"words", "LICENSE", "text"),
        (b"key: words", "settings.yaml", "text"),
        (b"PK\x03\x04", "paper.docx", None),
        (b"words", "paper.docx", None),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old.doc", None),
        (b"words", "photo.jpg", None),
    ],
)
def test_content_decides_where_the_name_is_wrong(raw: bytes, name: str, kind: str | None) -> None:
    """First bytes tell the format; a wrong suffix is no reason to give up, nor to crash."""
    if kind is None:
        with pytest.raises(Unreadable):
            document(raw, name)
    else:
        assert document(raw, name).kind == kind


def test_readers_do_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    """What parsers think of other people's files is not said in the user's program."""
    assert document("x = '\\d'\n", "escape.py").kind == "code"
    assert not recwarn.list


def test_an_old_word_file_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the heavy library the reason names two ways out; with it the file is tried."""
    raw = (DOCUMENTS / "password_protected.xlsx").read_bytes()
    entry = "EncryptedPackage".encode("utf-16-le").ljust(64, b"\0") + (34).to_bytes(2, "little")
    named = "WordDocument".encode("utf-16-le").ljust(64, b"\0") + (26).to_bytes(2, "little")
    assert entry in raw
    with pytest.raises(Unreadable, match="unreadable: "):
        document(raw.replace(entry, named), "old.doc")
    monkeypatch.setitem(sys.modules, "kreuzberg", None)
    with pytest.raises(
        Unreadable, match=r"save it in today's format, or pip install 'agent-graph\[documents\]'"
    ):
        document(raw.replace(entry, named), "old.doc")
