"""A collection in a folder that another process owns, opened only to read: never stale, never in the way.

Passages, words and vectors come from the SQLite files that the owner writes in single transactions; Chroma, which
one process at a time may open, is not touched. Meaning is compared with every vector, held in memory.
"""

import json
import sqlite3
import threading
from collections.abc import Collection, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from retrieval.documents import Filters, Passage
from retrieval.errors import EmbeddingMismatch, NotWritable, PlaceUnusable
from retrieval.stores.cache import VectorCache
from retrieval.stores.database import reading
from retrieval.stores.exact import ExactIndex, nearest_of
from retrieval.stores.mirror import Mirror
from retrieval.stores.mirrored import Mirrored, marked_trusted, offered
from retrieval.stores.place import CACHE_FILE
from retrieval.stores.store import Asked, Offer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from retrieval.embed import Vectors

_EXACT = 5000


@dataclass(frozen=True, slots=True)
class _Files:
    mirror: Mirror
    cache: VectorCache
    index: ExactIndex
    identity: tuple[int, int]


class ReaderStore(Mirrored):
    """One collection of a folder, for reading."""

    embeds = True

    def __init__(self, folder: Path, name: str, embedding: str, *, trusted: bool | None) -> None:
        if not folder.is_dir():
            raise PlaceUnusable(f"There is no folder {folder} to read from. Ingest documents into it first.")
        self.folder: Path = folder
        self.name, self.embedding, self.where = name, embedding, str(folder)
        self._asked_trust = trusted
        self._opening = threading.Lock()
        self._opened: _Files | None = None
        self._files()

    @property
    def trusted(self) -> bool:
        """Whether its text may reach a planner."""
        mirror = self.mirror()
        return (mirror is None or marked_trusted(mirror)) and self._asked_trust is not False

    @property
    def writing(self) -> "AbstractContextManager[object]":
        """Nothing is written."""
        return nullcontext()

    def mark(self, *, trusted: bool) -> None:  # noqa: ARG002 - the interface
        """Refuse."""
        self._refuse()

    def write_note(self, name: str, value: str) -> None:
        """Keep nothing."""

    def mirror(self) -> Mirror | None:
        """Return the mirror that the owner of the folder keeps; None before the first write."""
        files = self._files()
        return files.mirror if files else None

    def offer(self, asked: Sequence[Asked], most: int, filters: Filters | None) -> list[Offer]:
        """Return the candidates of each query: nearest by meaning and best by words."""
        import numpy as np

        files = self._files()
        if files is None:
            return [Offer({}, {}) for _ in asked]
        queries = np.stack([one.vector for one in asked if one.vector is not None])
        with files.mirror.at_one_moment():
            near = self._near(files, queries, most, filters)
            worded = [files.mirror.worded(one.terms, most, filters) for one in asked]
            return offered(files.mirror, near, worded)

    def vectors(self, ids: Collection[str]) -> "dict[str, Vectors]":
        """Return the vectors of passages."""
        files = self._files()
        return _kept_vectors(files, self.embedding, files.mirror.contents(ids)) if files else {}

    def change(
        self,
        new: Sequence[Passage],  # noqa: ARG002 - the interface
        vectors: "Vectors",  # noqa: ARG002
        gone: Collection[str],  # noqa: ARG002
    ) -> None:
        """Refuse."""
        self._refuse()

    def close(self) -> None:
        """Close the files."""
        with self._opening:
            self._closed()

    def _near(
        self, files: _Files, queries: "Vectors", most: int, filters: Filters | None
    ) -> list[dict[str, float]]:
        if not filters:
            return files.index.nearest(queries, most)
        scope = files.mirror.scope(filters, _EXACT)
        if scope is not None:
            return nearest_of(_kept_vectors(files, self.embedding, scope), queries, most)
        found = []
        for dense in files.index.nearest(queries, files.mirror.count()):
            passing = files.mirror.passing(dense, filters)
            found.append(dict([one for one in dense.items() if one[0] in passing][:most]))
        return found

    def _files(self) -> _Files | None:
        """Return the open files, those of today; None before the first write.

        Raises EmbeddingMismatch.
        """
        with self._opening:
            if self._opened is not None:
                with suppress(OSError):
                    if self._opened.identity == _identity(self._opened.mirror.file):
                        return self._opened
                self._closed()  # the owner made it anew
            for file in sorted(self.folder.glob("lexical-*.sqlite3")):
                about = _about(file)
                if about.get("name") == self.name:
                    self._opened = self._checked(file, str(about.get("embedding")))
                    return self._opened
            return None

    def _closed(self) -> None:
        if self._opened is not None:
            self._opened.mirror.close()
            self._opened.cache.close()
            self._opened = None

    def _checked(self, file: Path, embedding: str) -> _Files:
        if embedding != self.embedding:
            raise EmbeddingMismatch(
                f"The collection {self.name!r} in {self.where} was made with the embeddings {embedding!r} and is now "
                f"opened with {self.embedding!r}. Open it with {embedding!r}."
            )
        mirror = Mirror(file, read_only=True)
        cache = VectorCache(self.folder / CACHE_FILE, read_only=True)
        return _Files(mirror, cache, ExactIndex(mirror, cache, self.embedding), _identity(file))

    def _refuse(self) -> NoReturn:
        raise NotWritable(
            f"The collection {self.name!r} in {self.where} was opened with read_only=True. Change it in the process "
            "that owns the folder, or open it there without."
        )


def _kept_vectors(files: _Files, embedding: str, contents: dict[str, bytes]) -> "dict[str, Vectors]":
    known = files.cache.get(embedding, set(contents.values()))
    return {key: known[content] for key, content in contents.items() if content in known}


def _about(file: Path) -> dict[str, object]:
    with suppress(sqlite3.Error, ValueError), closing(reading(file, "about")) as db:
        row = db.execute("SELECT value FROM about WHERE name = 'collection'").fetchone()
        return dict(json.loads(row[0])) if row else {}
    return {}


def _identity(file: Path) -> tuple[int, int]:
    about = file.stat()
    return about.st_dev, about.st_ino
