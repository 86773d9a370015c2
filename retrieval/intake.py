"""From files found to documents read: several at once, in order, never more than a few of them in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from retrieval.cut import Cut
from retrieval.documents import Document, passage_ids
from retrieval.load import fingerprint, read_bytes
from retrieval.loaders.extract import Unreadable
from retrieval.loaders.fetch import fetch
from retrieval.reading import Reading
from retrieval.redact import Redact, redacted, version
from retrieval.scan import Found
from retrieval.verdicts import Verdicts

_LOOKED_UP_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Skip:
    """A file that is not read."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Same:
    """A file that is in the collection as it is."""

    address: str
    passages: int


Item = Document | Cut | Skip | Same


class Reader(Protocol):
    """Reads files, for several threads at once."""

    def read(self, raw: bytes, name: str, address: str) -> Document | Cut:
        """Return the document in a file, or its passages where it was cut as well; raises Unreadable."""
        ...

    def stop(self) -> None:
        """Break off whatever is being read; nothing is read afterwards."""
        ...


class Manifest(NamedTuple):
    """What the collection knows about documents."""

    held: Callable[[list[str]], dict[str, set[str]]]
    """Ids of the passages held per address."""
    stamp: Callable[[str, str], str]
    """Stamp of an address and a version."""


class Intake:
    """Reads files that are new or have changed."""

    def __init__(
        self,
        manifest: Manifest,
        reader: Reader,
        verdicts: Verdicts,
        reading: Reading,
        redact: Redact | None,
        *,
        ahead: int | None = None,
    ) -> None:
        self._manifest, self._reader, self._verdicts = manifest, reader, verdicts
        self._reading, self._redact = reading, redact
        self._ahead = ahead or max(1, reading.processes)

    def items(self, found: Iterable[Found]) -> Iterator[Item]:
        """Yield what becomes of every file, in order."""
        waiting: deque[Future[Item]] = deque()
        pool = ThreadPoolExecutor(self._ahead, thread_name_prefix="reading")
        try:
            for one, held in self._looked_up(found):
                waiting.append(pool.submit(self._item, one, held))
                if len(waiting) > self._ahead:
                    yield self._finished(waiting.popleft().result())
            while waiting:
                yield self._finished(waiting.popleft().result())
        except BaseException:
            self._reader.stop()  # frees the threads that wait for one
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _looked_up(self, found: Iterable[Found]) -> Iterator[tuple[Found, set[str]]]:
        rest = iter(found)
        while some := list(islice(rest, _LOOKED_UP_AT_ONCE)):
            held = self._manifest.held([one.address for one in some])
            for one in some:
                yield one, held.get(one.address, set())

    def _item(self, one: Found, held: set[str]) -> Item:
        try:
            return self._read(one, held)
        except Unreadable as error:
            return Skip(one.address, str(error))

    def _read(self, one: Found, held: set[str]) -> Document | Cut | Same:
        if one.reason:
            raise Unreadable(one.reason)
        raw, name = self._content(one)
        content = fingerprint(raw, name)
        made = self._version(content)
        if made and held and held == passage_ids(self._manifest.stamp(one.address, made), len(held)):
            return Same(one.address, len(held))
        known = self._verdicts.of(content)
        if known:
            raise Unreadable(known)
        try:
            return self._reader.read(raw, name, one.address)
        except Unreadable as error:
            self._verdicts.add(content, str(error))
            raise

    def _content(self, one: Found) -> tuple[bytes, str]:
        limit = self._reading.max_file_bytes
        if one.path is not None:
            return read_bytes(one.path, max_bytes=limit, loaders=self._reading.loaders), one.path.name
        fetched = fetch(
            one.address,
            max_bytes=limit,
            timeout_s=self._reading.fetch_timeout_s,
            private=self._reading.private_addresses,
        )
        return fetched.raw, fetched.name

    def _version(self, content: str) -> str:
        if self._redact is None:
            return content
        made = version(self._redact)
        return f"{content} {made}" if made else ""

    def _finished(self, item: Item) -> Item:
        # here and not in the threads: nobody promised that a hook can be called from several at once
        if self._redact is None or not isinstance(item, Document):
            return item
        try:
            return redacted(item, self._redact)
        except Unreadable as error:
            return Skip(item.address, str(error))
