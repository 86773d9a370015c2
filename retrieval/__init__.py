"""Documents in, cited passages out: ingest, hybrid search over Chroma, and nothing about agents."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.config import Config as Config
    from retrieval.documents import Document as Document
    from retrieval.documents import Hit as Hit
    from retrieval.documents import Passage as Passage
    from retrieval.documents import Section as Section
    from retrieval.embed import WordLlamaEmbeddings as WordLlamaEmbeddings
    from retrieval.embed import embeddings_from as embeddings_from
    from retrieval.engines.cluster import Cluster as Cluster
    from retrieval.errors import RetrievalError as RetrievalError
    from retrieval.ingest import IngestEntry as IngestEntry
    from retrieval.ingest import IngestReport as IngestReport
    from retrieval.knowledge import Card as Card
    from retrieval.knowledge import Knowledge as Knowledge
    from retrieval.knowledge import open_knowledge as open_knowledge
    from retrieval.tenants import Tenants as Tenants

_HOMES = {
    "Card": "knowledge",
    "Cluster": "engines.cluster",
    "Config": "config",
    "Document": "documents",
    "Hit": "documents",
    "IngestEntry": "ingest",
    "IngestReport": "ingest",
    "Knowledge": "knowledge",
    "Passage": "documents",
    "RetrievalError": "errors",
    "Section": "documents",
    "Tenants": "tenants",
    "WordLlamaEmbeddings": "embed",
    "embeddings_from": "embed",
    "open_knowledge": "knowledge",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"retrieval.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
