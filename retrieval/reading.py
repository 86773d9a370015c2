"""How documents are read and cut; every figure has a reason or a measured default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from retrieval.errors import BadRequest


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Sizes and bounds of one ingest."""

    passage_tokens: int = 200
    """Longest passage, in tokens of the embedding model."""
    overlap_tokens: int = 40
    """Tokens that a passage may repeat from the one before it."""
    max_file_bytes: int = 64 * 2**20
    """Larger files are skipped."""
    timeout_s: float = 120.0
    """Seconds one file may take to read; one that takes longer is skipped."""
    memory_bytes: int = 2 * 2**30
    """Memory the reading of one file may take; one that needs more is skipped. Linux holds to it, macOS does not."""
    workers: int | None = None
    """Processes that read files; None takes one per processor, at most eight; 0 reads in this process, unguarded."""
    loaders: Mapping[str, str] = field(default_factory=dict)
    """Suffix such as ".dwg" to "module:function" of a function that takes bytes and name and returns text."""
    private_addresses: bool = False
    """Whether web addresses may lead into private networks."""
    fetch_timeout_s: float = 30.0
    """Seconds one web address may take."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap_tokens < self.passage_tokens:
            raise BadRequest(
                f"overlap_tokens must be from 0 to less than passage_tokens ({self.passage_tokens}), "
                f"not {self.overlap_tokens}."
            )

    @property
    def processes(self) -> int:
        """Number of processes that read files."""
        return min(8, os.cpu_count() or 1) if self.workers is None else max(0, self.workers)
