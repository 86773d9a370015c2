"""What PostgreSQL needs beyond LangGraph's checkpointer: tables made once, a pool, text it can store.

Needs the extra `postgres`; importing this file does not.
"""

import copy
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata
from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_fixed

from agent_graph.errors import MissingExtra, SettingsError
from tools.faults import one_line

CONNECT_SECONDS = 10
"""How long to wait for a server that does not answer, unless the address says `connect_timeout`."""

SET_UP_SECONDS = 60.0
"""How long to wait for another process that makes the tables."""

CONNECTIONS = 4
"""Most connections of one checkpointer. It uses one at a time, and one more for locks while runs go on."""

_SET_UP = "SELECT pg_try_advisory_lock(hashtextextended('agent-graph set up', 0)) AS held"


@asynccontextmanager
async def open_postgres(url: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Open a checkpointer over a pool of connections, its tables made and up to date.

    Raises SettingsError for an address that is wrong or does not answer, and MissingExtra.
    """
    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg import AsyncConnection
        from psycopg.rows import DictRow, dict_row
        from psycopg_pool import AsyncConnectionPool
    except ImportError as error:  # also when psycopg finds no libpq
        raise MissingExtra("langgraph-checkpoint-postgres", "postgres") from error
    conninfo, place = read_address(url)
    kwargs: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    with _translated(place):
        async with await AsyncConnection.connect(conninfo, **kwargs) as connection:
            await _set_up(AsyncPostgresSaver(connection), place)
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        conninfo,
        kwargs=kwargs,
        min_size=1,
        max_size=CONNECTIONS,
        open=False,
        # A connection that a restarted server has dropped is replaced before a run meets it.
        check=AsyncConnectionPool.check_connection,
        name="agent-graph",
    )
    async with pool:
        yield AsyncPostgresSaver(pool)


def read_address(url: str) -> tuple[str, str]:
    """Return what psycopg connects to, and the address as a person may see it: without the password.

    Raises SettingsError for an address that cannot be read.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    known: dict[str, Any] = {}
    with suppress(ProgrammingError):  # its text may hold the password
        known = conninfo_to_dict(url)
    host = str(known.get("host") or "the local socket")
    if not known or "@" in host:  # a bare @ ends a password, and the rest of it is taken for the host
        raise SettingsError(
            "The PostgreSQL address cannot be read. Write it like postgresql://user@host:5432/database, "
            "with special characters of the password as %XX."
        )
    place = f"{host}:{known.get('port') or 5432}/{known.get('dbname') or ''}"
    return make_conninfo(url, connect_timeout=known.get("connect_timeout") or CONNECT_SECONDS), place


@contextmanager
def _translated(place: str) -> Iterator[None]:
    from psycopg import Error, OperationalError

    try:
        yield
    except OperationalError as error:
        raise SettingsError(
            f"PostgreSQL at {place} cannot be reached ({one_line(error)}). Start the server, or correct the address."
        ) from error
    except Error as error:
        raise SettingsError(
            f"The tables for checkpoints cannot be made in PostgreSQL at {place} ({one_line(error)}). "
            "Give the user the right to create tables there, or name another database."
        ) from error


async def _set_up(saver: Any, place: str) -> None:
    """Make the tables or bring them up to date, in one process at a time: LangGraph's own would collide."""
    # Asked again and again instead of waited for: CREATE INDEX CONCURRENTLY, which `setup` runs, waits for every
    # statement under way, and so for one that waits for this lock.
    asking = AsyncRetrying(
        retry=retry_if_result(lambda held: not held),
        wait=wait_fixed(0.05),
        stop=stop_after_delay(SET_UP_SECONDS),
    )
    try:
        await asking(_held, saver.conn)
    except RetryError:
        raise SettingsError(
            f"Another process has been making the tables for checkpoints in PostgreSQL at {place} for "
            f"{SET_UP_SECONDS:g} s. If it hangs, end it: the lock goes with its connection."
        ) from None
    await saver.setup()


async def _held(connection: Any) -> bool:
    row = await (await connection.execute(_SET_UP)).fetchone()
    return bool(row["held"])


class _Storable(BaseCheckpointSaver[Any]):
    """Mixed into a checkpointer whose server keeps short values of the state as JSON, and not every character."""

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: Any
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return super().put(config, _storable(checkpoint), metadata, new_versions)

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: Any
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return await super().aput(config, _storable(checkpoint), metadata, new_versions)


def storable(saver: BaseCheckpointSaver[Any]) -> BaseCheckpointSaver[Any]:
    """Return the checkpointer, or for PostgreSQL a copy that takes any text.

    The null character and halves of surrogate pairs, which PostgreSQL refuses, become U+FFFD.
    """
    if not is_postgres(saver) or isinstance(saver, _Storable):
        return saver
    kind: Any = type(saver)
    saver = copy.copy(saver)
    saver.__class__ = _storable_kind(kind)
    return saver


@lru_cache
def _storable_kind(kind: Any) -> Any:
    return type(kind.__name__, (_Storable, kind), {})


def _storable(checkpoint: Checkpoint) -> Checkpoint:
    values = checkpoint["channel_values"]
    texts = {key: _text(value) for key, value in values.items() if isinstance(value, str)}
    return {**checkpoint, "channel_values": {**values, **texts}}


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_postgres(saver: Any) -> bool:
    """Whether a checkpointer keeps its checkpoints in PostgreSQL over a connection of its own.

    What nobody has imported it cannot be, so nothing is imported to find out.
    """
    known = sys.modules.get("langgraph.checkpoint.postgres.base")
    return known is not None and isinstance(saver, known.BasePostgresSaver) and hasattr(saver, "conn")


def is_outage(error: BaseException) -> bool:
    """Whether PostgreSQL could not be reached, or went away in the middle: a while later it may be back."""
    known = sys.modules.get("psycopg")
    lost = isinstance(error, ConnectionError)
    return lost or (known is not None and isinstance(error, known.OperationalError | known.InterfaceError))
