"""Order the best hits anew by a model that reads query and passage together: any LangChain one."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import BaseDocumentCompressor
from langchain_core.documents import Document as LangChainDocument

from retrieval.documents import Hit
from retrieval.embed import embedded_text
from retrieval.ranking.fuse import normalised

Reranker = BaseCrossEncoder | BaseDocumentCompressor
"""A cross-encoder, or a compressor that orders documents and may drop some."""

_log = logging.getLogger("retrieval.ranking.rerank")


def reranked(reranker: Reranker, query: str, hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits in the reranker's order, scored 0 to 1; those it drops are gone.

    A reranker that fails costs the better order, not the search: the hits stay as they are and a warning is logged.
    """
    if len(hits) < 2:
        return list(hits)
    try:
        scores = _scores(reranker, query, hits)
    except Exception as error:
        _log.warning("The reranker %s failed, hits keep their order: %r", type(reranker).__name__, error)
        return list(hits)
    by_id = {hit.passage.id: hit for hit in hits}
    ordered = sorted(normalised(scores).items(), key=lambda item: (-item[1], item[0]))
    return [replace(by_id[key], score=score) for key, score in ordered if key in by_id]


def _scores(reranker: Reranker, query: str, hits: Sequence[Hit]) -> dict[str, float]:
    if isinstance(reranker, BaseCrossEncoder):
        told = reranker.score([(query, embedded_text(hit.passage)) for hit in hits])
        return {hit.passage.id: float(score) for hit, score in zip(hits, told, strict=True)}
    offered = [
        LangChainDocument(embedded_text(hit.passage), id=hit.passage.id, metadata={"passage": hit.passage.id})
        for hit in hits
    ]
    kept = reranker.compress_documents(offered, query)
    # the order is the verdict: what relevance scores mean differs from one compressor to the next
    return {str(one.metadata["passage"]): float(-place) for place, one in enumerate(kept)}
