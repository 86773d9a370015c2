"""An ingest can be repeated, pruned, redacted and interrupted, and says what it did with every file."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retrieval import Document, IngestReport, Knowledge, intake, open_knowledge
from retrieval.loaders.guarded import Readers
from retrieval.reading import Reading
from retrieval.scan import scan
from retrieval.verdicts import Verdicts

HERE = Reading(workers=0)


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path / "knowledge") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten notes, two of them in a folder below."""
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    for number in range(10):
        name = f"deep/{number}.txt" if number > 7 else f"{number}.txt"
        (folder / name).write_text(f"Beacon {number} stands on rock {number}.")
    return folder


def told(report: IngestReport, status: str) -> list[str]:
    return [entry.document for entry in report.entries if entry.status == status]


def test_vanished_files_are_pruned_when_asked(knowledge: Knowledge, folder: Path) -> None:
    """What is no longer in the folder is taken out, and nothing else."""
    knowledge.add([Document("elsewhere", "A note from elsewhere.")])
    knowledge.ingest(folder, root=folder)
    (folder / "3.txt").unlink()
    (folder / "deep" / "9.txt").rename(folder / "9.txt")
    kept = knowledge.ingest(folder, root=folder)
    assert kept.counts == {"unchanged": 8, "ingested": 1}
    pruned = knowledge.ingest(folder, root=folder, prune=True)
    assert told(pruned, "removed") == ["3.txt", "deep/9.txt"]
    assert {hit.passage.document for hit in knowledge.search("note beacon", k=50)} == {
        "elsewhere",
        *(f"{number}.txt" for number in (0, 1, 2, 4, 5, 6, 7, 9)),
        "deep/8.txt",
    }


@pytest.mark.parametrize("everything", [True, False])
def test_pruning_most_documents_is_refused_unless_forced(
    knowledge: Knowledge, folder: Path, everything: bool
) -> None:
    """An empty or half-empty folder is taken for a missing disk, not for an order to forget."""
    knowledge.ingest(folder)
    for file in sorted(folder.rglob("*.txt"))[: 10 if everything else 6]:
        file.unlink()
    report = knowledge.ingest(folder, prune=True)
    gone = 10 if everything else 6
    assert report.refused.startswith(f"Nothing was pruned: it would remove {gone} of 10 documents")
    assert not report.ok
    assert "Nothing was pruned" in str(report) or not report.entries
    assert knowledge.card().documents == 10
    forced = knowledge.ingest(folder, prune=True, force=True)
    assert len(told(forced, "removed")) == gone
    assert knowledge.card().documents == 10 - gone


def test_pruning_keeps_to_what_was_asked_for(knowledge: Knowledge, folder: Path) -> None:
    """A glob, a folder below and a single file prune only what they cover."""
    (folder / "x.md").write_text("A note in Markdown.")
    knowledge.ingest(folder)
    for name in ("0.txt", "x.md", "deep/8.txt"):
        (folder / name).unlink()
    assert told(knowledge.ingest(folder / "1.txt", prune=True), "removed") == []
    below = knowledge.ingest(folder / "deep", prune=True)
    assert told(below, "removed") == [(folder / "deep" / "8.txt").as_posix()]
    texts = knowledge.ingest(str(folder / "**" / "*.txt"), prune=True)
    assert told(texts, "removed") == [(folder / "0.txt").as_posix()]


def test_a_file_that_cannot_be_read_any_more_is_not_pruned(knowledge: Knowledge, folder: Path) -> None:
    """An unreadable file has not vanished: what was ingested of it stays, and the report says so."""
    knowledge.ingest(folder, root=folder)
    (folder / "0.txt").write_bytes(bytes(range(256)) * 8)
    report = knowledge.ingest(folder, root=folder, prune=True)
    assert [entry.reason for entry in report.skipped] == ["binary, not text; its 1 earlier passages are kept"]
    assert knowledge.search("beacon 0", filters={"document": "0.txt"})


class Masked:
    """A hook that masks names of rocks; its version tells what it masks."""

    def __init__(self, word: str, version: str = "") -> None:
        self.word, self.version = word, version
        self.calls = 0

    def __call__(self, text: str) -> str:
        self.calls += 1
        return text.replace(self.word, "[masked]")


def test_nothing_is_stored_that_the_hook_takes_out(knowledge: Knowledge, tmp_path: Path) -> None:
    """Text, title and headings pass the hook before anything is written, and places move along."""
    file = tmp_path / "report.md"
    file.write_text("# Report on Smith\n\nIt was Smith.\n\n## What Smith did\n\nSmith lit the lamp.\n")
    knowledge.ingest(file, redact=Masked("Smith"))
    passages = [hit.passage for hit in knowledge.search("lamp", k=50)]
    assert [passage.title for passage in passages] == ["Report on [masked]"] * len(passages)
    assert {"What [masked] did"} <= {passage.location for passage in passages}
    for file in (tmp_path / "knowledge").rglob("*"):
        assert not file.is_file() or b"Smith" not in file.read_bytes()


def test_a_document_is_not_stored_when_its_redaction_fails(knowledge: Knowledge, folder: Path) -> None:
    """A hook that breaks lets nothing through."""

    def broken(text: str) -> str:
        if "5" in text:
            raise ConnectionError("no model")
        return text

    report = knowledge.ingest(folder, root=folder, redact=broken)
    assert [(entry.document, entry.reason) for entry in report.skipped] == [
        ("5.txt", "the redaction failed (ConnectionError), so it is not stored")
    ]
    assert not knowledge.search("beacon 5", filters={"document": "5.txt"})


def test_another_redaction_is_another_version(knowledge: Knowledge, folder: Path) -> None:
    """Turning a hook on or changing it updates what is stored; one that names its version is not asked in vain."""
    knowledge.ingest(folder)
    assert knowledge.ingest(folder, redact=Masked("rock")).counts == {"updated": 10}
    again = Masked("rock")
    assert knowledge.ingest(folder, redact=again).counts == {"unchanged": 10}
    assert again.calls > 0
    assert knowledge.ingest(folder, redact=Masked("Beacon")).counts == {"updated": 10}
    assert knowledge.ingest(folder, redact=Masked("Beacon", version="1")).counts == {"updated": 10}
    versioned = Masked("Beacon", version="1")
    assert knowledge.ingest(folder, redact=versioned).counts == {"unchanged": 10}
    assert versioned.calls == 0
    assert knowledge.ingest(folder, redact=Masked("Beacon", version="2")).counts == {"updated": 10}
    assert knowledge.ingest(folder).counts == {"updated": 10}


def test_other_sizes_cut_every_document_anew(knowledge: Knowledge, tmp_path: Path) -> None:
    """Passages of the old size are replaced, not joined by new ones."""
    file = tmp_path / "long.txt"
    file.write_text("The beacon was lit in the year of the great storm. " * 60)
    first = knowledge.ingest(file)
    second = knowledge.ingest(file, reading=Reading(passage_tokens=50, overlap_tokens=0))
    assert second.counts == {"updated": 1}
    assert second.passages > first.passages
    assert knowledge.count() == second.passages


def test_touching_a_file_changes_nothing(knowledge: Knowledge, folder: Path, tmp_path: Path) -> None:
    """Content counts, not time; a copy of the folder is the same collection."""
    knowledge.ingest(folder, root=folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for file in copy.rglob("*.txt"):
        file.touch()
    assert knowledge.ingest(copy, root=copy).counts == {"unchanged": 10}


def test_progress_counts_every_file(knowledge: Knowledge, folder: Path) -> None:
    """The number done grows by one, the total is known from the beginning."""
    seen: list[tuple[int, int, str]] = []
    (folder / "empty.txt").touch()
    knowledge.ingest(folder, root=folder, progress=lambda done, total, name: seen.append((done, total, name)))
    assert [(done, total) for done, total, _ in seen] == [(number, 11) for number in range(1, 12)]
    assert {name for _, _, name in seen} >= {"0.txt", "deep/9.txt", "empty.txt"}


def test_an_interrupted_ingest_can_be_repeated(knowledge: Knowledge, folder: Path) -> None:
    """Ctrl-C during the reading leaves no process, no thread, and whole documents only."""
    calls = iter(range(100))

    def impatient(text: str) -> str:
        if next(calls) == 9:
            raise KeyboardInterrupt
        return text

    with pytest.raises(KeyboardInterrupt):
        knowledge.ingest(folder, redact=impatient)
    assert knowledge.ingest(folder).counts["ingested"] >= 1
    assert knowledge.card().documents == 10


def test_only_a_few_documents_are_in_memory_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading goes no further ahead than there are readers, however slowly documents are taken."""
    for number in range(200):
        (folder / f"more {number}.txt").write_text(f"Note {number}.")
    opened: list[Path] = []
    real = intake.read_bytes
    monkeypatch.setattr(intake, "read_bytes", lambda file, **more: opened.append(file) or real(file, **more))
    reading = Reading(workers=2)
    ahead = []
    with Readers(reading) as readers:
        nothing = intake.Manifest(held=lambda _: {}, stamp=lambda *_: "")
        items = intake.Intake(nothing, readers, Verdicts(None, reading), reading, None).items(
            scan(folder).found
        )
        for number, item in enumerate(items, start=1):
            assert isinstance(item, Document)
            ahead.append(len(opened) - number)
    assert len(ahead) == len(opened) == 210
    assert max(ahead) <= 2


def test_an_ingest_over_several_kinds_of_path(
    knowledge: Knowledge, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths, home folders and globs lead to the same addresses."""
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    first = knowledge.ingest("notes")
    for paths in (
        "notes/*",
        "notes/**/*.txt",
        "~/notes",
        [Path("notes/../notes")],
        "not?s",
        "notes/[0-9].txt",
    ):
        report = knowledge.ingest(paths)
        assert set(report.counts) == {"unchanged"}
        assert {entry.document for entry in report.entries} <= {entry.document for entry in first.entries}


def test_a_reader_of_ones_own(knowledge: Knowledge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in a module of the user reads files of their own kind, in Markdown."""
    (tmp_path / "dwg_reader.py").write_text(
        "def read(raw, name):\n    return '# Plan ' + name + '\\n\\n' + raw.decode()[::-1]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "house.dwg").write_text("llaw a")
    reading = Reading(loaders={".dwg": "dwg_reader:read"})
    assert knowledge.ingest(tmp_path / "house.dwg", reading=reading).counts == {"ingested": 1}
    best = knowledge.search("wall", k=1)[0].passage
    assert (best.title, best.text) == ("Plan house.dwg", "# Plan house.dwg\n\na wall")


def test_verdicts_are_a_cache_that_may_be_lost(tmp_path: Path) -> None:
    """A reason that lies in the content is remembered, a lack of time is not; a damaged file is begun anew."""
    verdicts = Verdicts(tmp_path, HERE)
    verdicts.add("a", "protected by a password")
    verdicts.add("b", "reading it takes longer than 2 s")
    verdicts.keep()
    assert [Verdicts(tmp_path, HERE).of(key) for key in "ab"] == ["protected by a password", ""]
    assert Verdicts(tmp_path, Reading(loaders={".a": "b:c"})).of("a") == ""
    for damage in ("", "no json", "[]", json.dumps({"version": Verdicts(tmp_path, HERE)._version})):
        (tmp_path / "unreadable.json").write_text(damage)
        assert Verdicts(tmp_path, HERE).of("a") == ""


@pytest.mark.parametrize(
    "change", [lambda file: file.write_text("Beacon 0 is dark."), lambda file: file.touch()]
)
def test_only_a_changed_file_is_read_again(
    knowledge: Knowledge, folder: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten files the one that changed is read; one that was only touched is not."""
    knowledge.ingest(folder, root=folder, reading=HERE)
    change(folder / "0.txt")
    read: list[str] = []
    from retrieval.loaders import guarded

    real = guarded.read
    monkeypatch.setattr(
        guarded, "read", lambda raw, name, *rest, **more: read.append(name) or real(raw, name, *rest, **more)
    )
    counts = knowledge.ingest(folder, root=folder, reading=HERE).counts
    assert (read, counts) in [(["0.txt"], {"updated": 1, "unchanged": 9}), ([], {"unchanged": 10})]
    assert bool(read) == ((folder / "0.txt").read_text() == "Beacon 0 is dark.")
