"""LangGraph's checkpointers: opened by their address, and any of them under asynchronous nodes."""

import asyncio
import copy
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agent_graph.errors import SettingsError
from agent_graph.postgres import open_postgres, storable
from agent_graph.state import CHECKPOINTED

LOCKED_SECONDS = 30.0
"""How long SQLite waits for another process that writes."""


@asynccontextmanager
async def open_checkpointer(url: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Open the checkpointer at an address, ready for `build_agent`, and close it at the end.

    "memory" is gone with the process. "sqlite:///threads.sqlite" is a file, from the current folder, and
    "sqlite:////var/lib/threads.sqlite" one from the root; both are made when missing.
    "postgresql://user:password@host:5432/database" is a server, over a pool of connections.

    Raises SettingsError for an address of another kind and for what cannot be opened there, and MissingExtra
    for PostgreSQL without the extra `postgres`.
    """
    scheme, _, rest = url.partition("://")
    if url == "memory":
        from langgraph.checkpoint.memory import InMemorySaver

        yield InMemorySaver()
    elif scheme == "sqlite" and len(rest) > 1 and rest.startswith("/") and "?" not in rest:
        async with _open_sqlite(rest[1:]) as saver:
            yield saver
    elif scheme in ("postgresql", "postgres") and rest:
        async with open_postgres(url) as saver:
            yield saver
    else:
        named = f"An address that begins with {scheme!r}" if rest else f"{url!r}"
        raise SettingsError(
            f"{named} is no place for checkpoints. Use memory, sqlite:///threads.sqlite (four slashes for a path "
            "from the root, no options), or postgresql://user:password@host:5432/database."
        )


@asynccontextmanager
async def _open_sqlite(name: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    with _translated(path := Path(name)):
        path = await asyncio.to_thread(path.expanduser)
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        connection = await aiosqlite.connect(path, timeout=LOCKED_SECONDS)
    try:
        saver = AsyncSqliteSaver(connection)
        with _translated(path):
            await saver.setup()
        yield saver
    finally:
        await connection.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, sqlite3.Error) as error:
        raise SettingsError(
            f"The checkpoints in {str(path)!r} cannot be opened ({error}). Name a file that can be written, or move "
            "that one away to start afresh."
        ) from error


def prepared(saver: Any) -> Any:
    """Return a checkpointer the nodes can await, and that loads our values and nothing unknown.

    A synchronous one is called in threads. What is no saver (None, True, False) is returned as it is.
    """
    if not isinstance(saver, BaseCheckpointSaver):
        return saver
    known = storable(_knowing(saver))
    return known if _can_await(known) else ThreadedSaver(known)


def _knowing(saver: BaseCheckpointSaver[Any]) -> BaseCheckpointSaver[Any]:
    """Return a copy of the saver that may load our values; it shares the original's store.

    LangGraph's default lets any type in, with a warning for each: then ours, and no others, are named.
    """
    allowed = [(kind.__module__, kind.__name__) for kind in CHECKPOINTED]
    known = saver.with_allowlist(allowed)
    if known is saver and isinstance(saver.serde, JsonPlusSerializer):
        known = copy.copy(saver)
        known.serde = JsonPlusSerializer(
            pickle_fallback=saver.serde.pickle_fallback, allowed_msgpack_modules=allowed
        )
    return known


def _can_await(saver: BaseCheckpointSaver[Any]) -> bool:
    # LangGraph's SQLite saver has these methods only to say that it does not support them.
    return (
        type(saver).aget_tuple is not BaseCheckpointSaver.aget_tuple and type(saver).__name__ != "SqliteSaver"
    )


class ThreadedSaver(BaseCheckpointSaver[Any]):
    """A synchronous checkpointer, awaited."""

    def __init__(self, inner: BaseCheckpointSaver[Any]) -> None:
        super().__init__(serde=inner.serde)
        self.inner = inner

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the version that follows, as the inner one counts."""
        return self.inner.get_next_version(current, channel)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return self.inner.get_tuple(config)

    def list(self, *args: Any, **kwargs: Any) -> Any:
        """Yield checkpoints, newest first."""
        return self.inner.list(*args, **kwargs)

    def put(self, *args: Any, **kwargs: Any) -> RunnableConfig:
        """Store a checkpoint."""
        return self.inner.put(*args, **kwargs)

    def put_writes(self, *args: Any, **kwargs: Any) -> None:
        """Store a task's writes."""
        self.inner.put_writes(*args, **kwargs)

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        self.inner.delete_thread(thread_id)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return await asyncio.to_thread(self.inner.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first."""
        listed = await asyncio.to_thread(
            lambda: [*self.inner.list(config, filter=filter, before=before, limit=limit)]
        )
        for one in listed:
            yield one

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return await asyncio.to_thread(self.inner.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes."""
        await asyncio.to_thread(self.inner.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        await asyncio.to_thread(self.inner.delete_thread, thread_id)

    def with_allowlist(self, extra_allowlist: Any) -> Any:
        """Return a copy that may load these types."""
        return ThreadedSaver(self.inner.with_allowlist(extra_allowlist))
