"""On whose behalf a run is under way, as the server that let them in has noted it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from langgraph.config import get_config

LOCAL = "local"
"""Everyone who asks while the server is open to its own machine."""

_KEY = "langgraph_auth_user_id"
"""Where LangGraph's servers note who was let in; what a request says under this name they overwrite."""

_ACTING: ContextVar[str | None] = ContextVar("acting", default=None)


def identity() -> str:
    """Return who the run under way is for; empty when nobody had to log in, and outside of runs."""
    acting = _ACTING.get()
    if acting is not None:
        return acting
    try:
        return str(get_config().get("configurable", {}).get(_KEY) or "")
    except RuntimeError:  # outside of a run
        return ""


@contextmanager
def acting_for(who: str) -> Iterator[None]:
    """Have `identity()` return `who`: for a service that does a part of somebody's run."""
    token = _ACTING.set(who)
    try:
        yield
    finally:
        _ACTING.reset(token)


def collection_of(identity: str | None, default: str) -> str:
    """Return the collection that is searched for, and ingested into by, one user of the server.

    Nobody, and the one user of an open server, have the configured one. Any other name is hashed, so that no two
    names can fall together and no name can spell the collection of another.
    """
    if not identity or identity == LOCAL:
        return default
    return f"user-{hashlib.sha256(identity.encode()).hexdigest()[:40]}"
