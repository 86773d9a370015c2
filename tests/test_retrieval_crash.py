"""Killed at any moment, a folder opens again with every acknowledged document whole."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ingest_run import DOCUMENTS, address, text
from langchain_core.embeddings import Embeddings

from retrieval import Document, Knowledge, open_knowledge
from retrieval.errors import PlaceUnusable
from retrieval.stores import chroma

ROOT = Path(__file__).parent.parent
KILLS = 4
"""Here; benchmarks/retrieval/crash.py does it as often as one likes."""


class Counting(Embeddings):
    """Embeddings that count the texts of documents they are given."""

    name = "counting"

    def __init__(self) -> None:
        self.texts = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += len(texts)
        return [[1.0, float(len(one)), float(sum(map(ord, one)) % 997)] for one in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, float(len(text)), float(sum(map(ord, text)) % 997)]


@contextmanager
def ingest(folder: Path, version: int, threshold: int) -> Iterator["subprocess.Popen[str]"]:
    command = [
        sys.executable,
        str(ROOT / "tests" / "ingest_run.py"),
        str(folder),
        str(version),
        str(threshold),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        yield process


def kept_until_killed(folder: Path, version: int, lines: int) -> set[int]:
    """Kill an ingest some random moment after it printed so many lines; return what it acknowledged."""
    kept: set[int] = set()
    chance = random.Random(version * 31 + lines)
    with ingest(folder, version, threshold=60) as process:
        assert process.stdout
        for line in process.stdout:
            word, *numbers = line.split()
            kept |= {int(number) for number in numbers} if word == "kept" else set()
            lines -= 1
            if lines < 0:
                # not to synchronise, but to strike anywhere in the next write
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(chance.random() * 0.25)
                os.kill(process.pid, signal.SIGKILL)
                break
        for line in process.stdout:
            kept |= {int(number) for number in line.split()[1:]}
    return kept


def versions(knowledge: Knowledge, number: int) -> set[int]:
    """Return the versions of which a search restricted to a document finds passages; checks each is whole."""
    hits = knowledge.search(f"buoy{number}x0", k=1000, filters={"document": address(number)})
    found: dict[int, set[int]] = {}
    for hit in hits:
        for version, sentence in re.findall(rf"Doc{number}version(\d+) sentence (\d+)", hit.passage.text):
            found.setdefault(int(version), set()).add(int(sentence))
    for version, sentences in found.items():
        assert sentences == set(range(text(number, version).count(" sentence "))), (number, version)
    return set(found)


def test_a_kill_at_any_moment_loses_and_halves_nothing(tmp_path: Path) -> None:
    """After kill -9, what was acknowledged is found by its own text, nothing is half, and a repeat completes it."""
    folder = tmp_path / "knowledge"
    last: dict[int, int] = {}
    chance = random.Random(7)
    for version in range(KILLS):
        for number in kept_until_killed(folder, version, lines=chance.randrange(1, 13)):
            last[number] = version
        with open_knowledge(folder) as knowledge:
            for number, acknowledged in last.items():
                (found,) = versions(knowledge, number)
                assert found >= acknowledged
                best = knowledge.search(text(number, found)[:200], k=1)[0].passage
                assert best.document == address(number)
            for number in set(range(DOCUMENTS)) - last.keys():
                assert len(versions(knowledge, number)) <= 1
    with ingest(folder, KILLS, threshold=60) as process:
        assert process.stdout
        assert process.stdout.read().split()[-1] == "done"
    with open_knowledge(folder) as knowledge:
        assert all(versions(knowledge, number) == {KILLS} for number in range(DOCUMENTS))


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A closed folder whose index has been written to disk."""
    monkeypatch.setitem(chroma.HNSW, "sync_threshold", 20)
    folder = tmp_path / "knowledge"
    with open_knowledge(folder, embeddings=Counting()) as knowledge:
        for number in range(60):
            knowledge.add([Document(address(number), text(number, 0))])
    assert segment(folder).is_dir()
    return folder


def all_by_meaning(knowledge: Knowledge) -> bool:
    """Whether a search for everything reaches every passage through the index of vectors."""
    hits = knowledge.search("buoy", k=1000)
    return len(hits) == knowledge.count() and all(hit.dense is not None for hit in hits)


def segment(folder: Path) -> Path:
    return next(file.parent for file in folder.glob("*/header.bin"))


def test_a_damaged_index_is_rebuilt_from_what_is_stored(
    indexed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No document is asked for again and nothing is embedded again; the log says what happened."""
    (segment(indexed) / "index_metadata.pickle").write_bytes(b"")
    embeddings = Counting()
    with open_knowledge(indexed, embeddings=embeddings) as knowledge:
        assert knowledge.search(text(7, 0)[:200], k=1)[0].passage.document == address(7)
        assert all_by_meaning(knowledge)
        assert knowledge.add([Document(address(7), text(7, 0))]).counts == {"unchanged": 1}
    assert embeddings.texts == 0
    assert "is damaged" in caplog.text
    assert not list(indexed.glob("damaged-*"))
    with open_knowledge(indexed, embeddings=embeddings) as knowledge:
        assert versions(knowledge, 8) == {0}


def test_vectors_that_are_missing_are_noticed(indexed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder restored without its index opens, and Chroma would search the tail of it only."""
    shutil.rmtree(segment(indexed))
    with open_knowledge(indexed, embeddings=Counting()) as knowledge:
        assert all_by_meaning(knowledge)
    assert "vectors are lost" in caplog.text


def test_without_the_cache_the_passages_are_embedded_again(indexed: Path) -> None:
    """The cache saves time, not the rebuild."""
    (segment(indexed) / "index_metadata.pickle").write_bytes(b"")
    (indexed / "vectors.sqlite3").unlink()
    embeddings = Counting()
    with open_knowledge(indexed, embeddings=embeddings) as knowledge:
        assert embeddings.texts == knowledge.count()
        assert all_by_meaning(knowledge)


@pytest.mark.parametrize("moment", ["before the old one goes", "before the new one has the name"])
def test_a_rebuild_that_was_killed_is_finished(indexed: Path, moment: str) -> None:
    """The new collection takes the name only when it is full, whenever the kill came."""
    client: Any = chroma_client(indexed)
    old = client.get_collection("default", embedding_function=None)
    notes = old.metadata | {"rebuilds": "default"}
    beside = client.create_collection("rebuilt-0", embedding_function=None, metadata=notes)
    rows = old.get(include=["documents", "metadatas", "embeddings"])
    some = len(rows["ids"]) if moment.startswith("before the new") else 5
    beside.add(**{key: rows[key][:some] for key in ("ids", "documents", "metadatas", "embeddings")})
    if moment.startswith("before the new"):
        client.delete_collection("default")
    client.close()
    with open_knowledge(indexed, embeddings=Counting()) as knowledge:
        assert all(versions(knowledge, number) == {0} for number in range(60))
    client = chroma_client(indexed)
    assert [one.name for one in client.list_collections()] == ["default"]
    client.close()


def chroma_client(folder: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))


def change(folder: Path, ids: Sequence[str]) -> None:
    client = chroma_client(folder)
    client.get_collection("default", embedding_function=None).delete(ids=list(ids))
    client.close()


def test_a_half_document_is_never_shown(tmp_path: Path) -> None:
    """A version of which a passage is missing is taken out as a whole, and comes back with the next ingest."""
    long = Document("long", " ".join(f"Sentence {n} is about the tide." for n in range(300)))
    with open_knowledge(tmp_path) as knowledge:
        knowledge.add([long, Document("short", "The tide is low.")])
        one = knowledge.search("tide", filters={"document": "long"})[0].passage.id
    change(tmp_path, [one])
    with open_knowledge(tmp_path) as knowledge:
        assert {hit.passage.document for hit in knowledge.search("tide", k=50)} == {"short"}
        assert knowledge.count() == 1
        assert knowledge.add([long]).counts == {"ingested": 1}


def test_of_two_versions_the_later_one_stays(tmp_path: Path) -> None:
    """A kill between writing the new version and deleting the old one leaves both in Chroma, and one to readers."""
    with open_knowledge(tmp_path) as knowledge:
        knowledge.add([Document("a", "The first version.")])
    client = chroma_client(tmp_path)
    held = client.get_collection("default", embedding_function=None)
    old = held.get(include=["documents", "metadatas", "embeddings"])
    client.close()
    with open_knowledge(tmp_path) as knowledge:
        knowledge.add([Document("a", "The second version.")])
        new = knowledge.search("version")[0].passage.id
    client = chroma_client(tmp_path)
    held = client.get_collection("default", embedding_function=None)
    rows = held.get(ids=[new], include=["documents", "metadatas", "embeddings"])
    held.delete(ids=[new])
    for one in (old, rows):  # in the order in which a writer would have written them
        held.add(**{key: one[key] for key in ("ids", "documents", "metadatas", "embeddings")})
    client.close()
    for mirror in tmp_path.glob("lexical-*"):
        mirror.unlink()
    with open_knowledge(tmp_path) as knowledge:
        assert [hit.passage.text for hit in knowledge.search("version", k=9)] == ["The second version."]
        assert knowledge.add([Document("a", "The second version.")]).counts == {"unchanged": 1}


FULL = """
import resource, sys
from retrieval import Document, open_knowledge
knowledge = open_knowledge(sys.argv[1])
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
kept = 0
try:
    for number in range(1000):
        knowledge.add([Document(str(number), " ".join(f"Sentence {n} of document {number}." for n in range(150)))])
        kept += 1
except OSError as error:
    print(kept, type(error).__name__, error)
print(len(knowledge.search("sentence", k=3)))
knowledge.close()
"""


def test_a_disk_that_is_full_is_told_and_costs_nothing_that_was_kept(tmp_path: Path) -> None:
    """The write that did not fit raises, searches go on, and the folder opens again with all that was acknowledged."""
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(1_500_000)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    told, found = ran.stdout.strip().splitlines()
    kept, error, *message = told.split()
    assert error in ("PlaceUnusable", "PlaceDamaged"), ran.stdout
    assert "space" in " ".join(message)
    assert int(kept) > 0
    assert found == "3"
    with open_knowledge(tmp_path) as knowledge:
        held = {row.document for row in knowledge.documents()}
        assert {str(number) for number in range(int(kept))} <= held
        assert knowledge.add([Document("one more", "There is room again.")]).ok


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write")
def test_a_folder_that_cannot_be_written_is_told() -> None:
    """Not even an administrator can make a folder here."""
    with pytest.raises(PlaceUnusable, match="cannot be written"):
        open_knowledge("/proc/agent-graph-knowledge")
