"""What runs go on, as the table says that all instances of Aegra share."""

from contextlib import AbstractAsyncContextManager
from typing import LiteralString

from aegra_api.core.database import db_manager
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool

_GOES_ON = "SELECT 1 FROM runs WHERE status IN ('pending', 'running')"


def lent() -> AbstractAsyncContextManager[AsyncConnection[DictRow]]:
    """Lend a connection of the pool that checkpoints use.

    Not of the other one: requests that start a run each hold one of those already, and would wait for each other.

    Raises RuntimeError before the server has started.
    """
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] | None = db_manager.lg_pool
    if pool is None:
        raise RuntimeError("Aegra has not opened its database yet.")
    return pool.connection()


async def is_busy(thread: str) -> bool:
    """Whether a thread has a run that has not ended."""
    return await _found(f"{_GOES_ON} AND thread_id = %s", thread)


async def is_active(run: str) -> bool:
    """Whether a run has not ended: somebody does it, or will."""
    return await _found(f"{_GOES_ON} AND run_id = %s", run)


async def _found(question: LiteralString, about: str) -> bool:
    async with lent() as connection:
        return await (await connection.execute(question, (about,))).fetchone() is not None
