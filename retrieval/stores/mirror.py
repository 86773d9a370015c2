"""The mirror of a collection in SQLite: searched by words, and asked by id, document and title.

Chroma stays the truth; `apply` follows it. What a search may show is what stands here, and one transaction takes a
document from its old version to its new one, so that nobody sees half of it.
"""

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, NamedTuple, TypeVar

from retrieval.documents import FIELDS, Filters, Passage
from retrieval.embed import embedded_text
from retrieval.errors import PlaceUnusable
from retrieval.ranking.links import title_key
from retrieval.stores.cache import content_key
from retrieval.stores.database import connected, reading
from retrieval.stores.store import DocumentRow
from retrieval.terms import terms

T = TypeVar("T")

SCHEMA = 3
"""Version of the tables and of how terms are made: a mirror of another version is made anew."""

_MOST_ROWS = 4000
"""Rows that a search by words scores: beyond them the commonest words are left to the scoring of candidates."""
_COUNTS_LAST = 100
"""Changes of the collection after which the counts of words are looked up anew."""
_SHARED_TITLE = 3
"""Documents that may have a title before it is a label ("Introduction") rather than a name."""
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL, title TEXT NOT NULL,
    location TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    content BLOB NOT NULL);
CREATE INDEX by_document ON passages (document);
CREATE INDEX by_title ON passages (title);
CREATE INDEX by_content ON passages (content);
CREATE TABLE documents (
    document TEXT PRIMARY KEY, title TEXT NOT NULL, kind TEXT NOT NULL, passages INTEGER NOT NULL,
    opening TEXT NOT NULL, name TEXT NOT NULL);
CREATE INDEX by_name ON documents (name);
CREATE VIRTUAL TABLE words USING fts5(title, text, tokenize = 'ascii');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row);
INSERT INTO words (words, rank) VALUES ('rank', 'bm25(2.0, 1.0)');
INSERT INTO about VALUES ('generation', '0'), ('passages', '0');
"""
_ANY_OF = "IN (SELECT value FROM json_each(?))"
_COLUMNS = "id, text, document, title, location, first, last, kind"


class Mirror:
    """One SQLite file, safe to use from several threads and, to read, from several processes."""

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        self.file, self._read_only = file, read_only
        self._writing = threading.RLock()
        self._held = threading.local()
        self._readers: LifoQueue[sqlite3.Connection] = LifoQueue()
        self._frequencies: dict[str, int] = {}
        self._counted_at = -1
        self._closed = False
        with _translated(file):
            self._writer = _reader(file) if read_only else _writer(file)

    def generation(self) -> int:
        """Return a number that grows with every change."""
        return int(self.note("generation"))

    def note(self, name: str) -> str:
        """Return what was noted under a name; empty when nothing was."""
        rows = self._all("SELECT value FROM about WHERE name = ?", [name])
        return str(rows[0][0]) if rows else ""

    def write_note(self, name: str, value: str) -> None:
        """Keep a text under a name."""
        with self._changing() as db:
            db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", [name, value])

    def count(self) -> int:
        """Return the number of passages."""
        return int(self.note("passages"))

    def ids(self) -> set[str]:
        """Return the ids of all passages."""
        return {row[0] for row in self._all("SELECT id FROM passages")}

    def documents(self) -> list[DocumentRow]:
        """Return the documents, those with most passages first."""
        columns = "document, title, kind, passages, opening"
        return [
            DocumentRow(*row)
            for row in self._all(f"SELECT {columns} FROM documents ORDER BY passages DESC, document")  # noqa: S608
        ]

    def held(self, documents: Collection[str]) -> dict[str, set[str]]:
        """Return the ids of the passages held per document; one without passages is left out."""
        found: dict[str, set[str]] = {}
        asked = "SELECT document, id FROM passages WHERE document IN (SELECT value FROM json_each(?))"
        for document, key in self._all(asked, [_listed(documents)]):
            found.setdefault(document, set()).add(key)
        return found

    def passages(self, ids: Collection[str]) -> dict[str, Passage]:
        """Return the passages with these ids, as far as they are there."""
        rows = self._all(
            f"SELECT {_COLUMNS} FROM passages WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - a constant
            [_listed(ids)],
        )
        return {row[0]: _passage(row) for row in rows}

    def pages(self, size: int) -> Iterator[list[Passage]]:
        """Yield all passages in the order they came, some at a time."""
        after = -1
        while rows := self._all(
            f"SELECT row, {_COLUMNS} FROM passages WHERE row > ? ORDER BY row LIMIT ?",  # noqa: S608 - a constant
            [after, size],
        ):
            yield [_passage(row[1:]) for row in rows]
            after = rows[-1][0]

    def with_terms(self, ids: Collection[str]) -> dict[str, tuple[Passage, list[str]]]:
        """Return passages with their index terms, those of the title twice."""
        columns = ", ".join(f"p.{column}" for column in _COLUMNS.split(", "))
        rows = self._all(
            f"SELECT w.title, w.text, {columns} FROM passages p JOIN words w ON w.rowid = p.row "  # noqa: S608
            "WHERE p.id IN (SELECT value FROM json_each(?))",
            [_listed(ids)],
        )
        return {row[2]: (_passage(row[2:]), [*row[0].split() * 2, *row[1].split()]) for row in rows}

    def worded(self, query: Sequence[str], most: int, filters: Filters | None = None) -> list[str]:
        """Return the ids of the passages that hold the query's rarest terms best, best first."""
        match = " OR ".join(f'"{term}"' for term in self._telling(query))
        if not match:
            return []
        if not filters:
            rows = self._all(
                "SELECT p.id FROM (SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?) w "
                "JOIN passages p ON p.row = w.rowid ORDER BY w.rank, p.row",
                [match, most],
            )
        else:
            where, values = _conditions(filters)
            rows = self._all(
                f"SELECT p.id FROM words JOIN passages p ON p.row = words.rowid WHERE words MATCH ? AND {where} "  # noqa: S608
                "ORDER BY words.rank, p.row LIMIT ?",
                [match, *values, most],
            )
        return [row[0] for row in rows]

    def scope(self, filters: Filters, most: int) -> dict[str, bytes] | None:
        """Return id and content key of the passages that pass the filters, or None when they are too many."""
        where, values = _conditions(filters)
        rows = self._all(f"SELECT p.id, p.content FROM passages p WHERE {where} LIMIT ?", [*values, most + 1])  # noqa: S608
        return {key: bytes(content) for key, content in rows} if len(rows) <= most else None

    def passing(self, ids: Collection[str], filters: Filters) -> set[str]:
        """Return those of the ids whose passages pass the filters."""
        where, values = _conditions(filters)
        asked = f"SELECT p.id FROM passages p WHERE p.id IN (SELECT value FROM json_each(?)) AND {where}"  # noqa: S608
        return {row[0] for row in self._all(asked, [_listed(ids), *values])}

    def sample(self, most: int) -> list[Passage]:
        """Return up to `most` passages from all over the collection."""
        step = max(1, self.count() // max(1, most))
        rows = self._all(
            f"SELECT {_COLUMNS} FROM passages WHERE row % ? = 0 ORDER BY row LIMIT ?",  # noqa: S608 - a constant
            [step, most],
        )
        return [_passage(row) for row in rows]

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """Return the content keys of passages."""
        asked = "SELECT id, content FROM passages WHERE id IN (SELECT value FROM json_each(?))"
        return {key: bytes(content) for key, content in self._all(asked, [_listed(ids)])}

    def since(self, row: int) -> list[tuple[int, str, bytes]]:
        """Return row, id and content key of the passages that came after a row."""
        return self._all("SELECT row, id, content FROM passages WHERE row > ? ORDER BY row", [row])

    def titled(self, names: Collection[str]) -> dict[str, dict[str, str]]:
        """Return, per name that is a title, the documents of that title with the id of their first passage.

        A title that many documents share is no name and is left out.
        """
        asked = "SELECT name, document, opening FROM documents WHERE name IN (SELECT value FROM json_each(?))"
        found: dict[str, dict[str, str]] = {}
        for name, document, opening in self._all(asked, [_listed(names)]):
            found.setdefault(name, {})[document] = opening
        return {name: several for name, several in found.items() if len(several) <= _SHARED_TITLE}

    def unused(self, contents: Collection[bytes]) -> list[bytes]:
        """Return those content keys that no passage has any more."""
        asked = "SELECT content FROM passages WHERE content IN (SELECT unhex_key(value) FROM json_each(?))"
        used = {
            bytes(row[0]) for row in self._all(asked, [json.dumps([content.hex() for content in contents])])
        }
        return [content for content in contents if content not in used]

    def apply(self, new: "Sequence[Passage] | Sequence[Prepared]", gone: Collection[str]) -> None:
        """Put passages in and take others out, seen by everyone at once; those already there by id stay."""
        rows = [prepared(one) if isinstance(one, Passage) else one for one in new]
        with self._changing() as db:
            touched, change = _removed(db, gone)
            for row in rows:
                touched.add(row.passage.document)
                change += _inserted(db, row)
            _recount(db, touched)
            db.execute("UPDATE about SET value = value + 1 WHERE name = 'generation'")
            db.execute("UPDATE about SET value = value + ? WHERE name = 'passages'", [change])

    def close(self) -> None:
        """Close the file; the last to close folds the write-ahead log into it."""
        with self._writing:
            self._closed = True
            with suppress(Empty):
                while True:
                    self._readers.get_nowait().close()
            self._writer.close()

    def _telling(self, query: Sequence[str]) -> list[str]:
        """Return the rarest terms, as many as can be scored quickly; a term that nobody has is left out."""
        now = self.generation()
        if abs(now - self._counted_at) > _COUNTS_LAST or len(self._frequencies) > 50_000:
            self._frequencies, self._counted_at = {}, now
        counted = sorted((count, term) for term in query if (count := self._frequency(term)))
        chosen: list[str] = []
        rows = 0
        for count, term in counted:
            if chosen and rows + count > _MOST_ROWS:
                break
            chosen.append(term)
            rows += count
        return chosen

    def _frequency(self, term: str) -> int:
        # an old count still tells a rare word from a common one, but not whether a new word is there by now
        if not self._frequencies.get(term):
            rows = self._all("SELECT doc FROM vocabulary WHERE term = ?", [term])
            self._frequencies[term] = int(rows[0][0]) if rows else 0
        return self._frequencies[term]

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._reading() as db:
            return db.execute(statement, values).fetchall()

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Have this thread see the mirror unchanged, whatever others write meanwhile."""
        with self._reading() as db:
            db.execute("BEGIN")
            self._held.reader = db
            try:
                yield
            finally:
                self._held.reader = None
                db.rollback()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        held: sqlite3.Connection | None = getattr(self._held, "reader", None)
        if held is not None:
            with _translated(self.file):
                yield held
            return
        with _translated(self.file):
            try:
                db = self._readers.get_nowait()
            except Empty:
                db = _reader(self.file)
            try:
                yield db
            finally:
                if self._closed:
                    db.close()
                else:
                    self._readers.put(db)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._writing, _translated(self.file), self._writer as db:
            yield db


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


class Prepared(NamedTuple):
    """A passage ready to be put in: the part of the work that needs no lock."""

    passage: Passage
    title_terms: str
    text_terms: str


def prepared(passage: Passage) -> Prepared:
    """Make the terms of a passage."""
    return Prepared(passage, " ".join(terms(passage.title)), " ".join(terms(passage.text)))


def _inserted(db: sqlite3.Connection, one: Prepared) -> int:
    passage = one.passage
    key = content_key(embedded_text(passage))
    row = (passage.id, passage.document, passage.title, passage.location, passage.start, passage.end)
    added = db.execute(
        "INSERT OR IGNORE INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, passage.kind, passage.text, key),
    )
    if added.rowcount:
        words = (added.lastrowid, one.title_terms, one.text_terms)
        db.execute("INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)", words)
    return added.rowcount


def _removed(db: sqlite3.Connection, ids: Collection[str]) -> tuple[set[str], int]:
    """Take passages out; return the documents they were of, and the change in their number."""
    if not ids:
        return set(), 0
    chosen = "WHERE id " + _ANY_OF
    listed = [_listed(ids)]
    touched = {row[0] for row in db.execute("SELECT DISTINCT document FROM passages " + chosen, listed)}  # noqa: S608 - constants
    db.execute(f"DELETE FROM words WHERE rowid IN (SELECT row FROM passages {chosen})", listed)  # noqa: S608 - constants
    removed = db.execute("DELETE FROM passages " + chosen, listed)  # noqa: S608 - constants
    return touched, -removed.rowcount


def _recount(db: sqlite3.Connection, documents: Collection[str]) -> None:
    listed = [_listed(documents)]
    db.execute("DELETE FROM documents WHERE document IN (SELECT value FROM json_each(?))", listed)
    rows = db.execute(
        # with min(first), SQLite takes the other columns from that row
        "SELECT document, title, kind, count(*), id, min(first) FROM passages "
        "WHERE document IN (SELECT value FROM json_each(?)) GROUP BY document",
        listed,
    ).fetchall()
    db.executemany(
        "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)", [(*row[:5], title_key(row[1])) for row in rows]
    )


def _passage(row: Sequence[Any]) -> Passage:
    key, text, document, title, location, first, last, kind = row
    return Passage(
        id=key, text=text, document=document, title=title, location=location, start=first, end=last, kind=kind
    )


def _conditions(filters: Filters) -> tuple[str, list[str]]:
    text, values = [], []
    for field in FIELDS:
        wanted = filters.get(field)
        if wanted is not None:
            text.append(f"p.{field} {_ANY_OF}")
            values.append(_listed([wanted] if isinstance(wanted, str) else list(wanted)))
    return " AND ".join(text) or "TRUE", values


def _listed(values: Iterable[str]) -> str:
    return json.dumps(list(values))


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise PlaceUnusable(
            f"The index {file} cannot be used ({error}). Check that the disk is writable and has space; the file may "
            "be deleted, it is made anew from the collection."
        ) from error


def _reader(file: Path) -> sqlite3.Connection:
    db = reading(file, "about")
    db.create_function("unhex_key", 1, bytes.fromhex, deterministic=True)
    return db


def _writer(file: Path) -> sqlite3.Connection:
    try:
        return _connected(file)
    except sqlite3.OperationalError:
        raise  # a full disk or a lock is no damage
    except sqlite3.DatabaseError:
        # only a mirror: a damaged or older one is made anew from the collection
        for leftover in file.parent.glob(f"{file.name}*"):
            leftover.unlink()
        return _connected(file)


def _connected(file: Path) -> sqlite3.Connection:
    db = connected(file)
    try:
        if not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
        if db.execute("PRAGMA user_version").fetchone() != (SCHEMA,):
            raise sqlite3.DatabaseError("made by another version")
        db.execute("SELECT count(*) FROM vocabulary WHERE term = 'a'").fetchone()
        db.execute("SELECT max(row) FROM passages").fetchone()
    except BaseException:
        with suppress(sqlite3.Error):
            db.close()
        raise
    return db
