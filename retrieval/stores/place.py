"""Where collections lie: a folder that one process owns, or a Chroma server; one client per place and process."""

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from retrieval.config import Config
from retrieval.errors import BadRequest, PlaceBusy, PlaceUnusable
from retrieval.stores.cache import VectorCache
from retrieval.stores.condition import Condition, kept, taken
from retrieval.stores.mirror import Mirror
from retrieval.stores.transport import translated

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from filelock import BaseFileLock

CACHE_FILE = "vectors.sqlite3"
"""The embedding cache in a folder."""

_OPENING = threading.RLock()
_OPEN: dict[tuple[int, str, str | None], "Place"] = {}
_LOCK_FILE = "owner.lock"


class Place:
    """One Chroma database, shared by everything in this process that opened it."""

    def __init__(
        self,
        where: str,
        client: "ClientAPI",
        *,
        cache: VectorCache | None = None,
        lock: "BaseFileLock | None" = None,
        condition: Condition | None = None,
    ) -> None:
        self.where, self.client, self.cache = where, client, cache
        self.folder = Path(where) if lock else None
        self.condition = condition or Condition()
        self.writing = threading.RLock()
        """Held while a document is written: one writer at a time in a process."""
        self._lock = lock
        self._users = 0
        self._mirrors: dict[str, Mirror] = {}

    def mirror(
        self, collection_id: str, filled: Callable[[Mirror], None], *, to_write: bool = False
    ) -> Mirror:
        """Return the mirror of a collection in this folder; `filled` brings it in line when that is in doubt.

        After a write that failed, what is committed can still be read; it is brought in line before the next write.
        """
        assert self.folder is not None
        mirror = self._mirrors.get(collection_id)
        if mirror is not None and (not to_write or collection_id in self.condition.in_step):
            return mirror  # without the lock: readers do not wait for a writer
        with self.writing:
            mirror = self._mirrors.get(collection_id) or Mirror(mirror_file(self.folder, collection_id))
            try:
                if collection_id not in self.condition.in_step:
                    filled(mirror)
                    self.condition.in_step.add(collection_id)
            except BaseException:
                if collection_id not in self._mirrors:
                    mirror.close()
                raise
            self._mirrors[collection_id] = mirror
            return mirror

    def doubt(self, collection_id: str) -> None:
        """Have a mirror brought in line again, and the index tried at the next opening."""
        self.condition.in_step.discard(collection_id)
        self.condition.unsure = True

    def share(self) -> "Place":
        """Count one more user."""
        with _OPENING:
            self._users += 1
        return self

    def release(self) -> None:
        """Count one user less; the last one closes the client and gives up the folder."""
        with _OPENING:
            self._users -= 1
            if self._users > 0:
                return
            for key in [key for key, place in _OPEN.items() if place is self]:
                del _OPEN[key]
            self.close()

    def close(self) -> None:
        """Close the client and give up the folder, whoever still uses it."""
        for mirror in self._mirrors.values():
            mirror.close()
        if self.cache is not None:
            self.cache.close()
        for session in _sessions(self.client):
            session.close()  # Chroma's own close leaves the sockets open
        cast("Any", self.client).close()  # the interface Chroma declares has no close, its clients do
        if self._lock is not None and self.folder is not None:
            kept(self.folder, self.condition)
            self._lock.release()


def mirror_file(folder: Path, collection_id: str) -> Path:
    """Return the file of the mirror of a collection."""
    return folder / f"lexical-{collection_id}.sqlite3"


def open_place(where: str | Path, *, token: str | None, config: Config, wait_s: float = 0.0) -> Place:
    """Return the place at a folder or an http(s) address, shared with whoever in this process has it open.

    Waits `wait_s` for a folder that another process owns. Raises PlaceUnusable, and PlaceBusy when it still does.
    """
    address = str(where)
    remote = "://" in address
    key = (os.getpid(), address.rstrip("/") if remote else str(Path(where).expanduser().resolve()), token)
    with _OPENING:
        if key not in _OPEN:
            _OPEN[key] = _server(key[1], token, config) if remote else _folder(Path(key[1]), wait_s)
        place = _OPEN[key]
        return place.share()


def _close_all() -> None:
    with _OPENING:
        for (pid, *_), place in _OPEN.items():
            if pid == os.getpid():
                place.close()
        _OPEN.clear()


atexit.register(_close_all)


def _folder(folder: Path, wait_s: float) -> Place:
    lock = _owned(folder, wait_s)
    try:
        condition = taken(folder)
        import chromadb

        client = chromadb.PersistentClient(path=str(folder), settings=_settings())
        _swept(folder, client)
        cache = VectorCache(folder / CACHE_FILE)
    except PlaceUnusable:
        lock.release()
        raise
    except Exception as error:
        _forget(folder)
        lock.release()
        raise PlaceUnusable(
            f"Chroma cannot open the folder {folder} ({error}). Check that the disk has space; if it has, the "
            "folder is damaged: ingest the documents into another."
        ) from error
    except BaseException:
        lock.release()
        raise
    return Place(str(folder), client, cache=cache, lock=lock, condition=condition)


def _swept(folder: Path, client: "ClientAPI") -> None:
    """Remove the mirrors of collections that are gone: who only reads would take them for what is there."""
    there = {mirror_file(folder, str(one.id)).name for one in client.list_collections()}
    for file in folder.glob("lexical-*.sqlite3*"):
        if f"{file.name.partition('.sqlite3')[0]}.sqlite3" not in there:
            file.unlink(missing_ok=True)


def _forget(folder: Path) -> None:
    # after a failed opening Chroma keeps the half-made client for this path, and would hand it out for ever
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient._identifier_to_system.pop(str(folder), None)


def _owned(folder: Path, wait_s: float) -> "BaseFileLock":
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK_FILE, timeout=wait_s, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise PlaceBusy(
            f"Another process has {folder} open, and Chroma loses data when two processes share a folder. Open it "
            "with read_only=True to search beside the other process; to write from several, close the other one, "
            f"start a server with `chroma run --path {folder}` and open its address (http://localhost:8000) in "
            "every process."
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise PlaceUnusable(
            f"{folder} is not a folder. Name a folder, or a new path where one can be made."
        ) from error
    except OSError as error:
        raise PlaceUnusable(
            f"The folder {folder} cannot be written ({error.strerror or error}). Chroma writes even to read: make it "
            "writable, or open it with read_only=True."
        ) from error
    return lock


def _server(url: str, token: str | None, config: Config) -> Place:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(
            f"{url!r} is neither a folder nor a Chroma server: use a path or http(s)://host:port."
        )
    _knock(url, token)
    import chromadb

    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 8000)
    try:
        with translated(url):
            client = chromadb.HttpClient(
                host=parts.hostname,
                port=port,
                ssl=tls,
                headers=_headers(token),
                settings=_settings(chroma_server_host=parts.hostname, chroma_server_http_port=port),
            )
    except ValueError as error:
        raise PlaceUnusable(
            f"There is no usable Chroma server at {url} ({error}). Check the address."
        ) from error
    for session in _sessions(client):
        session.timeout = config.timeout_s  # Chroma would wait for ever
    cache = VectorCache(config.cache.expanduser() / CACHE_FILE) if config.cache else None
    return Place(url, client, cache=cache)


def _knock(url: str, token: str | None) -> None:
    # Chroma's own client would wait without end for a server that does not answer
    import httpx

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 8000)
    try:
        answer = httpx.get(
            f"{parts.scheme}://{parts.netloc.rpartition(':')[0] if parts.port else parts.netloc}:{port}/api/v2/heartbeat",
            headers=_headers(token),
            timeout=10,
        )
    except httpx.HTTPError as error:
        raise PlaceUnusable(
            f"No Chroma server answers at {url} ({error or type(error).__name__}). "
            "Start one with `chroma run --path <folder>`, or check the address."
        ) from error
    if answer.status_code in (401, 403):
        raise PlaceUnusable(f"The server at {url} refused the token. Pass the right one as token=.")
    if answer.is_error or "nanosecond heartbeat" not in answer.text:
        raise PlaceUnusable(f"What answers at {url} is not a Chroma server (status {answer.status_code}).")


def _sessions(client: "ClientAPI") -> list[Any]:
    # the httpx sessions inside an HTTP client, which Chroma offers no public way to bound or close
    holders = (client, getattr(client, "_admin_client", None))
    sessions = [getattr(getattr(holder, "_server", None), "_session", None) for holder in holders]
    return [session for session in sessions if session is not None]


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _settings(**more: Any) -> Any:
    from chromadb.config import Settings

    # _env_file: a .env in the working directory could otherwise redirect the database
    return Settings(_env_file=None, anonymized_telemetry=False, **more)
