"""Build a collection's index anew from its stored passages; nothing is asked of who wrote them.

The passages are in Chroma's database, which a crash does not harm, and their vectors in the embedding cache. The new
collection is filled beside the old one and takes its name at the end, so that a kill at any moment loses nothing.
"""

import hashlib
import logging
from typing import TYPE_CHECKING

from retrieval.embed import embed_passages
from retrieval.errors import PlaceDamaged
from retrieval.stores.cache import CachedEmbeddings
from retrieval.stores.chroma import ChromaCollection

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_log = logging.getLogger("retrieval.stores.rebuild")

_REBUILDS = "rebuilds"
"""Metadata of a collection that is to take another's place: the name of the other."""


def unfinished(client: "ClientAPI", name: str) -> None:
    """Finish or drop what a rebuild that was killed left behind."""
    collections = list(client.list_collections())
    for beside in collections:
        if (beside.metadata or {}).get(_REBUILDS) != name:
            continue
        if name in {one.name for one in collections}:
            client.delete_collection(beside.name)
        else:
            # the old one goes only after the new one is full
            _named(client, beside.name, name)


def rebuild(client: "ClientAPI", collection: ChromaCollection, embeddings: CachedEmbeddings) -> str:
    """Replace a damaged collection by one with the same passages and a new index; return its new id.

    Raises PlaceDamaged when not every passage could be carried over; then the old one stays.
    """
    held = collection.count()
    _log.warning("Rebuilding the index of %r (%d passages).", collection.name, held)
    if not held:
        client.delete_collection(collection.name)
        return ""
    name = f"rebuilt-{hashlib.sha256(collection.name.encode()).hexdigest()[:16]}"
    beside = ChromaCollection(
        client,
        collection.where,
        name,
        collection.embedding,
        retries=0,
        trusted=None,
        notes={_REBUILDS: collection.name},
    )
    for page in collection.pages():
        passages = list(page.values())
        beside.write(passages, embed_passages(embeddings, passages))
    if beside.count() != held:
        raise PlaceDamaged(
            f"Only {beside.count()} of {held} passages of {collection.name!r} in {collection.where} can be read. "
            "Ingest the documents into a new folder."
        )
    beside.annotate({key: value for key, value in collection.notes().items() if key != "dimension"})
    client.delete_collection(collection.name)
    return _named(client, name, collection.name)


def _named(client: "ClientAPI", beside: str, name: str) -> str:
    raw = client.get_collection(beside, embedding_function=None)
    notes = {key: value for key, value in (raw.metadata or {}).items() if key != _REBUILDS}
    raw.modify(name=name, metadata=notes)
    return str(raw.id)
