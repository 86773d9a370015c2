"""Embedding by many at once: the texts of documents are shared out among actors."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from langchain_core.embeddings import Embeddings

from retrieval.embed import name_of
from retrieval.engines.pool import ActorsDied, Pool
from retrieval.errors import EngineFailed

if TYPE_CHECKING:
    from retrieval.embed import Vectors

_FEWEST_TEXTS = 32
"""Texts that are worth a trip of their own."""
_MOST_TEXTS = 256


class SpreadEmbeddings(Embeddings):
    """Embeddings whose texts of documents are embedded by actors; queries are embedded here."""

    def __init__(self, embeddings: Embeddings, pool: Pool) -> None:
        self.name = name_of(embeddings)
        self._embeddings, self._pool = embeddings, pool
        count = getattr(embeddings, "count_tokens", None)
        if callable(count):
            self.count_tokens = count

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return one vector per text; raises EngineFailed when actors die over them."""
        import numpy as np

        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        share = min(_MOST_TEXTS, max(_FEWEST_TEXTS, -(-len(texts) // self._pool.size)))
        shares = [list(texts[start : start + share]) for start in range(0, len(texts), share)]
        try:
            with ThreadPoolExecutor(min(len(shares), self._pool.size)) as threads:
                made = list(threads.map(lambda some: self._pool.ask("vectors", some), shares))
        except ActorsDied as error:
            raise EngineFailed(
                f"Actors on Ray die over embedding with {self.name!r}; it may need more memory than they have. What "
                "was ingested is kept."
            ) from error
        return np.concatenate(made)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text."""
        return cast("list[list[float]]", self.vectors(texts).tolist())

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self._embeddings.embed_query(text)
