"""What each user has used each day, in one SQLite file that outlives the server."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from agent_graph.errors import SettingsError
from agent_graph.gateway.limits import Spent

_KEPT_DAYS = 31


def today() -> str:
    """Return the day that is counted, as YYYY-MM-DD in UTC."""
    return datetime.now(UTC).date().isoformat()


class Ledger:
    """Adds up by user and day; safe to use from several threads and processes."""

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
                connection.execute("DELETE FROM spent WHERE day < date('now', ?)", (f"-{_KEPT_DAYS} days",))
        except (OSError, sqlite3.Error) as error:
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
        with self._lock, closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            yield connection
