"""What comes first, what is shown once, and what is found by the names that good passages mention."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings

from retrieval import Config, Document, Knowledge, open_knowledge
from retrieval.ranking.links import mentions, title_key
from retrieval.terms import query_terms, terms

ISLAND = Document(
    "island", "Bansaan Island is a small island that belongs to the province of Bohol.", "Bansaan Island"
)
PROVINCE = Document("province", "It is known for its chocolate hills and tarsiers.", "Bohol")
NOISE = [
    Document(f"noise/{number}", f"{place} lies on a river and has a market and a school.", place)
    for number, place in enumerate(
        ("Velden", "Ostrel", "Quorlan", "Marrow", "Tesk", "Ardun", "Selby", "Hask")
    )
]


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path) as opened:
        yield opened


def test_a_document_that_a_good_passage_names_comes_forward(knowledge: Knowledge) -> None:
    """The second hop shares no word with the question; the first passage names its title."""
    knowledge.add([*NOISE, PROVINCE, ISLAND])
    hits = knowledge.search("Which province does Bansaan Island belong to?", k=2)
    assert [hit.passage.document for hit in hits] == ["island", "province"]
    assert hits[1].linked == hits[0].score
    assert hits[0].linked is None


def test_without_a_weight_nothing_is_linked(tmp_path: Path) -> None:
    """The weight of mentions is a setting, and 0 turns them off."""
    with open_knowledge(tmp_path, config=Config(link_weight=0)) as knowledge:
        knowledge.add([*NOISE, PROVINCE, ISLAND])
        assert {hit.linked for hit in knowledge.search("Bansaan Island province", k=10)} == {None}


def test_filters_hold_for_what_is_linked(knowledge: Knowledge) -> None:
    """A mention leads to no document that the filter leaves out."""
    knowledge.add([*NOISE, PROVINCE, ISLAND])
    allowed = ["island", "noise/1"]
    hits = knowledge.search("Bansaan Island province", k=10, filters={"document": allowed})
    assert {hit.passage.document for hit in hits} == set(allowed)


def test_a_title_that_many_share_is_no_name(knowledge: Knowledge) -> None:
    """A label such as "Bohol" over every chapter leads nowhere."""
    chapters = [
        Document(f"chapter/{number}", f"Chapter {number} is about {word}.", "Bohol")
        for number, word in enumerate(("hills", "rice", "boats", "bells"))
    ]
    knowledge.add([*NOISE, *chapters, ISLAND])
    assert {hit.linked for hit in knowledge.search("Bansaan Island province", k=10)} == {None}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("He met John F. Kennedy in Chicago.", {"john f kennedy", "chicago"}),
        ("It belongs to Bohol. Market day is Monday.", {"bohol", "monday"}),
        ("They signed the Treaty of Aix-la-Chapelle of 1748", {"treaty of aix la chapelle", "treaty"}),
        ("nothing here is a name", set()),
    ],
)
def test_names_are_read_from_running_text(text: str, named: set[str]) -> None:
    """A name is written with capitals; the first word of a sentence alone is none."""
    found = mentions(text)
    assert named <= found
    assert "market" not in found
    assert not {key for key in found if key.startswith("bohol market")}


def test_a_title_is_a_name_without_its_brackets() -> None:
    """What tells two pages apart is not part of the name; figures alone and small words are none."""
    assert title_key("Mercury (planet)") == "mercury"
    assert [title_key(title) for title in ("1995", "The", "", "a b c d e f g")] == ["", "", "", ""]


def test_copies_are_shown_once(knowledge: Knowledge) -> None:
    """The same words at two addresses take one place, also when case and commas differ."""
    text = (
        "The harbour of Ostrel has nine cranes which were built in Leith, and a lighthouse of grey granite."
    )
    copy = text.replace(", and", " and")
    knowledge.add(
        [Document("a", text, "Port"), Document("b", copy, "Port"), Document("c", "Cranes eat frogs.")]
    )
    hits = knowledge.search("cranes of Ostrel", k=3)
    assert len([hit for hit in hits if "Leith" in hit.passage.text]) == 1
    assert len(hits) == 2


def test_what_differs_in_a_figure_or_a_name_is_no_copy(knowledge: Knowledge) -> None:
    """Reports from one template stay apart."""
    text = (
        "In {year} the harbour of {place} counted nine ships a day and closed the year without a loss at all."
    )
    pairs = [(1911, "Ostrel"), (1912, "Ostrel"), (1911, "Velden")]
    knowledge.add([Document(f"{year} {place}", text.format(year=year, place=place)) for year, place in pairs])
    assert len(knowledge.search("ships in the harbour", k=5)) == 3


def test_copies_can_be_asked_for(tmp_path: Path) -> None:
    """Showing them all is a setting."""
    with open_knowledge(tmp_path, config=Config(collapse=False)) as knowledge:
        knowledge.add([Document(key, "The ferry leaves at nine from the eastern pier.") for key in "ab"])
        assert len(knowledge.search("ferry", k=5)) == 2


def test_the_queries_of_a_batch_see_the_same_copy(knowledge: Knowledge) -> None:
    """Who reads the evidence of several steps sees one passage, not two that say the same."""
    text = "The ferry to Quorlan leaves at nine from the eastern pier, and in winter it does not run at all."
    knowledge.add([Document("a", text, "Ferry"), Document("b", text, "Ferry"), *NOISE])
    first, second = knowledge.search_many(
        ["When does the ferry leave?", "Does it run in winter, from which pier?"], k=1
    )
    assert first[0].passage == second[0].passage


async def test_searches_of_one_moment_are_embedded_in_one_call(tmp_path: Path) -> None:
    """Steps that are ready together ask together, and one that cannot be asked does not spoil the others."""

    class Counting(Embeddings):
        name = "counting"
        calls: list[int]

        def __init__(self) -> None:
            self.calls = []

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[1.0, float(len(text))] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

        def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
            self.calls.append(len(texts))
            return self.embed_documents(list(texts))

    embeddings = Counting()
    with open_knowledge(tmp_path, embeddings=embeddings) as knowledge:
        await asyncio.to_thread(knowledge.add, NOISE)
        asked = [
            knowledge.asearch(place, k=k)
            for place, k in (("Velden", 1), ("Ostrel", 2), (" ", 1), ("Tesk", 3))
        ]
        asked.append(knowledge.asearch("Selby", filters={"title": "Selby"}))
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert embeddings.calls == [4]
        assert [len(hits) if isinstance(hits, list) else type(hits).__name__ for hits in found] == [
            1, 2, "BadRequest", 3, 1
        ]  # fmt: skip
        assert await knowledge.asearch("Velden", k=1) == found[0]


async def test_a_search_that_nobody_waits_for_any_more_costs_the_others_nothing(knowledge: Knowledge) -> None:
    """A cancelled step leaves the batch it was in."""
    await asyncio.to_thread(knowledge.add, NOISE)
    gone = asyncio.create_task(knowledge.asearch("Velden"))
    kept = asyncio.create_task(knowledge.asearch("Ostrel", k=1))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await kept)[0].passage.title == "Ostrel"
    assert gone.cancelled() or gone.cancelling()


def test_variety_is_only_for_who_asks(knowledge: Knowledge) -> None:
    """By default the nearest come first; with diversity the second hit is one that says something else."""
    alike = [
        Document(f"alike/{n}", f"The ferry from pier {n} leaves for Quorlan at nine.", "Ferry")
        for n in range(4)
    ]
    other = Document("other", "Quorlan is reached on foot over the old bridge.", "Bridge")
    knowledge.add([*alike, other, *NOISE])
    query = "the ferry from the pier to Quorlan"
    assert "other" not in {hit.passage.document for hit in knowledge.search(query, k=3)}
    diverse = knowledge.search(query, k=3, diversity=0.7)
    assert diverse[0].passage.title == "Ferry"
    assert len({hit.passage.title for hit in diverse}) > 1


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("北京", "我住在北京市中心"),
        ("पानी", "गाँव में पानी नहीं है"),
        ("กรุงเทพ", "ฉันอยู่ที่กรุงเทพมหานคร"),
        ("CAFÉ", "a naïve cafe"),
        ("Straße", "die Strasse"),
        ("ＴＯＫＹＯ", "tokyo tower"),
    ],
)
def test_words_are_found_in_any_script(query: str, text: str) -> None:
    """Scripts without spaces, accents, other widths and cases: what a person would call the same word is one."""
    assert set(query_terms(query)) <= set(terms(text))


@pytest.mark.parametrize("query", ["北京 OR (x", "café AND NEAR(", '"', "be\x00es", "x" * 5000])
def test_terms_are_letters_and_figures_only(query: str) -> None:
    """Nothing of a query can be read as syntax."""
    assert all(term.isascii() and term.isalnum() for term in query_terms(query))
