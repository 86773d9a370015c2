"""Knowledge as a LangChain retriever, for whoever composes with those."""

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from retrieval.documents import Hit
from retrieval.knowledge import Knowledge


class KnowledgeRetriever(BaseRetriever):
    """Documents with metadata source, title, location, start, end, kind, passage and score."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    knowledge: Knowledge
    k: int = 6
    filters: Any = None

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain passes it
    ) -> list[LangChainDocument]:
        return [as_document(hit) for hit in self.knowledge.search(query, k=self.k, filters=self.filters)]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain passes it
    ) -> list[LangChainDocument]:
        return [
            as_document(hit) for hit in await self.knowledge.asearch(query, k=self.k, filters=self.filters)
        ]


def as_document(hit: Hit) -> LangChainDocument:
    """Return a hit as a LangChain document."""
    passage = hit.passage
    about = {
        "source": passage.document,
        "title": passage.title,
        "location": passage.location,
        "start": passage.start,
        "end": passage.end,
        "kind": passage.kind,
        "passage": passage.id,
        "score": hit.score,
    }
    return LangChainDocument(id=passage.id, page_content=passage.text, metadata=about)
