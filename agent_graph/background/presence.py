"""Which workers are alive: each holds a lock of PostgreSQL for as long as its session lives.

DBOS's own recovery of a dead worker's runs is a service that is sold apart. Here the lock of a dead worker is free,
whoever finds it so takes up its work, and the kernel or the server lets go of it however the worker died.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from agent_graph.background.place import SCHEMA, Place
from agent_graph.errors import AgentGraphError

if TYPE_CHECKING:
    from psycopg import AsyncConnection

LOCKS = 1_634_887_535
"""The first half of the key of our locks, the same in every version; the second is a worker."""

LOOK_S = 1.0
"""Seconds between two looks, at our own session and at the others."""
PATIENCE_S = 10.0
"""Seconds after which a session that does not answer counts as lost."""

_KEEPALIVE: dict[str, Any] = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
# The server is to notice a lost worker later than the worker notices that it is lost, and then has ended.
_SERVER_SIDE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"

_TAKE = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
_FREE = "SELECT pg_advisory_unlock(%s, hashtext(%s))"
COUNT = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %(locks)s AND objsubid = 2 "
    "AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class PresenceLost(AgentGraphError):
    """The session that says that this worker lives is gone: another may be taking up its work."""


class Presence:
    """The lock of one worker."""

    def __init__(self, session: "AsyncConnection[tuple[bool]]", worker: str) -> None:
        self._session = session
        self._worker = worker
        self._asking = asyncio.Lock()

    async def watch(self) -> None:
        """Return never; raises PresenceLost when the session is lost."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self._ask("SELECT true", ())

    @asynccontextmanager
    async def instead_of(self, worker: str) -> AsyncIterator[bool]:
        """Hold the lock of another worker, which then is dead; yields False when it lives."""
        taken = await self._ask(_TAKE, (LOCKS, _named(worker)))
        try:
            yield taken
        finally:
            if taken:
                await self._ask(_FREE, (LOCKS, _named(worker)))

    def others(self, workers: Collection[str | None]) -> list[str]:
        """Return those that are not this one."""
        return sorted({one for one in workers if one and one != self._worker})

    async def _ask(self, question: str, about: tuple[object, ...]) -> bool:
        from psycopg import Error

        try:
            async with asyncio.timeout(PATIENCE_S), self._asking:
                row = await (await self._session.execute(question, about)).fetchone()
        except (Error, TimeoutError) as error:
            raise PresenceLost(
                "The connection to PostgreSQL that says that this worker lives was lost. Others take up its work; "
                "start it again."
            ) from error
        return bool(row and row[0])


@asynccontextmanager
async def present(place: Place, worker: str) -> AsyncIterator[Presence]:
    """Take the lock of this worker, for as long as its session lives."""
    from psycopg import AsyncConnection
    from psycopg.conninfo import conninfo_to_dict

    options = f"{conninfo_to_dict(place.conninfo).get('options') or ''} {_SERVER_SIDE}".strip()
    session: AsyncConnection[tuple[bool]] = await AsyncConnection.connect(
        place.conninfo, autocommit=True, options=options, **_KEEPALIVE
    )
    async with session:
        presence = Presence(session, worker)
        await presence._ask(_TAKE, (LOCKS, _named(worker)))
        yield presence


def _named(worker: str) -> str:
    return f"{SCHEMA} {worker}"
