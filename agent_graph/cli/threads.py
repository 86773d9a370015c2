"""Conversations that outlive a command, in one SQLite file."""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from agent_graph.checkpoint import prepared
from agent_graph.errors import UserError
from agent_graph.settings import Settings

_LONGEST_NAME = 200


class Kept(NamedTuple):
    """The state a thread was left in."""

    thread: str
    state: Mapping[str, Any]


def threads_file(settings: Settings) -> Path:
    """Return where conversations are kept."""
    return settings.home.expanduser() / "threads.sqlite"


def checked_name(thread: str) -> str:
    """Return the name of a thread; raises UserError for one that nobody could type again."""
    name = thread.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UserError(f"A thread's name is 1 to {_LONGEST_NAME} printable characters, for example: budget")
    return name


@asynccontextmanager
async def open_threads(settings: Settings) -> AsyncIterator[Any]:
    """Open the checkpointer that keeps conversations.

    Raises UserError when the file is damaged or is no SQLite file.
    """
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    path = threads_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _translated(path):
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            await saver.setup()
            yield saver


async def last_state(settings: Settings, thread: str | None) -> Kept | None:
    """Return how a thread was left, or the one used last; None when there is none."""
    if not threads_file(settings).exists():
        return None
    asked = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}} if thread else None
    async with open_threads(settings) as saver:
        kept = [one async for one in prepared(saver).alist(asked, limit=1)]
    if not kept:
        return None
    return Kept(str(kept[0].config["configurable"]["thread_id"]), kept[0].checkpoint["channel_values"])


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"The conversations in {str(path)!r} cannot be used ({error}). Move that file away to start afresh."
        ) from error
