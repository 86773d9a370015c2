"""How searches are made and collections kept; every figure has a measured default."""

from dataclasses import dataclass
from pathlib import Path

SCHEMA = 2
"""Version of what a collection holds; a collection of another version is refused."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and weights of one knowledge."""

    candidates: int = 50
    """Passages each leg of a search offers to the fusion; a server has one leg and offers twice as many."""
    dense_weight: float | None = None
    """Share of the dense score in the fused one, from 0 (words only) to 1 (meaning only).

    None takes what was measured best: 0.3 for the offline embeddings, 0.4 for stronger ones.
    """
    link_weight: float = 0.4
    """What it adds to a passage, as a share of 1, when a good passage mentions its document's title; 0 for nothing."""
    collapse: bool = True
    """Whether of near-duplicates only one is shown."""
    rerank_candidates: int = 30
    """Hits that a reranker orders anew, or from which a diverse few are chosen."""
    query_chars: int = 4000
    """Characters of a query that are read; what follows is ignored."""
    max_file_bytes: int = 64 * 2**20
    """Larger files are skipped."""
    timeout_s: float = 60.0
    """Seconds one request to a Chroma server may take."""
    retries: int = 3
    """Times a server that is out of reach or overloaded is asked again; the waits between double."""
    cache: Path | None = None
    """Folder of the embedding cache for collections on a server; a folder of ours has its own."""
