"""The collection a command works on, and what to say when there is nothing in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from agent_graph.bootstrap import DEMO_COLLECTION, find_knowledge, open_default_knowledge
from agent_graph.errors import UserError
from agent_graph.settings import Settings, listed
from retrieval.knowledge import Knowledge

NOTHING_INGESTED = "Nothing has been ingested yet. Ingest documents first: agent-graph ingest PATH"


@contextmanager
def opened(settings: Settings, collection: str | None) -> Iterator[Knowledge | None]:
    """Open the collection named, else the one to answer from; None when nothing was ingested.

    Raises UserError when the collection named holds nothing.
    """
    knowledge = _named(settings, collection) if collection else find_knowledge(settings)
    try:
        yield knowledge
    finally:
        if knowledge is not None:
            knowledge.close()


def remark(settings: Settings, knowledge: Knowledge | None) -> str:
    """Return what a person should know about what is searched; empty when it is what they expect."""
    if knowledge is None:
        return f"{NOTHING_INGESTED} (going on without documents)"
    if knowledge.name == DEMO_COLLECTION and DEMO_COLLECTION not in settings.collections:
        return (
            "Nothing has been ingested yet: this searches the demo's document. Yours: agent-graph ingest PATH"
        )
    return ""


def _named(settings: Settings, collection: str) -> Knowledge:
    if not settings.has_index:
        raise UserError(NOTHING_INGESTED)
    knowledge = open_default_knowledge(settings, *listed(collection))
    if knowledge.count():
        return knowledge
    knowledge.close()
    raise UserError(
        f"The collection {collection!r} is empty. Ingest documents into it: "
        f"agent-graph ingest PATH --collection {collection}"
    )
