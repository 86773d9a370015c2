"""The lexical leg: BM25 over stemmed words in SQLite FTS5, on disk beside Chroma or in memory for one search.

On disk it mirrors a Chroma collection, which stays the truth: `reconcile` brings the mirror in line.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from retrieval.documents import FIELDS, Filters, Passage

T = TypeVar("T")

_MAX_TERMS = 64
_WORD = re.compile(r"\w+")
_STOP_WORDS = frozenset(
    """a an and are as at be been but by did do does for from had has have he her his how i in is it its of on or
    she that the their them they this to was we were what when where which who whom whose why will with you
    """.split()  # noqa: SIM905 - sixty quoted words are harder to read
)
_TABLES = """
CREATE TABLE IF NOT EXISTS passages (
    rowid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL, title TEXT NOT NULL,
    location TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, kind TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_document ON passages (document);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(title, text, tokenize = 'porter unicode61 remove_diacritics 2');
"""
_COLUMNS = "p.id, words.text, p.document, p.title, p.location, p.first, p.last, p.kind"


class Lexical:
    """A BM25 index of passages, safe to use from several threads."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._file = file
        self._stale = file is not None
        self._db = self._opened()

    def search(self, query: str, k: int, filters: Filters | None = None) -> list[tuple[Passage, float]]:
        """Return the best `k` passages that hold a word of the query, with their BM25, best first."""
        words = match_expression(query)
        if not words:
            return []
        where, values = _conditions(filters)
        # bm25() is negative, best lowest; a word in the title counts twice
        rows = self._all(
            f"SELECT {_COLUMNS}, -bm25(words, 2.0, 1.0) AS score FROM words JOIN passages p ON p.rowid = words.rowid "  # noqa: S608
            f"WHERE words MATCH ?{where} ORDER BY score DESC, p.id LIMIT ?",
            [words, *values, k],
        )
        return [(Passage(*row[:-1]), row[-1]) for row in rows]

    def ids(self) -> set[str]:
        """Return the ids of all passages in the index."""
        return {row[0] for row in self._all("SELECT id FROM passages")}

    def titles(self) -> list[tuple[str, str, str, int]]:
        """Return document, title, kind and number of passages per document, most passages first."""
        return self._all(
            "SELECT document, max(title), max(kind), count(*) FROM passages GROUP BY document ORDER BY 4 DESC, 1"
        )

    def add(self, passages: Iterable[Passage]) -> None:
        """Put passages in; those already there by id stay as they are."""
        with self._lock, self._db:
            for p in passages:
                row = (p.id, p.document, p.title, p.location, p.start, p.end, p.kind)
                cursor = self._db.execute(
                    "INSERT OR IGNORE INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row
                )
                if cursor.rowcount:
                    entry = (cursor.lastrowid, p.title, p.text)
                    self._db.execute("INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)", entry)

    def remove(self, ids: Iterable[str]) -> None:
        """Take passages out; unknown ids are ignored."""
        with self._lock, self._db:
            for key in ids:
                self._db.execute(
                    "DELETE FROM words WHERE rowid = (SELECT rowid FROM passages WHERE id = ?)", (key,)
                )
                self._db.execute("DELETE FROM passages WHERE id = ?", (key,))

    def reconcile(
        self, truth: Callable[[], set[str]], fetch: Callable[[Sequence[str]], Iterable[Passage]]
    ) -> None:
        """Make the index hold exactly the ids of `truth`, once after opening and after a broken `following`."""
        with self._lock:
            if not self._stale:
                return
            here, there = self.ids(), truth()
            self.remove(here - there)
            for some in batches(sorted(there - here), 500):
                self.add(fetch(some))
            self._stale = False

    @contextmanager
    def following(self) -> Iterator[None]:
        """Keep the index in step with a change of the collection; when it breaks off, reconcile comes next."""
        with self._lock:
            try:
                yield
            except BaseException:
                self._stale = self._file is not None
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _opened(self) -> sqlite3.Connection:
        try:
            return _connected(self._file)
        except sqlite3.DatabaseError:
            if self._file is None:
                raise
            # only a mirror: a damaged one is made anew from the collection
            for leftover in self._file.parent.glob(f"{self._file.name}*"):
                leftover.unlink()
            return _connected(self._file)


def match_expression(query: str) -> str:
    """Return the FTS5 expression that finds any word of a query; operators and quotes in it are only text."""
    words = dict.fromkeys(word.lower() for word in _WORD.findall(query) if word.strip("_"))
    telling = [word for word in words if word not in _STOP_WORDS] or list(words)
    return " OR ".join(f'"{word}"' for word in telling[:_MAX_TERMS])


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _conditions(filters: Filters | None) -> tuple[str, list[str]]:
    text, values = "", []
    for field in FIELDS:
        wanted = (filters or {}).get(field)
        if wanted is not None:
            several = [wanted] if isinstance(wanted, str) else list(wanted)
            text += f" AND p.{field} IN ({', '.join('?' * len(several))})"
            values += several
    return text, values


def _connected(file: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(file or ":memory:", check_same_thread=False)
    try:
        if file is not None:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_TABLES)
        db.execute("SELECT count(*) FROM words").fetchone()
    except BaseException:
        with suppress(sqlite3.Error):
            db.close()
        raise
    return db
