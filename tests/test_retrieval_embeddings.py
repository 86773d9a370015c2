"""Texts become vectors once per content, by the model that the collection is stamped with."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from retrieval import Config, Document, WordLlamaEmbeddings, embeddings_from, open_knowledge
from retrieval.embed import embed_queries, embed_texts, name_of
from retrieval.errors import BadRequest, EmbeddingMismatch, EmbeddingsFailed
from retrieval.minilm import MiniLMEmbeddings
from retrieval.stores.cache import CachedEmbeddings, VectorCache

TINY = Path(__file__).parent / "data" / "tiny_sentence_model.onnx"
WORDS = {"[UNK]": 0, "[PAD]": 1, "harbour": 2, "crane": 3, "ferry": 4, "pier": 5, "port": 6}


class Remembering(Embeddings):
    """Embeddings that remember what they were given."""

    name = "remembering"

    def __init__(self, dimension: int = 3) -> None:
        self.given: list[str] = []
        self.dimension = dimension

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.given += texts
        return [[1.0, float(len(text)), *[0.5] * (self.dimension - 2)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, float(len(text)), *[0.5] * (self.dimension - 2)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(TINY, folder / "model.onnx")
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_the_same_text_is_embedded_once(tmp_path: Path) -> None:
    """An update embeds only the passages that changed, and a moved document nothing."""
    long = [f"Chapter {number}. " + f"Word{number} follows word{number}. " * 60 for number in range(4)]
    embeddings = Remembering()
    with open_knowledge(tmp_path, embeddings=embeddings) as knowledge:
        knowledge.add([Document("a", "\n\n".join(long), "Book")])
        first = len(embeddings.given)
        embeddings.given.clear()
        knowledge.add([Document("b", "\n\n".join(long), "Book")])
        assert embeddings.given == []
        knowledge.add([Document("a", "\n\n".join([*long[:3], "A new end. " * 60]), "Book")])
        assert 0 < len(embeddings.given) < first
        embeddings.given.clear()
        knowledge.remove("a")
        knowledge.remove("b")
        knowledge.add([Document("b", "\n\n".join(long), "Book")])
        assert len(embeddings.given) == first  # what nobody holds is not kept for ever


def test_the_cache_survives_an_ingest_that_broke_off(tmp_path: Path) -> None:
    """What was paid for is kept: vectors are stored before the passages are."""

    class Limited(Remembering):
        left = 300

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            self.left -= len(texts)
            if self.left < 0:
                raise ConnectionError("quota")
            return super().embed_documents(texts)

    documents = [Document(str(number), f"Beacon {number} stands here.") for number in range(600)]
    limited = Limited()
    with open_knowledge(tmp_path, embeddings=limited) as knowledge:
        with pytest.raises(ConnectionError):
            knowledge.add(documents)
        limited.left = 1000
        before = len(limited.given)
        knowledge.add(documents)
        assert len(limited.given) == 600
        assert before > 0


def test_a_cache_for_collections_on_a_server_is_a_setting(tmp_path: Path) -> None:
    """The same cache file serves any collection of the same model, and models do not mix."""
    cache = VectorCache(tmp_path / "vectors.sqlite3")
    one, other = Remembering(3), Remembering(4)
    other.name = "another"
    assert CachedEmbeddings(one, cache).vectors(["x", "y", "x"]).shape == (3, 3)
    assert CachedEmbeddings(other, cache).vectors(["x"]).shape == (1, 4)
    assert CachedEmbeddings(one, cache).vectors(["y"]).tolist() == [[1.0, 1.0, 0.5]]
    assert (one.given, other.given) == (["x", "y"], ["x"])
    cache.close()
    assert Config(cache=tmp_path).cache == tmp_path


def test_a_model_that_changes_its_dimension_is_told(tmp_path: Path) -> None:
    """Vectors of two dimensions under one name are refused rather than mixed."""
    embeddings = Remembering(3)
    with open_knowledge(tmp_path, embeddings=embeddings) as knowledge:
        knowledge.add([Document("a", "The first text.")])
        embeddings.dimension = 5
        with pytest.raises(EmbeddingMismatch, match=r"3 and of 5|5 and of 3|returns 5"):
            knowledge.add([Document("b", "The first text."), Document("c", "The second text.")])


def test_embeddings_that_lose_a_text_are_told(tmp_path: Path) -> None:
    """A server that answers with fewer vectors than texts must not shift them onto other passages."""

    class Losing(Remembering):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return super().embed_documents(texts)[1:]

    with open_knowledge(tmp_path, embeddings=Losing()) as knowledge:
        with pytest.raises(EmbeddingsFailed, match="1 vectors for 2 texts"):
            knowledge.add([Document("a", "The first."), Document("b", "The second.")])
        assert knowledge.count() == 0


def test_the_offline_model_gives_wordllamas_own_vectors() -> None:
    """Without its padding, and with less work, to the last digits of a float; shorter ones are its first numbers."""
    import wordllama

    texts = ["The harbour of Ostrel has nine cranes.", "ferry", "a " * 300]
    theirs = wordllama.WordLlama.load(
        dim=256, cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )
    ours = WordLlamaEmbeddings()
    assert np.abs(ours.vectors(texts) - theirs.embed(texts, norm=True)).max() < 1e-5
    assert ours.vectors([]).shape == (0, 256)
    assert WordLlamaEmbeddings(64).vectors(texts).shape == (3, 64)
    assert ours.count_tokens("a harbour") == 3


def test_minilm_is_read_from_where_chroma_keeps_it(model: Path) -> None:
    """Means over the words, not over the padding; batches of any lengths; an unknown text is no crash."""
    embeddings = MiniLMEmbeddings(model)
    vectors = embeddings.vectors(["harbour crane", "ferry", "pier pier pier pier", "", "harbour crane"])
    half = 0.5**0.5
    assert vectors == pytest.approx(
        np.array([[half, half, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [half, half, 0, 0]]), abs=1e-6
    )
    assert embeddings.embed_query("ferry") == pytest.approx([0, 0, 1, 0])
    assert embeddings.count_tokens("harbour crane ferry") == 3
    assert name_of(embeddings) == "onnx:all-MiniLM-L6-v2"


def test_a_knowledge_with_minilm_finds_by_meaning(model: Path, tmp_path: Path) -> None:
    """The adapter is LangChain embeddings like any other."""
    with open_knowledge(tmp_path / "knowledge", embeddings=MiniLMEmbeddings(model)) as knowledge:
        knowledge.add([Document("a", "ferry pier"), Document("b", "port crane")])
        assert knowledge.search("harbour crane", k=1)[0].passage.document == "b"


def test_a_model_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is downloaded behind one's back."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BadRequest, match=r"model\.onnx.*python -c"):
        embeddings_from("minilm")


@pytest.mark.parametrize("texts", [[], ["one"], ["one", "two", "three"]])
def test_any_langchain_embeddings_give_an_array(texts: Sequence[str]) -> None:
    """Rows are texts, for documents as for queries."""
    fake = DeterministicFakeEmbedding(size=5)
    assert len(embed_texts(fake, texts)) == len(texts) == len(embed_queries(fake, texts))
