"""Bring documents into a collection: idempotent, whole documents only, every file accounted for.

The collection is the manifest: a passage's id is a fingerprint of what it says and where, so comparing the
ids a document should have with those it has tells what to embed and what to delete. Nothing else is kept.
"""

import glob
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from langchain_core.embeddings import Embeddings

from retrieval.chroma import Store
from retrieval.config import Config
from retrieval.documents import Document, Passage
from retrieval.errors import DocumentMissing, RetrievalError
from retrieval.load import Unreadable, load
from retrieval.split import split

IngestStatus = Literal["ingested", "unchanged", "updated", "skipped"]
"""ingested: new; unchanged: already there; updated: there in another version; skipped: not read, see the reason."""

Progress = Callable[[int, int, str], None]
"""Called after every file with how many are done, how many there are, and the file's address."""

Paths = str | Path | Iterable[str | Path]
"""Files, folders (searched in depth, hidden names left out) and globs."""

_GROUP_PASSAGES = 256
_GROUP_DOCUMENTS = 100


@dataclass(frozen=True, slots=True)
class IngestEntry:
    """What became of one document."""

    document: str
    status: IngestStatus
    reason: str = ""
    """Why it was skipped."""
    passages: int = 0
    """Passages the collection now holds of it."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of every document of one ingest, in order."""

    entries: tuple[IngestEntry, ...] = ()
    seconds: float = 0.0
    paths: tuple[str, ...] = ()
    """What was asked for."""

    @property
    def counts(self) -> dict[IngestStatus, int]:
        """Number of documents per status; a status without documents is left out."""
        return dict(Counter(entry.status for entry in self.entries))

    @property
    def passages(self) -> int:
        """Passages the collection now holds of these documents."""
        return sum(entry.passages for entry in self.entries)

    @property
    def skipped(self) -> tuple[IngestEntry, ...]:
        """The documents that were not read, with their reasons."""
        return tuple(entry for entry in self.entries if entry.status == "skipped")

    @property
    def ok(self) -> bool:
        """Whether there was something to ingest and nothing was skipped."""
        return bool(self.entries) and not self.skipped

    def __str__(self) -> str:
        if not self.entries:
            return f"There are no files to ingest in {', '.join(self.paths) or 'what was given'}."
        told = ", ".join(f"{count} {status}" for status, count in sorted(self.counts.items()))
        reasons = "".join(f"\n  skipped {entry.document}: {entry.reason}" for entry in self.skipped)
        return f"{told} ({self.passages} passages, {self.seconds:.1f} s){reasons}"


@dataclass(frozen=True, slots=True)
class _Skip:
    address: str
    reason: str


class Writer:
    """Puts documents into one collection, in groups, each document whole."""

    def __init__(self, store: Store, embeddings: Embeddings, config: Config) -> None:
        self._store, self._embeddings, self._config = store, embeddings, config

    def put(self, items: Iterable[Document | _Skip]) -> Iterator[IngestEntry]:
        """Write documents and yield what became of each, once it is searchable."""
        group: list[tuple[Document | _Skip, list[Passage]]] = []
        for item in items:
            group.append((item, self._split(item)))
            if len(group) >= _GROUP_DOCUMENTS or sum(len(cut) for _, cut in group) >= _GROUP_PASSAGES:
                yield from self._put(group)
                group = []
        if group:
            yield from self._put(group)

    def drop(self, document: str) -> int:
        """Take a document out and return how many passages it had."""
        with self._store.place.writing:
            held = self._store.held([document]).get(document, set())
            self._change([], held)
            return len(held)

    def _split(self, item: Document | _Skip) -> list[Passage]:
        if isinstance(item, _Skip):
            return []
        return split(item, embedding=self._store.embedding, config=self._config)

    def _put(self, group: Sequence[tuple[Document | _Skip, list[Passage]]]) -> list[IngestEntry]:
        with self._store.place.writing:
            held = self._store.held([item.address for item, _ in group])
            kept = set().union(*held.values())
            missing = [passage for _, cut in group for passage in cut if passage.id not in kept]
            wanted = {passage.id for _, cut in group for passage in cut}
            # a document that can no longer be read keeps what was ingested of it
            extra = {key for item, cut in group if cut for key in held.get(item.address, ())} - wanted
            self._change(missing, extra)
            return [_entry(item, cut, held.get(item.address, set())) for item, cut in group]

    def _change(self, missing: Sequence[Passage], extra: set[str]) -> None:
        if not missing and not extra:
            return
        texts = [f"{passage.title}\n{passage.text}" if passage.title else passage.text for passage in missing]
        vectors = self._embeddings.embed_documents(texts) if texts else []
        index = self._store.mirror()
        with index.following() if index else nullcontext():
            self._write(missing, vectors)
            index = index or self._store.mirror()
            if index:
                index.add(missing)
            self._store.remove(extra)
            if index:
                index.remove(extra)

    def _write(self, passages: Sequence[Passage], vectors: Sequence[Sequence[float]]) -> None:
        try:
            self._store.write(passages, vectors)
        except BaseException:
            # several writes may be needed: leave no half document; the old version is still there
            with suppress(RetrievalError):
                self._store.remove(passage.id for passage in passages)
            raise


def ingest_files(
    writer: Writer,
    paths: Paths,
    *,
    config: Config,
    root: Path | None,
    avoid: Path | None,
    progress: Progress | None,
) -> IngestReport:
    """Read files into a collection and report on each.

    Raises DocumentMissing, before anything is read, when a path or glob leads to nothing.
    """
    began = time.monotonic()
    asked = [paths] if isinstance(paths, str | Path) else list(paths)
    files = find_files(asked, avoid=avoid)
    entries: list[IngestEntry] = []
    for entry in writer.put(_read(file, _address(file, root), config) for file in files):
        entries.append(entry)
        if progress is not None:
            progress(len(entries), len(files), entry.document)
    return IngestReport(tuple(entries), time.monotonic() - began, tuple(map(str, asked)))


def find_files(paths: Iterable[str | Path], *, avoid: Path | None = None) -> list[Path]:
    """Return the files that paths, folders and globs lead to, sorted within each, each file once.

    What lies in the folder `avoid` is left out. Raises DocumentMissing for a path that leads to nothing.
    """
    found: dict[Path, None] = {}
    for path in paths:
        for file in sorted(_expanded(path)):
            real = file.resolve()
            if avoid is None or not real.is_relative_to(avoid):
                found[real] = None
    return list(found)


def _expanded(path: str | Path) -> Iterator[Path]:
    start = Path(path).expanduser()
    if start.is_dir():
        yield from _walked(start)
    elif start.exists():
        yield start
    elif glob.has_magic(str(path)):
        matches = [Path(match) for match in glob.glob(str(start), recursive=True)]  # noqa: PTH207 - the pattern may be absolute
        if not matches:
            raise DocumentMissing(
                f"No file matches {str(path)!r}. Check the pattern and the working directory."
            )
        for match in matches:
            yield from _walked(match) if match.is_dir() else [match]
    else:
        raise DocumentMissing(
            f"There is no file or folder {str(path)!r}. Check the spelling and the working directory."
        )


def _walked(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _address(file: Path, root: Path | None) -> str:
    if root is not None and file.is_relative_to(root.resolve()):
        file = file.relative_to(root.resolve())
    # a file name may hold bytes that are no text; addresses are text
    return file.as_posix().encode("utf-8", "backslashreplace").decode()


def _read(file: Path, address: str, config: Config) -> Document | _Skip:
    try:
        return load(file, address, max_bytes=config.max_file_bytes)
    except Unreadable as error:
        return _Skip(address, str(error))


def _entry(item: Document | _Skip, cut: list[Passage], held: set[str]) -> IngestEntry:
    if not cut:
        reason = item.reason if isinstance(item, _Skip) else "empty"
        kept = f"; its {len(held)} earlier passages are kept" if held else ""
        return IngestEntry(item.address, "skipped", reason + kept, len(held))
    ids = {passage.id for passage in cut}
    status: IngestStatus = "unchanged" if ids == held else "updated" if held else "ingested"
    return IngestEntry(item.address, status, "", len(ids))
