"""How documents are cut and how searches are made; every figure has a measured default."""

from dataclasses import dataclass

SCHEMA = 1
"""Version of what a collection holds; a collection of another version is refused."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and weights of one knowledge."""

    passage_chars: int = 800
    """Longest passage, in characters."""
    overlap_chars: int = 200
    """Characters that neighbouring passages share."""
    candidates: int = 50
    """Passages each leg of a search offers to the fusion; a server has one leg and offers twice as many."""
    dense_weight: float | None = None
    """Share of the dense score in the fused one, from 0 (words only) to 1 (meaning only).

    None takes what was measured best: 0.3 for the offline embeddings, 0.4 for stronger ones.
    """
    query_chars: int = 4000
    """Characters of a query that are read; what follows is ignored."""
    max_file_bytes: int = 64 * 2**20
    """Larger files are skipped."""
    timeout_s: float = 60.0
    """Seconds one request to a Chroma server may take."""
