"""What the doctor looks at of documents: what there is, who may reach it, what can be read."""

import importlib.util
import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from agent_graph.cli.check import Check
from agent_graph.cli.console import counted
from agent_graph.settings import Settings

_TIMEOUT_S = 5.0
_COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def collections(settings: Settings) -> Iterator[Check]:
    """What there is to answer from."""
    from agent_graph.bootstrap import DEMO_COLLECTION, open_default_knowledge
    from agent_graph.cli.knowledge import NOTHING_INGESTED
    from retrieval.errors import PlaceBusy

    if not settings.has_index:
        yield Check("knowledge", "warn", f"nothing in {settings.where}", NOTHING_INGESTED)
        return
    held = 0
    for name in dict.fromkeys((*settings.collections, DEMO_COLLECTION)):
        try:
            with open_default_knowledge(settings, name) as knowledge:
                card = knowledge.card()
        except PlaceBusy as error:
            yield Check("knowledge", "warn", "another process has it open", str(error))
            return
        if card.passages:
            held += card.passages
            found = f"{name!r}: {counted(card.documents, 'document')}, {counted(card.passages, 'passage')} in {settings.where}"
            yield Check("knowledge", "ok", found)
    if not held:
        yield Check("knowledge", "warn", f"nothing in {settings.where}", NOTHING_INGESTED)


def chroma_servers(settings: Settings) -> Iterator[Check]:
    """Whether a Chroma server answers anybody who reaches it: by itself it asks nobody who they are."""
    import httpx

    places = settings.places
    for place in dict.fromkeys([places] if isinstance(places, str) else places.values()):
        if "://" not in place:
            continue
        reply = httpx.get(f"{place.rstrip('/')}{_COLLECTIONS}", timeout=_TIMEOUT_S)
        if not reply.is_success:
            yield Check("chroma server", "ok", f"{place} asks for a token")
        elif _is_this_machine(place):
            yield Check("chroma server", "ok", f"{place} asks for no token, and listens on this machine")
        else:
            todo = "Put a proxy before it that asks for a token, and set AGENT_GRAPH_KNOWLEDGE_TOKEN to that."
            yield Check("chroma server", "warn", f"{place} answers anybody who reaches it", todo)


def formats(settings: Settings) -> Iterator[Check]:
    """Which kinds of files can be ingested."""
    del settings
    if importlib.util.find_spec("kreuzberg"):
        yield Check("formats", "ok", "all, Word and PowerPoint files from before 2007 too")
    else:
        todo = "For .doc and .ppt: pip install 'agent-graph[documents]'"
        yield Check("formats", "ok", "all but Word and PowerPoint files from before 2007", todo)


def _is_this_machine(place: str) -> bool:
    host = urlsplit(place).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
