"""Who asks, and what is theirs."""

from typing import NamedTuple

from agent_graph.identity import LOCAL

LONGEST_IDENTITY = 200
SYSTEM = "system"
"""Whom Aegra counts as the owner of what is everybody's."""


class User(NamedTuple):
    """Somebody who was let in."""

    identity: str
    """Their name in the key file, or the subject of their token."""
    by: str = "open"
    """How they were known: open, key, token."""


def checked_identity(name: str) -> str:
    """Return a name that can stand for a person.

    Raises ValueError with what is wrong with it.
    """
    if not name or len(name) > LONGEST_IDENTITY or not name.isprintable() or name != name.strip():
        raise ValueError(f"a name is 1 to {LONGEST_IDENTITY} printable characters without space around them")
    if name in (LOCAL, SYSTEM):
        raise ValueError(f"the name {name!r} is kept for the server itself")
    return name
