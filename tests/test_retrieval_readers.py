"""Several at one folder: one owns it, others read beside it or wait for their turn."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from retrieval import Document, open_knowledge
from retrieval.errors import EmbeddingMismatch, NotWritable, PlaceBusy, PlaceUnusable

ROOT = Path(__file__).parent.parent
READER = """
import sys
from retrieval import open_knowledge
with open_knowledge(sys.argv[1], read_only=True) as knowledge:
    print("ready", flush=True)
    for line in sys.stdin:
        hits = knowledge.search(line, k=3)
        print(hits[0].passage.text, hits[0].dense is not None, flush=True)
"""
WAITER = """
import sys
from retrieval import Document, open_knowledge
print("waiting", flush=True)
with open_knowledge(sys.argv[1], wait_s=120) as knowledge:
    knowledge.add([Document("second", "The second writer came later.")])
    print(knowledge.count(), flush=True)
"""


def child(code: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_a_reader_in_another_process_sees_what_the_owner_writes(tmp_path: Path) -> None:
    """It needs no server, disturbs nobody, and is never stale: new text is found by meaning and by words at once."""
    with open_knowledge(tmp_path) as owner:
        owner.add([Document("0", "Buoy 0 is red.")])
        with child(READER, tmp_path) as reader:
            assert reader.stdin
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
            for number in (1, 2):
                owner.add([Document(str(number), f"Buoy {number} is red.")])
                reader.stdin.write(f"Which colour has buoy {number}?\n")
                reader.stdin.flush()
                assert reader.stdout.readline() == f"Buoy {number} is red. True\n"
            reader.stdin.close()
        assert reader.returncode == 0


def test_readers_beside_a_writer_see_whole_documents_and_no_errors(tmp_path: Path) -> None:
    """While a document of many passages is replaced, a reader finds one version of it, complete."""
    sentences = 400
    faults: list[BaseException] = []
    seen: set[int] = set()
    done = threading.Event()

    def version(number: int) -> Document:
        return Document(
            "long", " ".join(f"Version{number} says of tide {n} that it rose." for n in range(sentences))
        )

    def read() -> None:
        try:
            with open_knowledge(tmp_path, read_only=True) as reader:
                while not done.is_set():
                    hits = reader.search("version tide rose", k=1000)
                    found = {hit.passage.text.partition("ersion")[2].partition(" ")[0] for hit in hits}
                    passages = reader.count()
                    assert len(found) == 1, found
                    seen.add(passages)
        except BaseException as fault:
            faults.append(fault)

    with open_knowledge(tmp_path) as owner:
        owner.add([version(0)])
        whole = owner.count()
        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(1, 6):
            owner.add([version(number)])
        done.set()
        for thread in threads:
            thread.join()
    assert not faults
    assert whole > 10
    assert seen == {whole}


def test_who_only_reads_changes_nothing(tmp_path: Path) -> None:
    """Writing, removing and marking are refused with what to do instead."""
    with open_knowledge(tmp_path) as owner:
        owner.add([Document("a", "The pier is closed.")])
        with open_knowledge(tmp_path, read_only=True) as reader:
            with pytest.raises(NotWritable, match="read_only"):
                reader.add([Document("b", "No.")])
            with pytest.raises(NotWritable):
                reader.remove("a")
            with pytest.raises(NotWritable):
                reader.mark(trusted=False)
            assert reader.card().documents == 1
            assert reader.search("pier", filters={"document": "a"})[0].passage.document == "a"


def test_a_reader_needs_a_folder_and_the_right_embeddings(tmp_path: Path) -> None:
    """What cannot be read is told at once; what was never written is empty."""
    with pytest.raises(PlaceUnusable, match="no folder"):
        open_knowledge(tmp_path / "nowhere", read_only=True)
    with open_knowledge(tmp_path) as owner:
        owner.add([Document("a", "The pier is closed.")])
    with pytest.raises(EmbeddingMismatch, match="wordllama:256"):
        open_knowledge(tmp_path, read_only=True, embeddings=DeterministicFakeEmbedding(size=8))
    with open_knowledge(tmp_path, "other", read_only=True) as reader:
        assert reader.search("pier") == []
        assert reader.count() == 0


def test_a_reader_outlives_the_owner(tmp_path: Path) -> None:
    """Owners come and go; a reader that stays open follows them."""
    with open_knowledge(tmp_path) as owner:
        owner.add([Document("a", "The pier is closed.")])
    with open_knowledge(tmp_path, read_only=True) as reader:
        assert reader.count() == 1
        with open_knowledge(tmp_path) as owner:
            owner.add([Document("b", "The lock is open.")])
        assert reader.search("Is the lock open?", k=1)[0].passage.document == "b"


def test_a_second_writer_may_wait_for_its_turn(tmp_path: Path) -> None:
    """Refused at once by default, and told of reading and of the server; with patience it gets the folder."""
    with open_knowledge(tmp_path) as owner:
        owner.add([Document("first", "The first writer was here.")])
        waiter = child(WAITER, tmp_path)
        assert waiter.stdout
        assert waiter.stdout.readline() == "waiting\n"
    with waiter:
        assert waiter.stdout.readline() == "2\n"
    assert waiter.returncode == 0


def test_a_busy_folder_names_both_ways_out(tmp_path: Path) -> None:
    """Read beside the owner, or start a server."""
    holder = child(
        "import sys; from retrieval import open_knowledge\nwith open_knowledge(sys.argv[1]): print('held', flush=True); sys.stdin.read()",
        tmp_path,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PlaceBusy, match=r"read_only=True.*chroma run"):
            open_knowledge(tmp_path)
        assert holder.stdin
        holder.stdin.close()
