"""SQLite files that one process writes and others read at the same time."""

import sqlite3
from pathlib import Path


def connected(file: Path) -> sqlite3.Connection:
    """Open a file to write; readers in other processes keep reading what was there when they began."""
    db = sqlite3.connect(file, check_same_thread=False, timeout=30)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def reading(file: Path, table: str) -> sqlite3.Connection:
    """Open a file that holds a table, only to read."""
    try:
        return _opened(f"{file.absolute().as_uri()}?mode=ro", table)
    except sqlite3.OperationalError:
        if not file.exists() or file.with_name(f"{file.name}-wal").exists():
            raise
        # on a read-only disk SQLite cannot keep its books beside the file, and without a log it need not
        return _opened(f"{file.absolute().as_uri()}?immutable=1", table)


def _opened(uri: str, table: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=30)
    try:
        db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - a name of ours
    except BaseException:
        db.close()
        raise
    return db
