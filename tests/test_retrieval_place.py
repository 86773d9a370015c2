"""A folder has one owner, a collection one embedding model, and neither loses a document."""

import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from retrieval import Document, WordLlamaEmbeddings, embeddings_from, open_knowledge
from retrieval.embed import name_of
from retrieval.errors import BadRequest, CollectionForeign, EmbeddingMismatch, PlaceBusy, PlaceUnusable

MOON = Document("moon", "The moon base was founded by Ilse Varga.")


class Named(DeterministicFakeEmbedding):
    """Embeddings of another model."""

    model: str = "other"


class Interrupted(Embeddings):
    """Embeddings that a person interrupts at the fifth call."""

    name = "interrupted"

    def __init__(self) -> None:
        self.calls = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls += 1
        if self.calls == 5:
            raise KeyboardInterrupt
        return [[1.0, float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, float(len(text))]


def child(folder: Path) -> "subprocess.CompletedProcess[str]":
    code = f"from retrieval import open_knowledge; open_knowledge({str(folder)!r})"
    root = Path(__file__).parent.parent
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)


def test_a_second_process_is_refused_and_told_of_the_server(tmp_path: Path) -> None:
    """Two processes never share a folder; after close the other may have it."""
    with open_knowledge(tmp_path):
        refused = child(tmp_path)
    assert refused.returncode != 0
    assert "PlaceBusy" in refused.stderr
    assert f"chroma run --path {tmp_path}" in refused.stderr
    freed = child(tmp_path)
    assert freed.returncode == 0, freed.stderr
    assert freed.stderr == ""


def test_the_owner_may_open_its_folder_twice(tmp_path: Path) -> None:
    """Within one process everything shares one client, until the last one closes."""
    first = open_knowledge(tmp_path)
    second = open_knowledge(str(tmp_path), "other")
    first.close()
    second.add([MOON])
    assert second.count() == 1
    assert "PlaceBusy" in child(tmp_path).stderr
    second.close()
    with open_knowledge(tmp_path, "other") as third:
        assert third.search("Who founded the moon base?")[0].passage.document == "moon"


def test_other_embeddings_are_refused_with_both_names(tmp_path: Path) -> None:
    """A collection is opened only with the model that made it, and the folder stays usable."""
    with open_knowledge(tmp_path) as knowledge:
        knowledge.add([MOON])
    with pytest.raises(EmbeddingMismatch, match=r"wordllama:256.*Named:other.*ingest"):
        open_knowledge(tmp_path, embeddings=Named(size=8))
    with open_knowledge(tmp_path, "another", embeddings=Named(size=8)) as knowledge:
        assert knowledge.add([MOON]).ok


def test_another_dimension_of_the_same_model_is_refused(tmp_path: Path) -> None:
    """A model that changed its dimension is told apart when it is first used."""
    with open_knowledge(tmp_path, embeddings=Named(size=8)) as knowledge:
        knowledge.add([MOON])
    with open_knowledge(tmp_path, embeddings=Named(size=16)) as knowledge:
        with pytest.raises(EmbeddingMismatch, match=r"8 dimensions.*returns 16"):
            knowledge.search("moon")
        with pytest.raises(EmbeddingMismatch, match=r"8 dimensions.*returns 16"):
            knowledge.add([Document("sun", "The sun is far.")])


def test_a_collection_of_another_program_is_refused(tmp_path: Path) -> None:
    """What we did not make we do not read or change."""
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(tmp_path), settings=Settings(anonymized_telemetry=False))
    client.create_collection("default", embedding_function=None)
    client.close()  # type: ignore[attr-defined]
    with pytest.raises(CollectionForeign, match="another collection name"):
        open_knowledge(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "taken").write_text("I am a file")
    for where in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(PlaceUnusable, match="not a folder"):
            open_knowledge(where)


@pytest.mark.parametrize("name", ["", "ab", "-abc", "a b c", "ä-collection", "x" * 64, "../up"])
def test_an_impossible_collection_name_is_refused(tmp_path: Path, name: str) -> None:
    """Names are checked before anything is made."""
    with pytest.raises(BadRequest, match="cannot name a collection"):
        open_knowledge(tmp_path, name)


def test_a_lost_lexical_index_is_made_anew(tmp_path: Path) -> None:
    """The collection is the truth: a missing or broken index beside it costs nothing but time."""
    with open_knowledge(tmp_path) as knowledge:
        knowledge.add([MOON, Document("sun", "Zykla is the name of the sun.")])
        before = knowledge.search("Zykla")
    index = next(tmp_path.glob("lexical-*.sqlite3"))
    for damage in (b"", b"this is no database" * 100):
        index.write_bytes(damage)
        with open_knowledge(tmp_path) as knowledge:
            assert knowledge.search("Zykla") == before
            assert knowledge.card().documents == 2


def test_an_index_that_missed_changes_catches_up(tmp_path: Path) -> None:
    """Passages written or deleted by a server meanwhile are found, or not, by their words too."""
    with open_knowledge(tmp_path) as knowledge:
        knowledge.add([Document("old", "Quorlan is a harbour.")])
    index = next(tmp_path.glob("lexical-*.sqlite3"))
    stale = index.read_bytes()
    with open_knowledge(tmp_path) as knowledge:
        knowledge.remove("old")
        knowledge.add([Document("new", "Brimstead is a harbour.")])
    index.write_bytes(stale)
    with open_knowledge(tmp_path) as knowledge:
        found = knowledge.search("Quorlan Brimstead")
        assert [(hit.passage.document, hit.lexical is not None) for hit in found] == [("new", True)]


def test_an_interrupted_ingest_leaves_whole_documents(tmp_path: Path) -> None:
    """After Ctrl-C some documents are in whole and the rest not at all; the next ingest completes them."""
    documents = [Document(str(number), f"Beacon {number} stands here. " * 90) for number in range(600)]
    with open_knowledge(tmp_path, embeddings=Interrupted()) as knowledge:
        with pytest.raises(KeyboardInterrupt):
            knowledge.add(documents)
        whole = {row.document for row in knowledge.documents()}
        assert 0 < len(whole) < 600
        report = knowledge.add(documents)
        assert report.counts == {"unchanged": len(whole), "ingested": 600 - len(whole)}


def test_a_write_that_breaks_off_in_the_middle_is_taken_back(tmp_path: Path) -> None:
    """A document too large for one write is in whole or not at all, and its old version stays."""

    class Wide(Embeddings):
        name = "wide"
        broken = False

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = [[1.0] * 250_000 for _ in texts]
            if self.broken:
                vectors[-1] = [1.0]
            return vectors

        def embed_query(self, text: str) -> list[float]:
            return [1.0] * 250_000

    embeddings = Wide()
    with open_knowledge(tmp_path, embeddings=embeddings) as knowledge:
        knowledge.add([Document("a", "The first version.")])
        embeddings.broken = True
        with pytest.raises(Exception, match="dimension"):
            knowledge.add([Document("a", "The second version is longer. " * 200)])
        assert knowledge.count() == 1
        assert knowledge.search("version")[0].passage.text == "The first version."


def test_the_default_embeddings_are_named_and_of_length_one() -> None:
    """The offline model has a stable name; an empty text is no reason to divide by zero."""
    embeddings = WordLlamaEmbeddings()
    full, empty = embeddings.embed_documents(["a harbour", ""])
    assert name_of(embeddings) == "wordllama:256"
    assert len(full) == 256
    assert sum(value * value for value in full) == pytest.approx(1)
    assert set(empty) == {0.0}


def test_loading_the_default_embeddings_leaves_logging_alone() -> None:
    """No library's messages start to appear because a model was loaded."""
    WordLlamaEmbeddings().embed_query("x")
    code = (
        "import logging; from retrieval import WordLlamaEmbeddings; WordLlamaEmbeddings().embed_query('x'); "
        "root = logging.getLogger(); print(root.level, root.handlers)"
    )
    root = Path(__file__).parent.parent
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert told.stdout.strip() == f"{logging.WARNING} []"


def test_embeddings_are_chosen_by_name() -> None:
    """A provider's embeddings are made without network; an unknown name lists the known ones."""
    served = embeddings_from("openai:bge-small", base_url="http://127.0.0.1:9/v1")
    assert name_of(served) == "OpenAIEmbeddings:bge-small"
    assert name_of(embeddings_from("wordllama:128")) == "wordllama:128"
    assert len(embeddings_from("wordllama:128").embed_query("harbour")) == 128
    for name in ("word2vec", "openai:", "wordllama:7", ""):
        with pytest.raises(BadRequest, match="wordllama"):
            embeddings_from(name)


def test_importing_retrieval_opens_nothing() -> None:
    """Chroma, models and parsers are imported when they are needed, not before."""
    heavy: Sequence[str] = ("chromadb", "wordllama", "trafilatura", "pypdfium2", "numpy", "langchain_core")
    code = f"import retrieval, sys; print([name for name in {heavy!r} if name in sys.modules])"
    root = Path(__file__).parent.parent
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert told.stdout.strip() == "[]"


def test_a_busy_folder_is_a_kind_of_oserror() -> None:
    """Callers who know only the standard library can catch it."""
    assert issubclass(PlaceBusy, OSError)
