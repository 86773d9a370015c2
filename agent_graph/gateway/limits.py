"""How much one user may use: pure accounting, no clock and no storage."""

from typing import NamedTuple


class Limits(NamedTuple):
    """What one user of the server may use."""

    runs: int
    """At the same time, those that wait included."""
    steps: int
    """In a day."""
    tokens: int
    """In a day, input and output together."""


class Spent(NamedTuple):
    """What one user has used on one day."""

    steps: int = 0
    tokens: int = 0


def refusal(limits: Limits, spent: Spent, running: int) -> str:
    """Return why one more run may not start, in a sentence for the user; empty when it may.

    A day's limits are looked at when a run starts: the runs that are going on then may still pass them.
    """
    if running >= limits.runs:
        return (
            f"You have {running} runs going on, and {limits.runs} is the most at a time. Wait for one to end."
        )
    if spent.tokens >= limits.tokens:
        return (
            f"You have used {spent.tokens:,} of {limits.tokens:,} tokens today. Come back after midnight UTC."
        )
    if spent.steps >= limits.steps:
        return f"You have used {spent.steps:,} of {limits.steps:,} steps today. Come back after midnight UTC."
    return ""
