"""Whether a replica may be called: a circuit that opens after losses and lets one call try whether it is back.

    closed ──THRESHOLD losses in a row──> open ──OPEN_S──> half-open: one call may try
       ^                                    ^                  │
       └──────────── it answers ────────────┼──────────────────┤
                                            └──── it is lost ──┘

Pure: every change returns a new value, and time is an argument.
"""

from typing import NamedTuple

THRESHOLD = 3
"""Losses in a row that open the circuit."""
OPEN_S = 1.0
"""Seconds for which an open circuit lets nothing through; a service takes longer than that to start."""


class Circuit(NamedTuple):
    """What is known of one replica."""

    losses: int = 0
    """In a row, up to now."""
    opened: float | None = None
    """When the circuit opened; None while it is closed."""
    trying: bool = False
    """Whether a call is finding out if the replica is back."""

    def lets_through(self, now: float) -> bool:
        """Whether a call may begin."""
        return self.opened is None or (not self.trying and now - self.opened >= OPEN_S)

    def begin(self) -> "Circuit":
        """Take note of a call that was let through."""
        return self._replace(trying=self.opened is not None)

    def answer(self) -> "Circuit":
        """Take note that the replica answers: others may call, yet one more loss opens the circuit again."""
        return Circuit(losses=min(self.losses, THRESHOLD - 1))

    def lose(self, now: float) -> "Circuit":
        """Take note of a call that was lost, before or after its first answer."""
        losses = min(self.losses + 1, THRESHOLD)
        return Circuit(losses, now if losses == THRESHOLD else None)

    def withdraw(self) -> "Circuit":
        """Take note of a call that its caller gave up before there was an answer."""
        return self._replace(trying=False)
