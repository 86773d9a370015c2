"""Chroma behind a thin seam: one place (folder or server) shared per process, one collection per store."""

import atexit
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from retrieval.config import SCHEMA
from retrieval.documents import Filters, Passage
from retrieval.errors import (
    BadRequest,
    CollectionForeign,
    EmbeddingMismatch,
    PlaceBusy,
    PlaceDamaged,
    PlaceUnusable,
)
from retrieval.lexical import Lexical, batches

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection
    from filelock import BaseFileLock

T = TypeVar("T")

_OPENING = threading.Lock()
_OPEN: dict[tuple[int, str, str | None], "Place"] = {}
_LOCK_FILE = "owner.lock"
_COLLECTION_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]")
_HNSW = {"space": "cosine", "ef_search": 200, "sync_threshold": 5000}
_NOTHING: Any = {"ids": [], "metadatas": []}
_FLOATS_PER_WRITE = 1_000_000
"""Keeps one write under the server's body limit of 40 MiB whatever the dimension."""


class Place:
    """One Chroma database, a folder or a server, shared by everything in this process that opened it."""

    def __init__(self, where: str, client: "ClientAPI", lock: "BaseFileLock | None") -> None:
        self.where = where
        self.client = client
        self.folder = Path(where) if lock else None
        self.writing = threading.RLock()
        """Held while a document is written: one writer at a time in a process."""
        self._lock = lock
        self._users = 0
        self._indexes: dict[str, Lexical] = {}

    def mirror(self, collection_id: str) -> Lexical | None:
        """Return the lexical index beside a collection; a server has none."""
        if self.folder is None:
            return None
        with _OPENING:
            if collection_id not in self._indexes:
                self._indexes[collection_id] = Lexical(self.folder / f"lexical-{collection_id}.sqlite3")
            return self._indexes[collection_id]

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
        for index in self._indexes.values():
            index.close()
        for session in _sessions(self.client):
            session.close()  # Chroma's own close leaves the sockets open
        cast("Any", self.client).close()  # the interface Chroma declares has no close, its clients do
        if self._lock is not None:
            self._lock.release()


class Store:
    """One collection in a place; it is created by the first write, when the dimension is known."""

    def __init__(self, place: Place, name: str, embedding: str) -> None:
        if not _COLLECTION_NAME.fullmatch(name):
            raise BadRequest(
                f"{name!r} cannot name a collection: use 3 to 63 letters, digits, dots, dashes or underscores, "
                "with a letter or digit at both ends."
            )
        self.place, self.name, self.embedding = place, name, embedding
        self._found: Collection | None = None
        self._collection()

    def count(self) -> int:
        """Return the number of passages."""
        return self._ask(lambda collection: int(collection.count()), 0)

    def ids(self) -> set[str]:
        """Return the ids of all passages."""
        return self._ask(lambda collection: set(collection.get(include=[])["ids"]), set[str]())

    def fetch(self, ids: Sequence[str]) -> list[Passage]:
        """Return the passages with these ids."""
        return self._ask(lambda collection: _passages(collection.get(ids=list(ids))), [])

    def pages(self, size: int = 2000) -> Iterator[list[Mapping[str, Any]]]:
        """Yield what is known about every passage, without its text, some at a time."""
        for offset in range(0, self.count(), size):
            page = partial(_metadata, limit=size, offset=offset)
            yield self._ask(page, [])

    def held(self, documents: Sequence[str]) -> dict[str, set[str]]:
        """Return the ids of the passages held per document; one without passages is left out."""
        found: dict[str, set[str]] = {}
        where = _where({"document": documents})
        got = self._ask(lambda collection: collection.get(where=where, include=["metadatas"]), _NOTHING)
        for key, about in zip(got["ids"], got["metadatas"] or [], strict=True):
            found.setdefault(str(about["document"]), set()).add(key)
        return found

    def write(self, passages: Sequence[Passage], vectors: Sequence[Sequence[float]]) -> None:
        """Put passages in with their vectors; many at once go in several writes."""
        if not passages:
            return
        dimension = len(vectors[0])
        collection = self._collection(dimension) or self._created(dimension)
        size = max(1, min(self.place.client.get_max_batch_size(), _FLOATS_PER_WRITE // dimension))
        for some in batches(list(zip(passages, vectors, strict=True)), size):
            with self._translated():
                collection.upsert(
                    ids=[passage.id for passage, _ in some],
                    embeddings=_floats([vector for _, vector in some]),
                    documents=[passage.text for passage, _ in some],
                    metadatas=[_about(passage) for passage, _ in some],
                )

    def remove(self, ids: Iterable[str]) -> None:
        """Take passages out."""
        for some in batches(sorted(ids), 1000):
            self._ask(partial(_delete, ids=some), None)

    def nearest(
        self, vectors: Sequence[Sequence[float]], k: int, filters: Filters | None
    ) -> list[list[tuple[Passage, float]]]:
        """Return per vector its nearest `k` passages with their cosine similarity, in one call."""
        if self._collection(len(vectors[0])) is None:
            return [[] for _ in vectors]
        got: Any = self._ask(
            lambda collection: collection.query(
                query_embeddings=_floats(vectors),
                n_results=k,
                where=_where(filters),
                include=["documents", "metadatas", "distances"],
            ),
            None,
        )
        return [_neighbours(got, row) for row in range(len(vectors))] if got else [[] for _ in vectors]

    def mirror(self) -> Lexical | None:
        """Return the lexical index of this collection, in line with it; None on a server or before the first write."""
        collection = self._collection() if self.place.folder else None
        index = self.place.mirror(str(collection.id)) if collection else None
        if index is not None:
            index.reconcile(self.ids, self.fetch)
        return index

    def _ask(self, question: "Callable[[Collection], T]", nothing: T) -> T:
        from chromadb.errors import NotFoundError

        collection = self._collection()
        if collection is None:
            return nothing
        try:
            with self._translated():
                return question(collection)
        except NotFoundError:
            # someone else dropped the collection since we looked it up
            self._found = None
            collection = self._collection()
            if collection is None:
                return nothing
            with self._translated():
                return question(collection)

    def _collection(self, dimension: int | None = None) -> "Collection | None":
        from chromadb.errors import NotFoundError

        if self._found is None:
            try:
                with self._translated():
                    self._found = self.place.client.get_collection(self.name, embedding_function=None)
            except NotFoundError:
                return None
        self._check(self._found.metadata or {}, dimension)
        return self._found

    def _created(self, dimension: int) -> "Collection":
        with self._translated():
            self._found = self.place.client.get_or_create_collection(
                self.name,
                metadata={"embedding": self.embedding, "dimension": dimension, "schema": SCHEMA},
                configuration=cast("Any", {"hnsw": _HNSW}),
                embedding_function=None,
            )
        # a writer elsewhere may have been faster, with other embeddings
        self._check(self._found.metadata or {}, dimension)
        return self._found

    def _check(self, stamp: Mapping[str, Any], dimension: int | None) -> None:
        remedy = "Open another collection name, or ingest the documents again into a new one."
        if stamp.get("schema") != SCHEMA:
            self._found = None
            raise CollectionForeign(
                f"The collection {self.name!r} in {self.place.where} was not made by this version of retrieval "
                f"(its schema is {stamp.get('schema')!r}, ours {SCHEMA!r}). {remedy}"
            )
        if stamp.get("embedding") != self.embedding:
            self._found = None
            raise EmbeddingMismatch(
                f"The collection {self.name!r} in {self.place.where} was made with the embeddings "
                f"{stamp.get('embedding')!r} and is now opened with {self.embedding!r}. "
                f"Open it with {stamp.get('embedding')!r}. {remedy}"
            )
        if dimension is not None and stamp.get("dimension") != dimension:
            raise EmbeddingMismatch(
                f"The collection {self.name!r} in {self.place.where} holds vectors of {stamp.get('dimension')} "
                f"dimensions, but {self.embedding!r} now returns {dimension}. {remedy}"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with translated(self.place.where):
            yield


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what Chroma and its transport raise into errors that say what to do; NotFoundError passes."""
    import httpx
    from chromadb.errors import AuthorizationError, ChromaAuthError, InternalError

    try:
        yield
    except httpx.HTTPError as error:
        raise PlaceUnusable(
            f"The Chroma server at {where} did not answer ({error or type(error).__name__}). "
            "Check that it is running and reachable."
        ) from error
    except (AuthorizationError, ChromaAuthError) as error:
        raise PlaceUnusable(
            f"The Chroma server at {where} refused the token. Pass the right one as token=."
        ) from error
    except InternalError as error:
        raise PlaceDamaged(
            f"Chroma cannot work with what is stored in {where} ({error}). "
            "Check that the disk is writable and has space; if it is, ingest the documents into a new folder."
        ) from error


def open_place(where: str | Path, *, token: str | None, timeout_s: float) -> Place:
    """Return the place at a folder or an http(s) address, shared with whoever in this process has it open.

    Raises PlaceUnusable, and PlaceBusy when another process owns the folder.
    """
    address = str(where)
    remote = "://" in address
    key = (os.getpid(), address.rstrip("/") if remote else str(Path(where).expanduser().resolve()), token)
    with _OPENING:
        if key not in _OPEN:
            _OPEN[key] = _server(key[1], token, timeout_s) if remote else _folder(Path(key[1]))
        place = _OPEN[key]
    return place.share()


def _close_all() -> None:
    with _OPENING:
        for (pid, *_), place in _OPEN.items():
            if pid == os.getpid():
                place.close()
        _OPEN.clear()


atexit.register(_close_all)


def _folder(folder: Path) -> Place:
    lock = _owned(folder)
    try:
        import chromadb

        client = chromadb.PersistentClient(path=str(folder), settings=_settings())
    except Exception as error:
        lock.release()
        raise PlaceUnusable(
            f"Chroma cannot open the folder {folder} ({error}). Check its files or use another."
        ) from (error)
    except BaseException:
        lock.release()
        raise
    return Place(str(folder), client, lock)


def _owned(folder: Path) -> "BaseFileLock":
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK_FILE, timeout=0, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise PlaceBusy(
            f"Another process has {folder} open, and Chroma loses data when two processes share a folder. Close the "
            f"other one, or start a server with `chroma run --path {folder}` and open its address "
            "(http://localhost:8000) in every process."
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise PlaceUnusable(
            f"{folder} is not a folder. Name a folder, or a new path where one can be made."
        ) from error
    except OSError as error:
        raise PlaceUnusable(
            f"The folder {folder} cannot be written ({error.strerror or error}). Chroma writes even to read: "
            "make it writable, or copy it to a place that is."
        ) from error
    return lock


def _server(url: str, token: str | None, timeout_s: float) -> Place:
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
        session.timeout = timeout_s  # Chroma would wait for ever
    return Place(url, client, None)


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


def _where(filters: Filters | None) -> Any:
    if not filters:
        return None
    terms: list[dict[str, Any]] = [
        {field: wanted if isinstance(wanted, str) else {"$in": list(wanted)}}
        for field, wanted in filters.items()
    ]
    return terms[0] if len(terms) == 1 else {"$and": terms}


def _about(passage: Passage) -> dict[str, str | int]:
    return {
        "document": passage.document,
        "title": passage.title,
        "location": passage.location,
        "start": passage.start,
        "end": passage.end,
        "kind": passage.kind,
    }


def _metadata(collection: "Collection", *, limit: int, offset: int) -> list[Mapping[str, Any]]:
    return list(collection.get(include=["metadatas"], limit=limit, offset=offset)["metadatas"] or [])


def _delete(collection: "Collection", *, ids: list[str]) -> None:
    collection.delete(ids=ids)


def _floats(vectors: Sequence[Sequence[float]]) -> Any:
    return [list(vector) for vector in vectors]


def _passages(got: Any) -> list[Passage]:
    rows = zip(got["ids"], got["documents"], got["metadatas"], strict=True)
    return [Passage(id=key, text=text or "", **about) for key, text, about in rows]


def _neighbours(got: Any, row: int) -> list[tuple[Passage, float]]:
    passages = _passages({key: got[key][row] for key in ("ids", "documents", "metadatas")})
    return list(zip(passages, [1.0 - distance for distance in got["distances"][row]], strict=True))
