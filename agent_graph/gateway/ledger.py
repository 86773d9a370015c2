"""What each user has used each day: in a file of this machine, or in a PostgreSQL that several machines share."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from agent_graph.errors import SettingsError
from agent_graph.gateway.limits import Spent
from agent_graph.settings import Settings

KEPT_DAYS = 31


class LedgerLost(Exception):
    """What users have used cannot be read or written just now."""


class Ledger(Protocol):
    """Adds up by user and day; safe to use from several threads and processes."""

    def add(self, user: str, *, steps: int = 0, tokens: int = 0, day: str) -> None:
        """Count something that a user has used.

        Raises LedgerLost when it cannot be counted.
        """
        ...

    def spent(self, user: str, *, day: str) -> Spent:
        """Return what a user has used on a day.

        Raises LedgerLost when it cannot be known.
        """
        ...


def today() -> str:
    """Return the day that is counted, as YYYY-MM-DD in UTC."""
    return datetime.now(UTC).date().isoformat()


def ledger_from(settings: Settings) -> Ledger:
    """Open the ledger that the settings ask for.

    Raises SettingsError when it cannot be used, and MissingExtra.
    """
    if settings.ledger is None:
        return FileLedger(settings.home.expanduser() / "server" / "usage.sqlite")
    from agent_graph.gateway.ledger_postgres import PostgresLedger

    return PostgresLedger(settings.ledger.get_secret_value())


class FileLedger:
    """Keeps it in one SQLite file that outlives the server."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises SettingsError when it cannot be used: without it nobody could be held to a limit.
        """
        self._path, self._lock = path, threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS spent (day TEXT, user TEXT, steps INTEGER NOT NULL, "
                    "tokens INTEGER NOT NULL, PRIMARY KEY (day, user)) WITHOUT ROWID"
                )
                connection.execute("DELETE FROM spent WHERE day < date('now', ?)", (f"-{KEPT_DAYS} days",))
        except (OSError, LedgerLost) as error:
            raise SettingsError(
                f"The file {str(path)!r}, which keeps what users have used, cannot be used ({error}). "
                "Make it writable, or remove it if it is damaged."
            ) from error

    def add(self, user: str, *, steps: int = 0, tokens: int = 0, day: str) -> None:
        """Count something that a user has used."""
        with self._opened() as connection:
            connection.execute(
                "INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT (day, user) "
                "DO UPDATE SET steps = steps + excluded.steps, tokens = tokens + excluded.tokens",
                (day, user, steps, tokens),
            )

    def spent(self, user: str, *, day: str) -> Spent:
        """Return what a user has used on a day."""
        with self._opened() as connection:
            asked = "SELECT steps, tokens FROM spent WHERE day = ? AND user = ?"
            row = connection.execute(asked, (day, user)).fetchone()
        return Spent(*row) if row else Spent()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise LedgerLost(str(error)) from error
