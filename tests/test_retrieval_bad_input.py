"""Whatever is asked: a clear error, or a sensible result."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from retrieval import Document, Knowledge, open_knowledge
from retrieval.errors import BadRequest, EmbeddingsFailed

NAUGHTY = [
    json.loads(line)["s"]
    for line in (Path(__file__).parent / "naughty_strings.jsonl").read_text("utf-8").split("\n")
    if line
]
TIDES = [
    Document("low", "The tide is low at noon.", "Low water"),
    Document("high", "The tide is high at midnight.", "High water"),
    Document("bees", "Mason bees close each cell with mud.", "Bees"),
]


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path_factory.mktemp("knowledge")) as opened:
        opened.add(TIDES)
        yield opened


@pytest.mark.parametrize(
    "query",
    [
        "tide " * 20_000,
        "x" * 100_000,
        " ".join(f"word{number}" for number in range(10_000)) + " tide",
        "\u202e\u200ftide\u202c\u200e",
        "tide\x00low",
        'tide" OR "bees',
        "tide NEAR/3 low",
        "title:tide ^low* -noon {a b}:c",
        "tide) AND (NOT",
        "tide; DROP TABLE passages; --",
        "#E1 tide #E2.items[0]",
        '{\'year\': 1215, "place": "tide"}',
        "tide\ud800low",
        "𝕥𝕚𝕕𝕖",
        "TIDE?!…",
    ],
)
def test_a_query_is_text_and_nothing_else(knowledge: Knowledge, query: str) -> None:
    """Length, syntax of other languages, control and direction marks: never an error, and the words count."""
    hits = knowledge.search(query, k=2)
    assert len(hits) == 2
    if query[0] not in "xw" and "bees" not in query:
        assert {hit.passage.document for hit in hits} == {"low", "high"}


def test_every_naughty_string_can_be_asked_and_kept(knowledge: Knowledge, tmp_path: Path) -> None:
    """515 strings that break software are queries, and documents that are found whole."""
    unasked = 0
    for text in NAUGHTY:
        try:
            found = knowledge.search(text, k=1)
        except BadRequest:
            unasked += 1  # nothing but white space and control characters
        else:
            assert len(found) == 1
    assert unasked < 10
    documents = [Document(f"{number}\x00{text[:40]}", text, text[:50]) for number, text in enumerate(NAUGHTY)]
    with open_knowledge(tmp_path) as own:
        report = own.add(documents)
        assert {entry.status for entry in report.entries} <= {"ingested", "skipped"}
        assert len(report.skipped) < 10
        assert own.add(documents).counts["unchanged"] == report.counts["ingested"]
        assert own.card().documents == report.counts["ingested"]


@pytest.mark.parametrize("query", ["", " ", "\n\t\r", "\x00", "\x00 \x1f", None, 7, b"tide", ["tide"]])
def test_an_empty_query_is_refused(knowledge: Knowledge, query: Any) -> None:
    """So is what is no text at all."""
    with pytest.raises(BadRequest, match="query is empty"):
        knowledge.search(query)


@pytest.mark.parametrize("k", [0, -1, 10_000, 1.5, "3", True, None])
def test_k_is_a_number_of_hits(knowledge: Knowledge, k: Any) -> None:
    """From 1 to 1000; anything else says so."""
    with pytest.raises(BadRequest, match="from 1 to 1000"):
        knowledge.search("tide", k=k)


def test_more_hits_than_passages_brings_all(knowledge: Knowledge) -> None:
    """Asking for much is no error."""
    assert len(knowledge.search("tide", k=1000)) == len(TIDES)


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"author": "me"}, "no filter 'author'"),
        ({"document": 3}, "text or a list"),
        ({"document": []}, "text or a list"),
        ({"document": ["low", 3]}, "text or a list"),
        ({"document": {"$ne": "low"}}, "text or a list"),
        (["document"], "must be a mapping"),
        ("document", "must be a mapping"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(knowledge: Knowledge, filters: Any, told: str) -> None:
    """The error names the fields there are."""
    with pytest.raises(BadRequest, match=told):
        knowledge.search("tide", filters=filters)


@pytest.mark.parametrize("value", ["nowhere", "", "'; --", "\x00", "\ud800", "x" * 100_000])
def test_a_filter_that_nothing_passes_finds_nothing(knowledge: Knowledge, value: str) -> None:
    """Any text may be filtered by."""
    assert knowledge.search("tide", filters={"document": value}) == []
    assert knowledge.search("tide", filters={"document": [value, "low"]})[0].passage.document == "low"


@pytest.mark.parametrize("diversity", [-0.1, 1.1, "much", True, None, float("nan")])
def test_diversity_is_a_share(knowledge: Knowledge, diversity: Any) -> None:
    """From 0 to 1."""
    with pytest.raises(BadRequest, match="from 0 to 1"):
        knowledge.search("tide", diversity=diversity)


async def test_async_searches_refuse_the_same(knowledge: Knowledge) -> None:
    """Before they join a batch."""
    for asked in (
        knowledge.asearch(""),
        knowledge.asearch("tide", k=0),
        knowledge.asearch_many(["tide", ""]),
    ):
        with pytest.raises(BadRequest):
            await asked


@pytest.mark.parametrize("vector", [[float("nan")] * 3, [float("inf")] * 3, [0.0] * 3, []])
def test_embeddings_that_return_nonsense_do_not_break_the_search(tmp_path: Path, vector: list[float]) -> None:
    """Vectors of nothing, of no number, or of none: an error that says so, or the words find it alone."""

    class Nonsense(Embeddings):
        name = "nonsense"

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return vector

    with open_knowledge(tmp_path, embeddings=Nonsense()) as knowledge:
        if not vector or vector[0] != 0:
            with pytest.raises(EmbeddingsFailed, match="nonsense"):
                knowledge.add(TIDES)
            assert knowledge.count() == 0
            return
        knowledge.add(TIDES)
        assert knowledge.search("mason bees", k=1)[0].passage.document == "bees"


def test_a_map_of_places_names_what_it_lacks(tmp_path: Path) -> None:
    """A collection that no place is named for is refused, an empty map too."""
    with pytest.raises(BadRequest, match=r"'other'.*there are notes"):
        open_knowledge({"notes": tmp_path}, "other")
    with pytest.raises(BadRequest, match="empty"):
        open_knowledge({})
    with open_knowledge({"notes": tmp_path / "a", "*": tmp_path / "b"}, "notes") as notes:
        notes.add(TIDES)
        with notes.at("elsewhere") as other:
            assert (other.where, notes.where) == (str(tmp_path / "b"), str(tmp_path / "a"))
            assert other.count() == 0
