"""A lock that PostgreSQL keeps for a run, on a connection that the checkpointer lends."""

import asyncio
import inspect
import logging
import os
from collections.abc import Callable
from typing import Any

from agent_graph.errors import SettingsError
from tools.faults import one_line

_LOG = logging.getLogger(__name__)

# Advisory locks belong to the database: the table tells apart the same thread in two of its schemas.
_TAKE = (
    "SELECT CASE WHEN pg_try_advisory_lock(key) THEN key END FROM "
    "(SELECT hashtextextended(%s, coalesce(to_regclass('checkpoints')::oid::bigint, 0)) AS key) AS named"
)
_FREE = "SELECT pg_advisory_unlock(%s)"


class AdvisoryLock:
    """A lock on a name that the server keeps for as long as the session that took it lives."""

    def __init__(self, saver: Any, name: str) -> None:
        self._saver = saver
        self._name = f"agent-graph run\n{name}"
        self._session = _session(saver.conn)
        self._key: int | None = None

    async def take(self) -> bool:
        """Take the lock, or return False at once when another session holds it."""
        try:
            self._key = await self._ask(_TAKE, self._name)
        finally:
            if self._key is None:
                await self._session.leave()
        return self._key is not None

    async def free(self) -> None:
        """Give the lock back; one that was lost with its connection is told to the log."""
        from psycopg import Error

        try:
            await self._ask(_FREE, self._key)
        except Error as error:
            _LOG.warning("A run lost its lock when its connection to PostgreSQL broke: %s", one_line(error))
        finally:
            await self._session.leave()

    async def _ask(self, question: str, about: Any) -> Any:
        from psycopg.rows import scalar_row

        connection = await self._session.connection
        if not inspect.iscoroutinefunction(connection.execute):
            return await asyncio.to_thread(self._ask_waiting, connection, question, about)
        # The checkpointer's lock keeps a question on a single connection out of the midst of a pipeline.
        async with self._saver.lock:
            cursor = connection.cursor(row_factory=scalar_row)
            await cursor.execute(question, (about,))
            return await cursor.fetchone()

    def _ask_waiting(self, connection: Any, question: str, about: Any) -> Any:
        from psycopg.rows import scalar_row

        with self._saver.lock:
            return connection.cursor(row_factory=scalar_row).execute(question, (about,)).fetchone()


class _Session:
    """The connection that holds the locks of all runs over one pool, for as long as there are any.

    One for all: were it one for each, as many runs as the pool has connections would wait for each other.
    """

    def __init__(self, pool: Any, key: tuple[int, int]) -> None:
        self.connection = asyncio.ensure_future(_called(pool.getconn))
        self.users = 0
        self._pool = pool
        self._key = key

    def usable(self) -> bool:
        """Whether a further lock may go here."""
        if not self.connection.done():
            return True
        return self.connection.exception() is None and not self.connection.result().closed

    async def leave(self) -> None:
        """Give the connection back to the pool after its last lock."""
        self.users -= 1
        if self.users:
            return
        if _SESSIONS.get(self._key) is self:
            del _SESSIONS[self._key]
        connection = await self.connection
        if not connection.closed and not connection.autocommit:
            await _called(connection.commit)
        await _called(self._pool.putconn, connection)


class _OwnSession:
    """The single connection of a checkpointer without a pool."""

    def __init__(self, connection: Any) -> None:
        self.connection = asyncio.get_running_loop().create_future()
        self.connection.set_result(connection)

    async def leave(self) -> None:
        """Do nothing: the connection stays the checkpointer's."""


_SESSIONS: dict[tuple[int, int], _Session] = {}
"""By pool and event loop; here only while it has users."""

if hasattr(os, "register_at_fork"):  # a connection cannot be shared with a forked child
    os.register_at_fork(after_in_child=_SESSIONS.clear)


def _session(store: Any) -> _Session | _OwnSession:
    """Return the session for a lock, joined.

    Raises SettingsError for a pool with one connection, which could not serve locks and checkpoints.
    """
    if not hasattr(store, "getconn"):
        return _OwnSession(store)
    if store.max_size < 2:
        raise SettingsError(
            "The checkpointer's connection pool has room for one connection. Make it max_size=2 or more: one is "
            "held for as long as runs go on, so that no two of them share a thread."
        )
    key = (id(store), id(asyncio.get_running_loop()))
    session = _SESSIONS.get(key)
    if session is None or not session.usable():
        session = _SESSIONS[key] = _Session(store, key)
    session.users += 1
    return session


async def _called(function: Callable[..., Any], *args: Any) -> Any:
    """Call a method of a pool or connection, of psycopg's asynchronous or of its synchronous kind."""
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    return await asyncio.to_thread(function, *args)
