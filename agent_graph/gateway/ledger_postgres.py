"""What each user has used each day, in a PostgreSQL that several servers share, so that they count together.

Needs the extra `postgres`; importing this file does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent_graph.errors import MissingExtra, SettingsError
from agent_graph.gateway.ledger import KEPT_DAYS, LedgerLost
from agent_graph.gateway.limits import Spent
from agent_graph.postgres import read_address
from tools.faults import one_line

_CONNECTIONS = 4
_PATIENCE_S = 5.0
"""How long to wait for a server that does not answer."""

_TABLE = (
    # CREATE TABLE IF NOT EXISTS of two processes at once can fail in one of them.
    "SELECT pg_advisory_xact_lock(hashtextextended('agent-graph ledger', 0))",
    'CREATE TABLE IF NOT EXISTS agent_graph_spent (day date, "user" text, steps bigint NOT NULL, '
    'tokens bigint NOT NULL, PRIMARY KEY (day, "user"))',
)
_FORGET = "DELETE FROM agent_graph_spent WHERE day < current_date - %s::int"
_ADD = (
    "INSERT INTO agent_graph_spent AS kept VALUES (%s, %s, %s, %s) "
    'ON CONFLICT (day, "user") DO UPDATE SET steps = kept.steps + excluded.steps, tokens = kept.tokens + excluded.tokens'
)
_SPENT = 'SELECT steps, tokens FROM agent_graph_spent WHERE day = %s AND "user" = %s'


class PostgresLedger:
    """Keeps it in one table, which is made when it is not there."""

    def __init__(self, url: str) -> None:
        """Reach the server and make the table.

        Raises SettingsError when it cannot be used: without it nobody could be held to a limit; and MissingExtra.
        """
        try:
            from psycopg import Error, connect
            from psycopg_pool import ConnectionPool
        except ImportError as error:  # also when psycopg finds no libpq
            raise MissingExtra("psycopg", "postgres") from error
        conninfo, place = read_address(url)
        try:
            with connect(conninfo) as connection:
                for statement in _TABLE:
                    connection.execute(statement)
                connection.execute(_FORGET, (KEPT_DAYS,))
        except Error as error:
            raise SettingsError(
                f"The PostgreSQL at {place}, which is to keep what users have used, cannot be used "
                f"({one_line(error)}). Start it, correct AGENT_GRAPH_LEDGER, or give its user the right to create tables."
            ) from error
        self._pool: Any = ConnectionPool(
            conninfo,
            # None: a pooler between here and the server may give every transaction another session.
            kwargs={"prepare_threshold": None},
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_PATIENCE_S,
            check=ConnectionPool.check_connection,
            open=True,
            name="agent-graph ledger",
        )

    def add(self, user: str, *, steps: int = 0, tokens: int = 0, day: str) -> None:
        """Count something that a user has used."""
        with self._opened() as connection:
            connection.execute(_ADD, (day, user, steps, tokens))

    def spent(self, user: str, *, day: str) -> Spent:
        """Return what a user has used on a day."""
        with self._opened() as connection:
            row = connection.execute(_SPENT, (day, user)).fetchone()
        return Spent(*row) if row else Spent()

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        from psycopg import Error

        try:
            with self._pool.connection() as connection:
                yield connection
        except Error as error:
            raise LedgerLost(one_line(error)) from error
