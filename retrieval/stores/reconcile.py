"""Bring a mirror in line with its collection after a crash, or after a server has written to the folder.

The collection is the truth, with two exceptions that only a writer who was killed leaves behind: a version of which
passages are missing never became visible and is taken out, and of two versions of a document the later one stays.
"""

from collections.abc import Iterable, Iterator

from retrieval.documents import Passage
from retrieval.stores.chroma import ChromaCollection
from retrieval.stores.manifest import Version, versions
from retrieval.stores.mirror import Mirror

_PASSAGES_AT_ONCE = 1000


def reconcile(collection: ChromaCollection, mirror: Mirror) -> None:
    """Make the mirror hold exactly the whole documents of the collection, and the collection nothing else."""
    found = versions(collection.ids())
    collection.remove(key for version in found if not version.whole for key in version.ids)
    whole = [version for version in found if version.whole]
    there = {key for version in whole for key in version.ids}
    here = mirror.ids()
    missing = [version for version in whole if not here.issuperset(version.ids)]
    for some in _portions(missing):
        passages = collection.passages([key for version in some for key in version.ids])
        documents = _by_document(some, passages)
        older = {
            key for key in passages if key not in {one.id for held in documents.values() for one in held}
        }
        latest = [passage for held in documents.values() for passage in held]
        for document, held in mirror.held(documents).items():
            older |= held - {passage.id for passage in documents[document]}
        mirror.apply(latest, older)
        collection.remove(older & there)
    mirror.apply([], here - there)


def _by_document(some: Iterable[Version], passages: dict[str, Passage]) -> dict[str, list[Passage]]:
    """Return the passages of the last version of each document."""
    found: dict[str, list[Passage]] = {}
    for version in some:
        held = [passages[key] for key in version.ids if key in passages]
        if len(held) == len(version.ids):
            found[held[0].document] = held
    return found


def _portions(missing: Iterable[Version]) -> Iterator[list[Version]]:
    portion: list[Version] = []
    for version in missing:
        portion.append(version)
        if sum(len(one.ids) for one in portion) >= _PASSAGES_AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion
