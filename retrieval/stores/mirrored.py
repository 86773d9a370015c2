"""What a store with a mirror answers from it."""

import json
from collections.abc import Collection, Mapping, Sequence

from retrieval.documents import Passage
from retrieval.stores.mirror import Mirror
from retrieval.stores.store import DocumentRow, Offer

_INTRODUCTION = "collection"


class Mirrored:
    """The part of a store that its mirror answers; nothing is there as long as there is no mirror."""

    def mirror(self) -> Mirror | None:
        """Return the mirror, in line with what it mirrors; None before the first write."""
        raise NotImplementedError

    def state(self) -> str:
        """Return a text that differs after every change."""
        mirror = self.mirror()
        return str(mirror.generation()) if mirror else ""

    def note(self, name: str) -> str:
        """Return what was noted under a name; empty when nothing was."""
        mirror = self.mirror()
        return mirror.note(name) if mirror else ""

    def write_note(self, name: str, value: str) -> None:
        """Keep a short text with the collection; nothing is kept before the first write."""
        mirror = self.mirror()
        if mirror:
            mirror.write_note(name, value)

    def is_empty(self) -> bool:
        """Whether nothing can be found."""
        return self.count() == 0

    def count(self) -> int | None:
        """Return the number of passages."""
        mirror = self.mirror()
        return mirror.count() if mirror else 0

    def documents(self) -> Sequence[DocumentRow]:
        """Return the documents, those with most passages first."""
        mirror = self.mirror()
        return mirror.documents() if mirror else []

    def held(self, documents: Collection[str]) -> dict[str, set[str]]:
        """Return the ids of the passages held per document; one without passages is left out."""
        mirror = self.mirror()
        return mirror.held(documents) if mirror else {}

    def passages(self, ids: Collection[str]) -> dict[str, Passage]:
        """Return the passages with these ids, as far as they are there."""
        mirror = self.mirror()
        return mirror.passages(ids) if mirror else {}

    def titled(self, names: Collection[str]) -> dict[str, dict[str, str]]:
        """Return, per name that is a title, its documents with the id of their first passage."""
        mirror = self.mirror()
        return mirror.titled(names) if mirror and names else {}

    def sample(self, most: int) -> list[Passage]:
        """Return some passages from all over the collection."""
        mirror = self.mirror()
        return mirror.sample(most) if mirror else []


def offered(
    mirror: Mirror, near: Sequence[Mapping[str, float]], worded: Sequence[Sequence[str]]
) -> list[Offer]:
    """Return what was found by meaning and by words per query, as far as it stands in the mirror."""
    held = mirror.with_terms({key for some in (*near, *worded) for key in some})
    offers = []
    for dense, words in zip(near, worded, strict=True):
        own = {key: held[key] for key in dict.fromkeys([*dense, *words]) if key in held}
        offers.append(
            Offer(
                {key: passage for key, (passage, _) in own.items()},
                {key: score for key, score in dense.items() if key in held},
                {key: found for key, (_, found) in own.items()},
            )
        )
    return offers


def introduce(mirror: Mirror, *, name: str, embedding: str, trusted: bool) -> None:
    """Write on a mirror what it mirrors: who only reads knows collections by it."""
    mirror.write_note(_INTRODUCTION, json.dumps({"name": name, "embedding": embedding, "trusted": trusted}))


def marked_trusted(mirror: Mirror) -> bool:
    """Return the trust mark on a mirror."""
    noted = mirror.note(_INTRODUCTION)
    return bool(json.loads(noted)["trusted"]) if noted else True
