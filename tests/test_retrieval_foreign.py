"""Any LangChain vector store or retriever stands in for Chroma, and any LangChain reranker orders the hits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun, Callbacks
from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import BaseDocumentCompressor
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore

from retrieval import Document, Knowledge, WordLlamaEmbeddings, open_knowledge
from retrieval.errors import BadRequest, NotWritable

CRANES = "The harbour of Ostrel has nine cranes built in Leith."
FERRY = "The ferry to Quorlan leaves at nine from the eastern pier."
MARKET = "On Saturdays there is a fish market behind the customs house."
HARBOUR = [
    Document("cranes", CRANES, "Cranes"),
    Document("ferry", FERRY, "Ferry"),
    Document("market", MARKET, "Market"),
]


def filled() -> InMemoryVectorStore:
    store = InMemoryVectorStore(WordLlamaEmbeddings())
    pages = [(CRANES, "a.pdf", 3), (FERRY, "b.pdf", 1), (MARKET, "c.pdf", 2)]
    store.add_documents(
        [LangChainDocument(text, metadata={"source": where, "page": page}) for text, where, page in pages]
    )
    return store


class Shelf(BaseRetriever):
    """Returns everything it has, in the wrong order."""

    texts: list[str]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[LangChainDocument]:
        return [
            LangChainDocument(text, metadata={"source": f"shelf/{at}"}) for at, text in enumerate(self.texts)
        ]


class Shortest(BaseCrossEncoder):
    """Thinks that the shortest text fits best."""

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        return [-float(len(text)) for _, text in text_pairs]


class OnlyMarkets(BaseDocumentCompressor):
    """Drops what is no market, as a compressor may."""

    def compress_documents(
        self, documents: Sequence[LangChainDocument], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[LangChainDocument]:
        return [document for document in documents if "market" in document.page_content]


class Broken(BaseCrossEncoder):
    """A reranker whose server is down."""

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        raise ConnectionError("no reranker today")


def test_what_a_vector_store_holds_is_searched_as_it_is() -> None:
    """Its documents become passages with source and page, ordered by meaning and by words."""
    knowledge = Knowledge.from_vectorstore(filled(), name="mine")
    best = knowledge.search("When does the Quorlan ferry leave?", k=1)[0]
    assert (best.passage.document, best.passage.location, best.passage.text) == ("b.pdf", "page 1", FERRY)
    assert best.dense is not None
    assert best.lexical is not None
    only = knowledge.search("ferry", filters={"document": "c.pdf"})
    assert [hit.passage.document for hit in only] == ["c.pdf"]
    assert "cannot be listed" in str(knowledge.card())
    with pytest.raises(NotWritable, match="folder="):
        knowledge.add(HARBOUR)
    with pytest.raises(BadRequest, match="only the collection"):
        knowledge.at("other")


def test_with_a_folder_a_vector_store_does_what_chroma_does(tmp_path: Path) -> None:
    """Ingest, update, removal, words, links, card and trust are the same over another store."""
    store = InMemoryVectorStore(WordLlamaEmbeddings())
    with Knowledge.from_vectorstore(store, folder=tmp_path) as knowledge:
        assert knowledge.search("ferry") == []
        assert knowledge.add(HARBOUR).counts == {"ingested": 3}
        assert knowledge.add(HARBOUR).counts == {"unchanged": 3}
        assert knowledge.search("Quorlan", k=1)[0].passage.document == "ferry"
        assert knowledge.add([Document("ferry", "The ferry is gone.", "Ferry")]).counts == {"updated": 1}
        assert "Quorlan" not in {
            word for hit in knowledge.search("Quorlan", k=9) for word in hit.passage.text.split()
        }
        assert knowledge.remove("market") == 1
        assert (knowledge.count(), len(store.store)) == (2, 2)
        assert "2 documents" in str(knowledge.card())
        knowledge.mark(trusted=False)
    with Knowledge.from_vectorstore(store, folder=tmp_path) as knowledge:
        assert knowledge.count() == 2
        assert not knowledge.trusted


async def test_a_retriever_can_be_the_knowledge() -> None:
    """Whatever order it returns, the words of the query set it right."""
    knowledge = Knowledge.from_retriever(Shelf(texts=[MARKET, CRANES, FERRY]))
    hits = await knowledge.asearch("Where were the cranes of Ostrel built?", k=2)
    assert hits[0].passage.text == CRANES
    assert hits[0].passage.document == "shelf/1"
    with pytest.raises(NotWritable):
        knowledge.add(HARBOUR)


@pytest.mark.parametrize("reranker", [Shortest(), OnlyMarkets()])
def test_a_reranker_orders_the_hits(tmp_path: Path, reranker: Any) -> None:
    """A cross-encoder or a compressor has the last word, on scores from 0 to 1."""
    with open_knowledge(tmp_path, reranker=reranker) as knowledge:
        knowledge.add([*HARBOUR, Document("stalls", "A market.", "Stalls")])
        hits = knowledge.search("fish market on Saturdays", k=4)
        if isinstance(reranker, Shortest):
            assert hits[0].passage.document == "stalls"
            assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
            assert (hits[0].score, hits[-1].score) == (1.0, 0.0)
        else:
            assert {hit.passage.document for hit in hits} == {"market", "stalls"}


def test_a_reranker_that_fails_costs_only_the_better_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The search goes on with the order it had, and a warning says why."""
    with open_knowledge(tmp_path, reranker=Broken()) as knowledge:
        knowledge.add(HARBOUR)
        assert knowledge.search("Quorlan ferry", k=1)[0].passage.document == "ferry"
    assert "no reranker today" in caplog.text
