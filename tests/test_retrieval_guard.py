"""A file may be a bomb, hang, crash its reader or change meanwhile: it is skipped with the reason, and the others are not."""

import io
import os
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import IngestReport, Knowledge, open_knowledge
from retrieval.load import Unreadable, read, read_bytes
from retrieval.reading import Reading

READERS = """
import ctypes, os, sys, time

def hang(raw, name):
    while True:
        time.sleep(60)

def crash(raw, name):
    ctypes.string_at(0)

def leave(raw, name):
    os._exit(3)

def swell(raw, name):
    return "x" * len([0] * 10**9)

def hoard(raw, name, kept=[]):
    kept.append(bytearray(200 * 2**20))
    return "This file is large to read."

def chatter(raw, name):
    print("I am no answer")
    sys.stdout.write("{}\\n")
    return raw.decode()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of documents, and beside it a module of readers that misbehave."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "misbehaving.py").write_text(READERS)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "good.txt").write_text("The ferry leaves at nine.")
    (documents / "zebra.txt").write_text("The zebra crosses at ten.")
    return documents


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path / "knowledge") as opened:
        yield opened


def ingested(knowledge: Knowledge, folder: Path, reader: str, **bounds: float) -> dict[str, str]:
    """Ingest the folder with one more file that this reader reads; return what became of each."""
    (folder / "odd.odd").write_text("What an odd file.")
    reading = Reading(loaders={".odd": f"misbehaving:{reader}"}, workers=2, **bounds)  # type: ignore[arg-type]
    return verdicts(knowledge.ingest(folder, root=folder, reading=reading))


def verdicts(report: IngestReport) -> dict[str, str]:
    return {entry.document: entry.reason or entry.status for entry in report.entries}


@pytest.mark.parametrize(
    ("reader", "reason"),
    [
        ("hang", "reading it takes longer than 2 s"),
        ("crash", "its reader broke down (SIGSEGV)"),
        ("leave", "its reader broke down (exit code 3)"),
        ("swell", "reading it needs more than 1,024 MiB of memory"),
        ("nowhere", "unreadable: AttributeError"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems name signals and hold to memory otherwise")
def test_a_file_that_breaks_its_reader_is_skipped(
    knowledge: Knowledge, folder: Path, reader: str, reason: str
) -> None:
    """Whatever happens in the reading of one file stays there."""
    told = ingested(knowledge, folder, reader, timeout_s=2 if reader == "hang" else 60, memory_bytes=2**30)
    assert told.pop("odd.odd").startswith(reason)
    assert told == {"good.txt": "ingested", "zebra.txt": "ingested"}


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded on Linux only")
def test_memory_that_a_library_keeps_is_no_harm_to_the_next_file(knowledge: Knowledge, folder: Path) -> None:
    """A reader that has grown too large is replaced, and the file that met it is read again."""
    for number in range(8):
        (folder / f"{number}.odd").write_text("An odd file.")
    reading = Reading(loaders={".odd": "misbehaving:hoard"}, workers=1, memory_bytes=2**30)
    report = knowledge.ingest(folder, root=folder, reading=reading)
    assert report.counts == {"ingested": 10}


def test_what_a_reader_prints_is_no_answer(knowledge: Knowledge, folder: Path) -> None:
    """Libraries may write on standard output as they please."""
    assert ingested(knowledge, folder, "chatter")["odd.odd"] == "ingested"
    assert knowledge.search("odd file", k=1)[0].passage.text == "What an odd file."


def test_reading_in_this_process_gives_the_same(knowledge: Knowledge, folder: Path) -> None:
    """Without worker processes the same documents come out."""
    here = verdicts(knowledge.ingest(folder, root=folder, reading=Reading(workers=0)))
    again = verdicts(knowledge.ingest(folder, root=folder))
    assert here == {"good.txt": "ingested", "zebra.txt": "ingested"}
    assert again == {"good.txt": "unchanged", "zebra.txt": "unchanged"}


def test_a_script_without_a_guard_may_ingest(tmp_path: Path, folder: Path) -> None:
    """Reading in other processes does not run the caller's own script again."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        from retrieval import open_knowledge
        print("once")
        with open_knowledge({str(tmp_path / "other")!r}) as knowledge:
            print(knowledge.ingest({str(folder)!r}).counts)
        """)
    )
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    told = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert told.stdout.split("\n") == ["once", "{'ingested': 2}", ""], told.stderr


def zipped(**entries: bytes) -> bytes:
    """Return an archive with these entries; an underscore stands for a slash."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("_", "/"), content)
    return raw.getvalue()


def reason(raw: bytes, name: str) -> str:
    with pytest.raises(Unreadable) as told:
        read(raw, name, name)
    return str(told.value)


def test_a_zip_bomb_is_not_unpacked() -> None:
    """An archive that unpacks to far more than it weighs is told by its table of contents."""
    bomb = zipped(**{"word_document.xml": b"<a>" + b" " * 100_000_000 + b"</a>"})
    assert len(bomb) < 200_000
    assert reason(bomb, "bomb.docx").startswith("too large: ")
    assert reason(bomb, "bomb.xlsx").startswith("too large: ")
    assert reason(bomb, "bomb.epub").startswith("too large: ")


def test_a_zip_that_lies_about_its_sizes_is_broken() -> None:
    """An entry that declares little and holds much is cut off where it said it ends."""
    honest = zipped(**{"word_document.xml": b"<a>" + b" " * 1_000_000 + b"</a>"})
    size = (1_000_007).to_bytes(4, "little")
    assert reason(honest.replace(size, (100).to_bytes(4, "little")), "liar.docx").startswith(
        ("unreadable", "not a")
    )


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;">
<!ENTITY g "&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;"><!ENTITY h "&g;&g;&g;&g;&g;&g;&g;&g;&g;&g;"> ]><a>so: &h;</a>"""


def test_entities_in_xml_are_not_filled_in() -> None:
    """Neither a billion laughs nor a file of this machine get into a document."""
    spy = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>name: &x;</a>'
    assert len(read(LAUGHS, "laughs.xml", "a").text) < 2000
    assert read(spy, "spy.xml", "a").text in ("a: name:", spy.decode())
    for name in ("laughs.docx", "laughs.pptx", "laughs.xlsx", "laughs.epub", "laughs.odt"):
        entries = {
            "word_document.xml": LAUGHS,
            "ppt_presentation.xml": LAUGHS,
            "xl_workbook.xml": LAUGHS,
            "[Content_Types].xml".replace("_", "-"): LAUGHS,
            "META-INF_container.xml": LAUGHS,
            "META-INF_manifest.xml": LAUGHS,
            "content.xml": LAUGHS,
        }
        assert reason(zipped(**entries), name)


def test_a_file_that_never_rests_is_skipped(tmp_path: Path) -> None:
    """A log that grows while it is read is not ingested half."""
    file = tmp_path / "busy.log"
    file.write_text("begun")
    done = threading.Event()

    def grow() -> None:
        while not done.is_set():
            with file.open("a") as opened:
                opened.write("more and more " * 1000)

    writer = threading.Thread(target=grow)
    writer.start()
    told = ""
    try:
        while not told:
            os.truncate(file, 0)
            try:
                read_bytes(file, max_bytes=2**30)
            except Unreadable as error:
                told = str(error)
    finally:
        done.set()
        writer.join()
    assert told.startswith("it changes while it is being read")


def test_links_in_circles_and_into_nothing_are_told(knowledge: Knowledge, folder: Path) -> None:
    """A folder that contains itself is walked once; a broken link is named, and one to another folder."""
    (folder / "self").symlink_to(folder)
    (folder / "snake.txt").symlink_to("snake.txt")
    (folder / "lost.txt").symlink_to("nowhere.txt")
    (folder / "deep").mkdir()
    (folder / "deep" / "up").symlink_to("..")
    (folder / "other").symlink_to(folder.parent / "modules")
    told = verdicts(knowledge.ingest([folder, folder / "**" / "*.txt"], root=folder.parent))
    assert told == {
        "modules": "a link to another folder; name that folder to have it ingested",
        "documents/good.txt": "ingested",
        "documents/lost.txt": "a link that leads nowhere",
        "documents/snake.txt": "a link that leads nowhere",
        "documents/zebra.txt": "ingested",
    }


@pytest.mark.parametrize(
    "name",
    [
        b"two\nlines.txt",
        b"not utf-8 \xff\xfe.txt",
        "ünïcödé 文件 🐝.txt".encode(),
        b"-rf *.txt",
        b"[x]?*.txt",
        b"quote'\".txt",
        b"x" * 240 + b".txt",
        b"\x1b[31mred.txt",
        b" .txt",
    ],
)
def test_any_name_a_file_can_have_is_ingested(knowledge: Knowledge, folder: Path, name: bytes) -> None:
    """A name is only a name: its document is found, unchanged the next time, and not pruned."""
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("The walrus sleeps on the ice.")
    report = knowledge.ingest(folder, root=folder)
    assert report.counts == {"ingested": 3}
    assert knowledge.search("walrus on ice", k=1)[0].passage.text == "The walrus sleeps on the ice."
    assert knowledge.ingest(folder, root=folder, prune=True).counts == {"unchanged": 3}


def test_bounds_that_cannot_be_are_refused() -> None:
    """An overlap as long as the passage would never end."""
    with pytest.raises(ValueError, match="overlap_tokens must be from 0 to less than passage_tokens"):
        Reading(passage_tokens=50, overlap_tokens=50)
