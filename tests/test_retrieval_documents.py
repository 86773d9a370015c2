"""Fifty awkward documents of real life: each ends with the right verdict, and what a person sees in it is read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from retrieval import Knowledge, open_knowledge
from retrieval.load import Unreadable, load
from retrieval.reading import Reading

FILES = Path(__file__).parent / "documents" / "files"
DATA = os.environ.get("AGENT_GRAPH_BENCH_DATA", "")
LARGE = ("pdf__layout-parser-paper-fast.pdf", "pdf__multi-column-2p.pdf", "pdf__single_table.pdf")
"""Documents of the same collection that are too large to be kept here; they are tested where the data is."""

FAVOURITE = [
    "These are a few of my favorite things:",
    "Parrots",
    "Hockey",
    "Analysis",
    "This is my third thought.",
    "DOYLESTOWN, PA 18901",
]
CUPS = ["Stanley Cups", "Team | Location | Stanley Cups", "Blues | STL | 1", "Maple Leafs | TOR | 13"]
PLAIN = [
    "This is a test document to use for unit tests.",
    "Doylestown, PA 18901",
    "Hamburgers are delicious",
    "I love fuzzy blankets",
]
LETTER = [
    "Subject: Test Email",
    "From: Matthew Robinson <mrobinson@unstructured.io>",
    "Fri, 16 Dec 2022 17:04:16 -0500",
    "Roses are red",
    "Violets are blue",
]
RECORDS = ["These are a few of my favorite things:", "Parrots", "Hockey"]

READ: dict[str, tuple[str, list[str]]] = {
    "README.md": ("markdown", ["## Example Docs", "A 10-K SEC filing in HTML format"]),
    "README.rst": ("text", ["Example Docs", "You can parse this document using the HTML parser."]),
    "book-war-and-peace-1p.txt": ("text", ["CHAPTER I", "Anna Pavlovna"]),
    "codeblock.md": ("markdown", ["## XML Example", "<h1>Hello, World!</h1>"]),
    "docx-tables.docx": ("word", ["| Lorem ipsum | A link example |", "| d | e f; g&t h | i |", "Table with merged cells"]),
    "eml__fake-email-malformed-encoding.eml": ("email", LETTER),
    "eml__mime-multi-to-cc-bcc.eml": ("email", ["Sue <sue@example.com>", "Cc: Tom", "Mary", "This is a plain-text message."]),
    "factbook.xml": ("data", ["capital: Washington, DC", "name: Trinidad & Tobado"]),
    "fake-doc.rtf": ("word", ["My First Heading", "Column 1 | Column 2", "Row 2, Cell 1 | Row 2, Cell 2"]),
    "fake-email-attachment.msg": (
        "email",
        ["Subject: Fake email with attachment", "mallori@unstructured.io", "and is a quick read", "this is a fake attachment!"],
    ),
    "fake-email.eml": ("email", [*LETTER, "NotMatthew@notunstructured.com"]),
    "fake-html-cp1252.html": ("html", ["# My First Heading", "L'été était très chaud", "25,75 €", "ñoquis", "ótimo"]),
    "fake-html-lang-de.html": ("html", ["Jahresabschluss zum Geschäftsjahr vom 01.01.2020"]),
    "fake-html.html": ("html", ["# My First Heading", "the cow comes home", "- With sub-bullets!", "| Row 2, Cell 1 | Row 2, Cell 2 |"]),
    "fake-text-utf-16.txt": ("text", PLAIN),
    "fake-text-utf-32.txt": ("text", PLAIN),
    "fake-text.txt": ("text", PLAIN),
    "fake_table.docx": ("word", ["| Lorem ipsum | A Link example |", "Dolor sit amet"]),
    "handbook-1p.docx": ("word", ["US Trustee Handbook", "A. PURPOSE", "28 U.S.C. § 586(b)", "daytoday administration", "Copyright"]),
    "ideas-page.html": ("html", ["January 2023", "The way to get new ideas is to notice anomalies", "whole new fractal buds"]),
    "pdf__embedded-cmap-cidfont.pdf": ("pdf", ["Heading in Helvetica", "This text uses an embedded CMap"]),
    "pdf__fake-memo.pdf": ("pdf", ["May 5, 2023", "20,000 bottles of water, 10,000 blankets", "Mallori"]),
    "pdf__layout-parser-paper-fast.pdf": (
        "pdf",
        ["A Unified Toolkit for Deep", "Zejiang Shen", "shannons@allenai.org", "state-of-the-art", "large-scale digitization"],
    ),
    "pdf__multi-column-2p.pdf": (
        "pdf",
        ["Dense Passage Retrieval", "Vladimir Karpukhin", "a simple dual-encoder framework", "Lucene-BM25 system", "3.1 Overview"],
    ),
    "rotated-page-90.pdf": ("pdf", ["Hello World Test Text\nSecond line of text here\nRotated page fixture"]),
    "semicolon-delimited.csv": ("sheet", ["Lorem, ipsum | dolor sit | amet", "Ut enim | ad minim | veniam, quis"]),
    "simple-table.md": ("markdown", ["Juicy Apples | 1.99 | 739"]),
    "simple.docx": ("word", FAVOURITE),
    "simple.json": ("data", RECORDS),
    "simple.ndjson": ("data", RECORDS),
    "simple.odt": ("word", FAVOURITE),
    "simple.pptx": ("slides", ["# Title Slide", "With a subtitle", "Where have all the flowers gone?"]),
    "stanley-cups-utf-16.csv": ("sheet", CUPS),
    "stanley-cups.csv": ("sheet", CUPS),
    "stanley-cups.xlsx": ("sheet", [*CUPS, "Stanley Cups Since 67", "Maple Leafs | TOR | 0"]),
    "test.epub": ("book", ["Chapter 1: Test Content", "- A bullet point", "This is a blockquote for testing."]),
    "test_mskanji.csv": ("sheet", ["名前 | 年齢 | 住所", "髙橋淳 | 35 | 名古屋"]),
    "test_notebook.ipynb": ("notebook", ["# Test Notebook", 'print("markitdown")', "# comment in code", "42", "End"]),
    "umlauts-non-utf8.md": ("markdown", ["## können", "äöüß"]),
    "umlauts-utf8.md": ("markdown", ["## können", "äöüß"]),
    "vodafone.xlsx": ("sheet", ["Quarterly revenue | Nine quarters to 30 June 2023", "Guidance rates | FY 23/24"]),
}  # fmt: skip
"""Name to kind and to what a person sees in the document."""

SKIPPED = {
    "eml__empty.eml": "empty",
    "empty.txt": "empty",
    "empty.xlsx": "empty",
    "fake-text-all-whitespace.txt": "empty",
    "password_protected.xlsx": "protected by a password",
    "pdf__password.pdf": "protected by a password",
    "pdf__single_table.pdf": "no text in it; scanned pages need OCR first",
    "random.bin": "binary, not text",
    "simple.zip": "an archive; unpack it and ingest its files",
}

LOCATED = {
    "README.rst": ("parse this document using the HTML parser", "XBRL 10-K"),
    "book-war-and-peace-1p.txt": ("It was in July, 1805", "line 11"),
    "factbook.xml": ("Joe Biden", "lines 2-25"),
    "fake-email-attachment.msg": ("fake attachment!", "attachment fake-attachment.txt"),
    "fake-html.html": ("Row 2, Cell 1", "A Third Heading"),
    "pdf__fake-memo.pdf": ("bottles of water", "page 1"),
    "simple.pptx": ("Who do you think you are?", "slides 1-2"),
    "stanley-cups.csv": ("Flyers", "lines 1-5"),
    "stanley-cups.xlsx": ("TOR | 0", "Stanley Cups Since 67!A1:C5"),
    "test_notebook.ipynb": ("print(42)", "cells 1-5"),
    "umlauts-utf8.md": ("können", "können"),
    "vodafone.xlsx": ("FY 23/24", "Index!A20:F25"),
}
"""Words of a document, and where the passage that holds them says it stands."""


def path_of(name: str) -> Path:
    """Return where a document is; skips the test where it is not."""
    if name not in LARGE:
        return FILES / name
    file = Path(DATA, "documents", name)
    if not DATA or not file.is_file():
        pytest.skip("needs the folder that AGENT_GRAPH_BENCH_DATA names")
    return file


class Counted(Embeddings):
    """Embeddings that count what they are asked for."""

    name = "counted"

    def __init__(self) -> None:
        self.texts = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += len(texts)
        return [[1.0, float(len(text)), 0.5] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, float(len(text)), 0.5]


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path_factory.mktemp("knowledge"), embeddings=Counted()) as opened:
        opened.ingest(FILES, root=FILES)
        yield opened


def test_the_table_names_every_document() -> None:
    """Fifty documents have a verdict, and all small ones are here."""
    assert len(READ) + len(SKIPPED) == 50
    assert {file.name for file in FILES.iterdir()} == {*READ, *SKIPPED} - set(LARGE)


@pytest.mark.parametrize("name", READ)
def test_what_a_person_sees_in_a_document_is_read(name: str) -> None:
    """The text holds what a reader's eye finds, in its kind, without a stray control character."""
    kind, seen = READ[name]
    document = load(path_of(name), name, max_bytes=10**6)
    assert document.kind == kind
    assert [phrase for phrase in seen if phrase not in document.text] == []
    assert not [letter for letter in document.text if letter < " " and letter not in "\n\t\f"]
    assert document.title


@pytest.mark.parametrize("name", SKIPPED)
def test_what_cannot_be_read_has_its_reason(name: str) -> None:
    """Empty, protected, scanned, binary, archive: each is told apart."""
    with pytest.raises(Unreadable) as told:
        load(path_of(name), name, max_bytes=10**6)
    assert str(told.value) == SKIPPED[name]


def test_the_report_has_every_document_with_its_verdict(tmp_path: Path) -> None:
    """One ingest of the folder accounts for all of it, in order of names."""
    with open_knowledge(tmp_path, embeddings=Counted()) as knowledge:
        report = knowledge.ingest(FILES, root=FILES)
    told: dict[str, Any] = {entry.document: entry.reason or entry.status for entry in report.entries}
    wanted = {name: SKIPPED.get(name, "ingested") for name in sorted({*READ, *SKIPPED} - set(LARGE))}
    assert told == wanted
    assert list(told) == list(wanted)


@pytest.mark.parametrize("name", LOCATED)
def test_a_passage_says_where_it_stands(knowledge: Knowledge, name: str) -> None:
    """Page, slide, cell range, line or heading: a person can open the place."""
    words, location = LOCATED[name]
    passages = [hit.passage for hit in knowledge.search(words, k=50, filters={"document": name})]
    assert location in [passage.location for passage in passages if words in passage.text]


@pytest.mark.parametrize("name", sorted({*READ} - set(LARGE)))
def test_the_span_of_a_passage_is_its_text(knowledge: Knowledge, name: str) -> None:
    """Read again, the document has each passage at its characters, and no word of it in none."""
    text = load(FILES / name, name, max_bytes=10**6).text
    passages = [hit.passage for hit in knowledge.search("a", k=1000, filters={"document": name})]
    covered = {at for passage in passages for at in range(passage.start, passage.end)}
    assert all(text[passage.start : passage.end] == passage.text for passage in passages)
    assert not [letter for at, letter in enumerate(text) if not letter.isspace() and at not in covered]


def test_a_second_ingest_reads_and_embeds_nothing(tmp_path: Path) -> None:
    """What has not changed is told from its bytes alone, what cannot be read from having tried."""
    embeddings = Counted()
    with open_knowledge(tmp_path, embeddings=embeddings) as knowledge:
        first = knowledge.ingest(FILES, root=FILES)
    before = embeddings.texts
    with open_knowledge(tmp_path, embeddings=embeddings) as knowledge:
        # nothing could be read within no time
        again = knowledge.ingest(FILES, root=FILES, reading=Reading(timeout_s=0))
    assert before > 0
    assert embeddings.texts == before
    assert again.counts == {"unchanged": 39, "skipped": 8}
    assert again.skipped == first.skipped
    assert again.passages == first.passages
