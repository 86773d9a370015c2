"""search_documents: the knowledge as a tool, over a real collection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import Document, Knowledge, open_knowledge
from tools.catalog import Catalog, signature, validate
from tools.documents import NOTHING_FOUND, make_search_documents
from tools.observation import call

RYSWICK = "The Treaty of Ryswick was signed on 20 September 1697 and ended the Nine Years' War."
AACHEN = "The Treaty of Aix-la-Chapelle of 1748 ended the War of the Austrian Succession."


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path) as opened:
        opened.add([Document("ryswick.txt", RYSWICK, "Ryswick"), Document("aachen.txt", AACHEN, "Aachen")])
        yield opened


async def test_it_brings_passages_with_where_they_stand(knowledge: Knowledge) -> None:
    """The text is for prompts, the sources say document, span and passage."""
    observation = await call(make_search_documents(knowledge), {"query": "signed Treaty of Ryswick", "k": 1})
    source = observation.sources[0]
    assert observation.error == ""
    assert observation.value == f"[1] Ryswick (line 1): {RYSWICK}"
    assert (source["document"], source["title"], source["text"]) == ("ryswick.txt", "Ryswick", RYSWICK)
    assert RYSWICK[source["start"] : source["end"]] == RYSWICK
    assert source["passage"]
    assert isinstance(source["score"], float)


async def test_k_and_filters_reach_the_search(knowledge: Knowledge) -> None:
    """More passages when asked, and only of the documents asked for."""
    tool = make_search_documents(knowledge, passages=1)
    assert len((await call(tool, {"query": "treaty"})).sources) == 1
    assert len((await call(tool, {"query": "treaty", "k": 2})).sources) == 2
    only = await call(tool, {"query": "treaty", "k": 5, "filters": {"document": "aachen.txt"}})
    assert [source["document"] for source in only.sources] == ["aachen.txt"]


async def test_finding_nothing_is_an_observation(knowledge: Knowledge) -> None:
    """An empty search is no failure: it says so, and has no sources."""
    asked = {"query": "treaty", "filters": {"document": "elsewhere.txt"}}
    observation = await call(make_search_documents(knowledge), asked)
    assert (observation.value, observation.sources, observation.error) == (NOTHING_FOUND, (), "")


async def test_a_search_that_cannot_be_is_an_error(knowledge: Knowledge) -> None:
    """What the knowledge refuses is the observation's error."""
    observation = await call(make_search_documents(knowledge), {"query": " "})
    assert observation.value is None
    assert "query" in observation.error


def test_a_plan_sees_how_to_search(knowledge: Knowledge) -> None:
    """The signature shows the default, the schema bounds k."""
    spec = Catalog([make_search_documents(knowledge, passages=4)])["search_documents"]
    line = signature(spec)
    assert line.startswith(
        "search_documents(query: text, k: int = 4, filters?: object) -> text  [reads]  Searches"
    )
    assert [fault.argument for fault in validate(spec, {"query": "x", "k": 51})] == ["k"]
    assert [fault.argument for fault in validate(spec, {"query": "x", "k": 0})] == ["k"]
    assert (spec.idempotent, spec.returns) == (True, "text")
