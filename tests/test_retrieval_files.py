"""Files of all kinds and encodings become documents, or are skipped with a reason."""

import os
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest

from retrieval import Knowledge, open_knowledge
from retrieval.errors import DocumentMissing
from retrieval.load import Unreadable, load

DOCUMENTS = Path(__file__).parent / "documents" / "files"
HTML = """<!DOCTYPE html><html><head><title>The Aurel canal</title></head><body>
<nav><a href="/">Home</a> <a href="/shop">Shop</a></nav>
<article><h1>The Aurel canal</h1><p>The canal was dug between 1811 and 1817 by prisoners of war.</p>
<h2>Locks</h2><p>It has nineteen locks, the deepest of which falls eleven metres.</p>
<table><tr><th>Lock</th><th>Depth</th></tr><tr><td>Hesk</td><td>11 m</td></tr></table></article>
<script>track("visitor")</script></body></html>"""


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path / "knowledge") as opened:
        yield opened


def read(file: Path) -> str:
    return load(file, file.name, max_bytes=10**6).text


def test_a_pdf_passage_names_its_page(knowledge: Knowledge, tmp_path: Path) -> None:
    """The page of a PDF is the location of its passages."""
    file = tmp_path / "two-pages.pdf"
    with pypdfium2.PdfDocument.new() as joined:
        joined.new_page(595, 842).close()
        with pypdfium2.PdfDocument(DOCUMENTS / "pdf__fake-memo.pdf") as memo:
            joined.import_pages(memo)
        joined.save(file)
    knowledge.ingest(file)
    passage = knowledge.search("twenty thousand bottles of water and blankets", k=1)[0].passage
    assert "20,000 bottles of water" in passage.text
    assert (passage.kind, passage.location) == ("pdf", "page 2")


def test_a_page_of_html_is_its_article(knowledge: Knowledge, tmp_path: Path) -> None:
    """Navigation and scripts stay out, headings and tables stay in, the title comes from the page."""
    file = tmp_path / "canal.html"
    file.write_text(HTML)
    document = load(file, "canal.html", max_bytes=10**6)
    knowledge.ingest(file)
    hit = knowledge.search("how many locks", k=1)[0]
    assert document.title == "The Aurel canal"
    assert "track" not in document.text
    assert "Hesk" in document.text
    assert [section.location for section in document.sections][-1] == "Locks"
    assert "nineteen locks" in hit.passage.text


def test_a_fragment_of_html_is_read_too(tmp_path: Path) -> None:
    """HTML without its outer elements is still text."""
    file = tmp_path / "piece.html"
    file.write_text("<h3>Annual report for the year 1924</h3>")
    assert "Annual report" in read(file)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-16-le", "utf-16-be"]
)
def test_western_text_is_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    """Accents and typographic signs survive, with or without a byte order mark."""
    text = "L'été était très chaud à Besançon. El niño comió paella con ñoquis “ricos” por 3,50 €."
    file = tmp_path / "text.txt"
    file.write_bytes(text.encode(encoding))
    assert read(file) == text


def test_english_in_utf_16_without_a_mark_is_text(tmp_path: Path) -> None:
    """Every second byte is zero and still it is no binary file; one stray NUL makes none either."""
    (tmp_path / "plain.txt").write_bytes("The ferry leaves at nine. ".encode("utf-16-le") * 20)
    (tmp_path / "stray.txt").write_bytes(b"The ferry leaves at nine, says the log.\x00")
    assert read(tmp_path / "plain.txt").startswith("The ferry leaves at nine.")
    assert read(tmp_path / "stray.txt").endswith("log.")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Съешь же ещё этих мягких французских булок, да выпей чаю"),
        ("koi8-r", "Съешь же ещё этих мягких французских булок, да выпей чаю"),
        ("cp932", "名前,年齢,住所\n渡辺健二,41,名古屋\n山口明子,28,札幌"),
        ("euc-jp", "名前,年齢,住所\n渡辺健二,41,名古屋\n山口明子,28,札幌"),
        ("gb18030", "港口在一八九四年加深了，灯塔在一八六二年点亮。"),
        ("big5", "港口在一八九四年加深了，燈塔在一八六二年點亮。"),
        ("cp949", "항구는 1894년에 깊어졌고 등대는 1862년에 켜졌다."),
        ("cp1253", "Το λιμάνι βάθυνε το 1894 και ο φάρος άναψε το 1862."),
        ("cp1250", "Přístav byl prohlouben roku 1894 a maják svítí od roku 1862. Žluťoučký kůň."),
        ("utf-16-le", "港口在一八九四年加深了，灯塔在一八六二年点亮。" * 4),
    ],
)
def test_other_scripts_are_read_in_their_old_encodings(tmp_path: Path, encoding: str, text: str) -> None:
    """Code pages of other scripts are recognised by their letters."""
    (tmp_path / "text.txt").write_bytes(text.encode(encoding))
    assert read(tmp_path / "text.txt") == text


def test_html_in_a_windows_code_page_keeps_its_accents() -> None:
    """The page says nothing about its encoding; the letters do."""
    assert "été était très chaud" in read(DOCUMENTS / "fake-html-cp1252.html")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.txt", b"", "empty"),
        ("blank.md", b" \n\t\n", "empty"),
        ("noise.txt", bytes(range(256)) * 8, "binary"),
        ("zeros.txt", b"text\x00\x00\x00\x01more", "binary"),
        ("noise.unknown", bytes(range(256)) * 8, "binary"),
        ("table.xlsx", b"PK\x03\x04", "not a readable Excel workbook"),
        ("photo.jpeg", b"words", "an image"),
        ("songs.tar.gz", b"words", "an archive; unpack it and ingest its files"),
        ("broken.pdf", b"%PDF-1.7 and then nothing", "not a readable PDF"),
        ("nothing.html", b"<html><body></body></html>", "empty"),
        ("large.txt", b"x" * 2_000_000, "too large"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """Each unreadable file has its own reason."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unreadable, match=reason):
        read(tmp_path / name)


def test_a_protected_pdf_is_skipped_and_the_others_are_not(knowledge: Knowledge) -> None:
    """One bad file does not stop the rest, and the report names it."""
    report = knowledge.ingest(
        [DOCUMENTS / "pdf__password.pdf", DOCUMENTS / "pdf__fake-memo.pdf"], root=DOCUMENTS
    )
    told = {entry.document: (entry.status, entry.reason) for entry in report.entries}
    assert told == {
        "pdf__password.pdf": ("skipped", "protected by a password"),
        "pdf__fake-memo.pdf": ("ingested", ""),
    }


def test_a_named_pipe_does_not_hang_the_ingest(knowledge: Knowledge, tmp_path: Path) -> None:
    """Only regular files are opened."""
    os.mkfifo(tmp_path / "pipe.txt")
    assert knowledge.ingest(tmp_path / "pipe.txt").skipped[0].reason == "not a regular file"


@pytest.mark.parametrize("path", ["nowhere.txt", "no/such/folder", "*.nothing"])
def test_a_path_that_leads_nowhere_is_an_error(knowledge: Knowledge, tmp_path: Path, path: str) -> None:
    """A misspelt path is told before anything is read."""
    (tmp_path / "there.txt").write_text("The ferry leaves at nine.")
    with pytest.raises(DocumentMissing, match="Check the"):
        knowledge.ingest([tmp_path / "there.txt", tmp_path / path])
    assert knowledge.count() == 0


def test_an_empty_folder_is_told_in_the_report(knowledge: Knowledge, tmp_path: Path) -> None:
    """Nothing to ingest is no error, but it is not ok either."""
    (tmp_path / "hollow").mkdir()
    report = knowledge.ingest(tmp_path / "hollow")
    assert not report.ok
    assert str(report).startswith("There are no files to ingest in")


def test_folders_globs_and_files_may_overlap(knowledge: Knowledge, tmp_path: Path) -> None:
    """Each file is read once, hidden ones and the knowledge's own folder are left out."""
    for name in ("a.txt", "deep/b.txt", ".hidden/c.txt", ".d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"This is {name}.")
    report = knowledge.ingest([tmp_path, str(tmp_path / "**" / "*.txt"), tmp_path / "a.txt"], root=tmp_path)
    assert [entry.document for entry in report.entries] == ["a.txt", "deep/b.txt"]
