"""One run per thread at a time: of two at once both would finish, and the updates of one would be lost.

Within a process a table of running threads says it. Between processes the lock lives where the checkpoints
live, and the kernel or the server lets go of it when its process dies, however it dies:

- SQLite: a locked file in a folder beside the database. Its name is a hash of the thread, because a file
  for each running thread can be removed again; with a fixed number of files two threads would share one.
- PostgreSQL: an advisory lock of the server. A checkpointer over a pool keeps one connection of the pool
  while runs go on, for the locks of all of them; one over a single connection uses that connection. A
  proxy in between must keep sessions whole ("session pooling").

A database in memory and a checkpointer of another kind are guarded in this process only.
"""

import asyncio
import contextlib
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from agent_graph.advisory import AdvisoryLock
from agent_graph.checkpoint import ThreadedSaver
from agent_graph.errors import ThreadBusy, UserError
from agent_graph.postgres import is_postgres


class Lock(Protocol):
    """A claim on a thread that other processes respect."""

    async def take(self) -> bool:
        """Claim the thread, or return False at once when another holds it."""
        ...

    async def free(self) -> None:
        """Give the thread back; called once, after `take` returned True."""
        ...


_RUNNING: dict[tuple[int, str, str], object] = {}
"""Threads with a run going on: the store of the checkpoints, the thread, the place in an outer graph."""

if hasattr(os, "register_at_fork"):
    # A forked child runs none of them; what holds it off a thread is the lock of its parent's run.
    os.register_at_fork(after_in_child=_RUNNING.clear)

_FREEING: set[asyncio.Task[None]] = set()
"""Keeps a reference to each until it is done: the event loop does not."""


@asynccontextmanager
async def alone(saver: Any, thread: str, place: str = "") -> AsyncIterator[None]:
    """Keep every other run off a thread of this checkpointer.

    Raises ThreadBusy at once when one is there.
    """
    inner = saver.inner if isinstance(saver, ThreadedSaver) else saver
    key = (id(_store(inner)), thread, place)
    claim = object()
    if _RUNNING.setdefault(key, claim) is not claim:
        raise _busy(thread)
    taking = asyncio.ensure_future(_take(inner, thread, place))
    try:
        # Shielded: a lock taken in the moment in which the run is cancelled would be nobody's.
        if await asyncio.shield(taking) is None:
            raise _busy(thread)
        yield
    finally:
        freeing = asyncio.ensure_future(_free(taking, key))
        _FREEING.add(freeing)
        freeing.add_done_callback(_FREEING.discard)
        await asyncio.shield(freeing)


async def _take(saver: Any, thread: str, place: str) -> Lock | None:
    """Return the lock that is now held, or None when another process holds it."""
    lock = await _lock(saver, thread, place)
    return lock if await lock.take() else None


async def _free(taking: "asyncio.Future[Lock | None]", key: tuple[int, str, str]) -> None:
    try:
        await asyncio.wait([taking])
        if not taking.cancelled() and taking.exception() is None and (lock := taking.result()):
            await lock.free()
    finally:
        _RUNNING.pop(key, None)


def _busy(thread: str) -> ThreadBusy:
    return ThreadBusy(
        f"The thread {thread!r} has a run that has not ended. Wait for it, or use another thread."
    )


def _store(saver: Any) -> Any:
    """Return what two checkpointers over the same checkpoints share: copies of one differ in nothing else."""
    for name in ("conn", "storage"):
        if (store := getattr(saver, name, None)) is not None:
            return store
    return saver


async def _lock(saver: Any, thread: str, place: str) -> Lock:
    """Return the lock that fits the checkpointer."""
    names = f"{thread}\n{place}"
    if is_postgres(saver):
        return AdvisoryLock(saver, names)
    if path := await _database(saver):
        folder = path.with_name(f"{path.name}-running")
        return LockedFile(folder / f"{hashlib.sha256(names.encode()).hexdigest()[:32]}.lock")
    return NoLock()


async def _database(saver: Any) -> Path | None:
    """Return the file of a SQLite checkpointer; None for one in memory, and for other kinds."""
    waiting = sys.modules.get("langgraph.checkpoint.sqlite")
    awaited = sys.modules.get("langgraph.checkpoint.sqlite.aio")
    listed: list[Any] = []
    if awaited is not None and isinstance(saver, awaited.AsyncSqliteSaver):
        await saver.setup()  # opens the connection
        async with saver.lock, saver.conn.execute("PRAGMA database_list") as rows:
            listed = [*await rows.fetchall()]
    elif waiting is not None and isinstance(saver, waiting.SqliteSaver):
        listed = await asyncio.to_thread(_listed, saver)
    return next((Path(path) for _, name, path in listed if name == "main" and path), None)


def _listed(saver: Any) -> list[Any]:
    with saver.cursor(transaction=False) as cursor:
        return [*cursor.execute("PRAGMA database_list")]


class NoLock:
    """For checkpoints that no other process can see, or that we know no lock for."""

    async def take(self) -> bool:
        """Return True: this process has seen to it."""
        return True

    async def free(self) -> None:
        """Do nothing."""


class LockedFile:
    """A file that is locked while it is open, and there only while it is locked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, timeout=0, thread_local=False)

    async def take(self) -> bool:
        """Make the file and lock it.

        Raises UserError when the folder cannot be written.
        """
        return await asyncio.to_thread(self._take)

    def _take(self) -> bool:
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._lock.acquire()
        except Timeout:
            return False
        except OSError as error:
            raise UserError(
                f"The folder {str(self._path.parent)!r}, which keeps two runs off one thread, cannot be used "
                f"({error.strerror or error}). Make it writable, or move the database."
            ) from error
        return True

    async def free(self) -> None:
        """Remove the file and unlock it."""
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        # Removed while it is still locked: whoever opened it before gets a lock on a file without a name, which
        # filelock refuses. Windows keeps open files; there the file stays.
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._lock.release()
