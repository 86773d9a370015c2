"""Several collections searched as one, and one collection per tenant."""

import asyncio
import gc
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from langchain_core.embeddings import DeterministicFakeEmbedding

from retrieval import Document, Knowledge, Tenants, open_knowledge
from retrieval import tenants as tenancy
from retrieval.errors import BadRequest, EmbeddingMismatch, KnowledgeClosed, NotWritable


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a handbook, which is trusted, and mail, which is not."""
    with open_knowledge(tmp_path, "handbook") as handbook:
        handbook.add([Document("locks.txt", "The Aurel canal has nineteen locks.", "Locks")])
    with open_knowledge(tmp_path, "mail", trusted=False) as mail:
        mail.add([Document("1.eml", "The canal's locks will be closed in March.", "Closing of the locks")])
    return tmp_path


def addresses(knowledge: Knowledge, query: str) -> set[str]:
    return {hit.passage.document for hit in knowledge.search(query)}


def test_collections_are_searched_as_one(place: Path) -> None:
    """Hits of both stand in one ranking, and the card speaks of both."""
    with open_knowledge(place, ["handbook", "mail"]) as both:
        assert both.search("how many locks has the Aurel canal")[0].passage.document == "locks.txt"
        assert addresses(both, "closing of the locks in March") == {"locks.txt", "1.eml"}
        assert both.count() == 2
        assert "'handbook, mail': 2 documents" in str(both.card())


def test_scores_of_several_collections_are_those_of_one(tmp_path: Path) -> None:
    """The same documents rank the same, whether they lie in one collection or in two."""
    documents = [
        Document(f"{number}", f"Lock {number} of the canal was built in {1700 + 7 * number} of {stone}.")
        for number, stone in enumerate(("granite", "limestone", "brick", "granite", "oak", "sandstone"))
    ]
    with open_knowledge(tmp_path / "one") as one:
        one.add(documents)
        expected = [(hit.passage.document, pytest.approx(hit.score)) for hit in one.search("lock of granite")]
    for name, some in (("odd", documents[1::2]), ("even", documents[::2])):
        with open_knowledge(tmp_path / "two", name) as part:
            part.add(some)
    with open_knowledge(tmp_path / "two", ["odd", "even"]) as two:
        assert [(hit.passage.document, hit.score) for hit in two.search("lock of granite")] == expected


def test_a_planner_sees_the_trusted_ones_only(place: Path) -> None:
    """What is searched and what may reach a planner differ by the trust marks."""
    with open_knowledge(place, ["handbook", "mail"]) as both:
        shown = both.for_planning()
        assert shown is not None
        assert addresses(shown, "closing of the locks in March") == {"locks.txt"}
        assert "mail" not in str(shown.card())
    with open_knowledge(place, "mail") as mail:
        assert mail.for_planning() is None
        mail.mark(trusted=True)
        assert mail.for_planning() is mail


def test_several_collections_are_not_written_to(place: Path) -> None:
    """Which of them a document should go to is said by opening that one."""
    with open_knowledge(place, ["handbook", "mail"]) as both:
        with pytest.raises(NotWritable, match="open the one to write to"):
            both.add([Document("x", "New.")])
        with both.at("mail") as mail:
            assert mail.count() == 1


def test_collections_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    """No collections, and vectors of different models, are said so."""
    with pytest.raises(BadRequest, match="at least one"):
        open_knowledge(tmp_path, [])
    with (
        open_knowledge(tmp_path / "a") as one,
        open_knowledge(tmp_path / "b", embeddings=DeterministicFakeEmbedding(size=8)) as other,
        pytest.raises(EmbeddingMismatch, match="same embeddings"),
    ):
        Knowledge.together([one, other])


async def test_each_tenant_searches_its_own(place: Path) -> None:
    """The caller decides, not the query; and searches side by side do not mix."""
    caller = {"now": "handbook"}
    tenants = Tenants(lambda name: open_knowledge(place, name), lambda: caller["now"])
    mine = {hit.passage.document for hit in await tenants.asearch("mail: closing of the locks")}
    caller["now"] = "mail"
    theirs = {hit.passage.document for hit in await tenants.asearch("handbook: closing of the locks")}
    assert (mine, theirs) == ({"locks.txt"}, {"1.eml"})
    assert await asyncio.to_thread(tenants.for_planning) is None
    tenants.close()
    with pytest.raises(KnowledgeClosed):
        await tenants.asearch("locks")


def test_tenants_that_gave_way_are_closed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that gave way serves those who still hold it, then lets go of its folder."""
    monkeypatch.setattr(tenancy, "MOST_OPEN", 1)
    names = iter(["handbook", "other"])
    tenants = Tenants(
        lambda name: open_knowledge(place / name if name == "other" else place, name), lambda: next(names)
    )
    first = tenants.mine()
    tenants.mine()
    assert addresses(first, "locks") == {"locks.txt"}
    assert not is_free(place)
    del first
    gc.collect()
    assert is_free(place)
    assert not is_free(place / "other")
    tenants.close()
    gc.collect()
    assert is_free(place / "other")


def is_free(folder: Path) -> bool:
    """Whether another process could own a folder now."""
    lock = FileLock(folder / "owner.lock", timeout=0)
    try:
        with lock:
            return True
    except Timeout:
        return False
