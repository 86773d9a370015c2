"""Vectors by model and content: what was embedded once is not embedded again while a passage has that text."""

import hashlib
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from langchain_core.embeddings import Embeddings

from retrieval.embed import embed_queries, embed_texts, name_of
from retrieval.errors import EmbeddingMismatch, PlaceUnusable
from retrieval.stores.database import connected, reading

if TYPE_CHECKING:
    from retrieval.embed import Vectors

_AT_ONCE = 256
"""Texts embedded between two writes, so that little is lost when an ingest breaks off."""
_NAMES_AT_ONCE = 500

_TABLES = """
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, content BLOB NOT NULL, vector BLOB NOT NULL,
    UNIQUE (model, content));
"""


def content_key(text: str) -> bytes:
    """Return the fingerprint under which the vector of a text is kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


class VectorCache:
    """A file of vectors, safe to use from several threads and processes; losing it costs only time."""

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        self._file, self._lock = file, threading.RLock()
        self._db = self._opened(read_only)

    def get(self, model: str, keys: Collection[bytes]) -> "dict[bytes, Vectors]":
        """Return the vectors that are there, by content key."""
        import numpy as np

        found: dict[bytes, Vectors] = {}
        asked = list(keys)
        for start in range(0, len(asked), _NAMES_AT_ONCE):
            some = asked[start : start + _NAMES_AT_ONCE]
            marks = ", ".join("?" * len(some))
            with self._using() as db:
                rows = db.execute(
                    f"SELECT content, vector FROM vectors WHERE model = ? AND content IN ({marks})",  # noqa: S608 - marks
                    [model, *some],
                ).fetchall()
            found.update((bytes(key), np.frombuffer(vector, dtype=np.float32)) for key, vector in rows)
        return found

    def put(self, model: str, vectors: "dict[bytes, Vectors]") -> None:
        """Keep vectors."""
        rows = [(model, key, vector.tobytes()) for key, vector in vectors.items()]
        with self._using() as db, db:
            db.executemany("INSERT OR REPLACE INTO vectors (model, content, vector) VALUES (?, ?, ?)", rows)

    def drop(self, model: str, keys: Collection[bytes]) -> None:
        """Forget vectors."""
        with self._using() as db, db:
            db.executemany(
                "DELETE FROM vectors WHERE model = ? AND content = ?", [(model, key) for key in keys]
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise PlaceUnusable(
                    f"The embedding cache {self._file} cannot be used ({error}). Check that the disk has space; "
                    "if it has, delete the file: it is made anew."
                ) from error

    def _opened(self, read_only: bool) -> sqlite3.Connection:
        if read_only:
            return reading(self._file, "vectors")
        try:
            return _connected(self._file)
        except sqlite3.OperationalError:
            raise  # a full disk or a lock is no damage
        except sqlite3.DatabaseError:
            for leftover in self._file.parent.glob(f"{self._file.name}*"):
                leftover.unlink()
            return _connected(self._file)


class CachedEmbeddings(Embeddings):
    """Embeddings that look into a cache before they embed a document's text; queries pass through."""

    def __init__(self, embeddings: Embeddings, cache: VectorCache | None) -> None:
        self.inner, self.cache = embeddings, cache
        self.name = name_of(embeddings)
        count = getattr(embeddings, "count_tokens", None)
        if callable(count):
            self.count_tokens = count

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return one vector per text, new ones made and kept some hundred at a time."""
        import numpy as np

        if self.cache is None or not texts:
            return embed_texts(self.inner, texts)
        keys = [content_key(text) for text in texts]
        known = self.cache.get(self.name, set(keys))
        absent = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        order = list(absent)
        for start in range(0, len(order), _AT_ONCE):
            some = order[start : start + _AT_ONCE]
            made = dict(zip(some, embed_texts(self.inner, [absent[key] for key in some]), strict=True))
            self.cache.put(self.name, made)
            known.update(made)
        if len(sizes := {len(vector) for vector in known.values()}) > 1:
            raise EmbeddingMismatch(
                f"{self.name!r} returned vectors of {' and of '.join(map(str, sorted(sizes)))} dimensions: give a "
                "changed model another name."
            )
        return np.stack([known[key] for key in keys])

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text."""
        return cast("list[list[float]]", self.vectors(texts).tolist())

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self.inner.embed_query(text)

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of many queries, in one call where that is possible."""
        return cast("list[list[float]]", embed_queries(self.inner, texts).tolist())


def _connected(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    db = connected(file)
    try:
        db.executescript(_TABLES)
    except BaseException:
        db.close()
        raise
    return db
