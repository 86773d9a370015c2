"""What became of every document of one ingest."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

IngestStatus = Literal["ingested", "unchanged", "updated", "skipped", "removed"]
"""ingested: new; unchanged: already there; updated: there in another version; skipped: not read, see the reason;
removed: its file has vanished and pruning was asked for."""

Progress = Callable[[int, int, str], None]
"""Called after every file with how many are done, how many there are, and the file's address."""


@dataclass(frozen=True, slots=True)
class IngestEntry:
    """What became of one document."""

    document: str
    status: IngestStatus
    reason: str = ""
    """Why it was skipped."""
    passages: int = 0
    """Passages the collection now holds of it."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of every document of one ingest, in order."""

    entries: tuple[IngestEntry, ...] = ()
    seconds: float = 0.0
    paths: tuple[str, ...] = ()
    """What was asked for."""
    refused: str = ""
    """Why pruning was not done although asked for."""

    @property
    def counts(self) -> dict[IngestStatus, int]:
        """Number of documents per status; a status without documents is left out."""
        return dict(Counter(entry.status for entry in self.entries))

    @property
    def passages(self) -> int:
        """Passages the collection now holds of these documents."""
        return sum(entry.passages for entry in self.entries)

    @property
    def skipped(self) -> tuple[IngestEntry, ...]:
        """The documents that were not read, with their reasons."""
        return tuple(entry for entry in self.entries if entry.status == "skipped")

    @property
    def ok(self) -> bool:
        """Whether there was something to ingest, nothing was skipped and nothing refused."""
        return bool(self.entries) and not self.skipped and not self.refused

    def __str__(self) -> str:
        if not self.entries:
            return f"There are no files to ingest in {', '.join(self.paths) or 'what was given'}."
        told = ", ".join(f"{count} {status}" for status, count in sorted(self.counts.items()))
        reasons = "".join(f"\n  skipped {entry.document}: {entry.reason}" for entry in self.skipped)
        refused = f"\n{self.refused}" if self.refused else ""
        return f"{told} ({self.passages} passages, {self.seconds:.1f} s){reasons}{refused}"
