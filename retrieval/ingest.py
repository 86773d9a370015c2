"""Bring documents into a collection: idempotent, whole documents only, every file accounted for.

The collection is the manifest: the ids of a document's passages tell which version of it is there, and whether all
of it is. So what has not changed is not even read, and nothing is kept beside the collection that could disagree.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from langchain_core.embeddings import Embeddings

from retrieval.config import Config
from retrieval.cut import Cut, Cutter
from retrieval.documents import Document, Passage
from retrieval.embed import embed_passages
from retrieval.engines.engine import EngineChoice as EngineChoice
from retrieval.engines.engine import started
from retrieval.engines.job import Job
from retrieval.intake import Intake, Item, Manifest, Same, Skip
from retrieval.reading import Reading
from retrieval.redact import Redact
from retrieval.report import IngestEntry as IngestEntry
from retrieval.report import IngestReport as IngestReport
from retrieval.report import IngestStatus
from retrieval.report import Progress as Progress
from retrieval.scan import Paths as Paths
from retrieval.scan import Scan, scan
from retrieval.split import is_from_file
from retrieval.stores.store import Store
from retrieval.verdicts import Verdicts

_GROUP_PASSAGES = 1000
_GROUP_DOCUMENTS = 250
_Group = list[tuple[Item, Sequence[Passage]]]


class Writer:
    """Puts documents into one collection, in groups, each document whole."""

    def __init__(
        self, store: Store, embeddings: Embeddings, config: Config, reading: Reading | None = None
    ) -> None:
        self._store, self._embeddings = store, embeddings
        self.reading = reading or Reading(max_file_bytes=config.max_file_bytes)
        self._cutter = Cutter(embeddings, store.embedding, self.reading)

    @property
    def manifest(self) -> Manifest:
        """What the collection knows about documents."""
        return Manifest(self._store.held, self._cutter.stamp)

    def job(self, redact: Redact | None) -> Job:
        """What an engine must know to work for this writer."""
        return Job(self._embeddings, self._store.embedding, self._store.embeds, self.reading, redact)

    def put(
        self, items: Iterable[Item], *, embeddings: Embeddings | None = None
    ) -> Generator[IngestEntry, None, None]:
        """Write documents and yield what became of each, once it is searchable; close it when it is left early.

        `embeddings`: those of an engine, in place of our own.
        """
        chosen = embeddings or self._embeddings
        # a group is written while the next one is read
        with ThreadPoolExecutor(1, thread_name_prefix="writing") as thread:
            before: Future[list[IngestEntry]] | None = None
            for group in self._groups(items):
                if before is not None:
                    yield from before.result()
                before = thread.submit(self._put, group, chosen)
            if before is not None:
                yield from before.result()

    def drop(self, *documents: str) -> int:
        """Take documents out and return how many passages they had."""
        with self._store.writing:
            held = set[str]().union(*self._store.held(documents).values())
            self._change([], held, self._embeddings)
            return len(held)

    def files(self) -> set[str]:
        """Return the addresses of all documents in the collection that were read from files."""
        return {row.document for row in self._store.documents() if is_from_file(row.opening)}

    def _groups(self, items: Iterable[Item]) -> Iterator[_Group]:
        group: _Group = []
        for item in items:
            group.append((item, self._passages(item)))
            if len(group) >= _GROUP_DOCUMENTS or sum(len(cut) for _, cut in group) >= _GROUP_PASSAGES:
                yield group
                group = []
        if group:
            yield group

    def _passages(self, item: Item) -> Sequence[Passage]:
        if isinstance(item, Cut):
            return item.passages
        return self._cutter.passages(item) if isinstance(item, Document) else ()

    def _put(self, group: _Group, embeddings: Embeddings) -> list[IngestEntry]:
        with self._store.writing:
            held = self._store.held([item.address for item, _ in group if not isinstance(item, Same)])
            kept = set().union(*held.values())
            missing = [passage for _, cut in group for passage in cut if passage.id not in kept]
            wanted = {passage.id for _, cut in group for passage in cut}
            # a document that can no longer be read keeps what was ingested of it
            extra = {key for item, cut in group if cut for key in held.get(item.address, ())} - wanted
            self._change(missing, extra, embeddings)
            return [_entry(item, cut, held.get(item.address, set())) for item, cut in group]

    def _change(self, missing: Sequence[Passage], extra: set[str], embeddings: Embeddings) -> None:
        if missing or extra:
            self._store.change(missing, embed_passages(embeddings, missing), extra)


def ingest_files(
    writer: Writer,
    paths: Paths,
    *,
    root: Path | None = None,
    avoid: Path | None = None,
    progress: Progress | None = None,
    redact: Redact | None = None,
    prune: bool = False,
    force: bool = False,
    urls: bool = False,
    engine: EngineChoice = "local",
) -> IngestReport:
    """Read files into a collection and report on each.

    Raises DocumentMissing, before anything is read, when a path or glob leads to nothing.
    """
    began = time.monotonic()
    scanned = scan(paths, root=root, avoid=avoid, urls=urls)
    verdicts = Verdicts(avoid, writer.reading)
    entries: list[IngestEntry] = []
    try:
        with started(engine, writer.job(redact)) as work:
            intake = Intake(writer.manifest, work.reader, verdicts, writer.reading, redact, ahead=work.ahead)
            items = intake.items(scanned.found)
            # closing: what is being written is finished before anything is let go of
            with closing(writer.put(items, embeddings=work.embeddings)) as written:
                for entry in written:
                    entries.append(entry)
                    if progress is not None:
                        progress(len(entries), len(scanned.found), entry.document)
    finally:
        verdicts.keep()
    refused = ""
    if prune:
        vanished, refused = _vanished(writer, scanned, force=force)
        for start in range(0, len(vanished), _GROUP_DOCUMENTS):
            writer.drop(*vanished[start : start + _GROUP_DOCUMENTS])
        entries += [IngestEntry(address, "removed") for address in vanished]
    return IngestReport(tuple(entries), time.monotonic() - began, scanned.asked, refused)


def _vanished(writer: Writer, scanned: Scan, *, force: bool) -> tuple[list[str], str]:
    """Return the documents whose files have vanished, or why they stay."""
    found = {one.address for one in scanned.found}
    covered = [address for address in writer.files() if scanned.covers(address)]
    gone = sorted(address for address in covered if address not in found and scanned.gone(address))
    if not force and gone and (not found or 2 * len(gone) > len(covered)):
        return [], (
            f"Nothing was pruned: it would remove {len(gone)} of {len(covered)} documents, as if a folder were "
            "missing or not mounted. Check the paths, or force it."
        )
    return gone, ""


def _entry(item: Item, cut: Sequence[Passage], held: set[str]) -> IngestEntry:
    if isinstance(item, Same):
        return IngestEntry(item.address, "unchanged", "", item.passages)
    if not cut:
        reason = item.reason if isinstance(item, Skip) else "empty"
        kept = f"; its {len(held)} earlier passages are kept" if held else ""
        return IngestEntry(item.address, "skipped", reason + kept, len(held))
    ids = {passage.id for passage in cut}
    status: IngestStatus = "unchanged" if ids == held else "updated" if held else "ingested"
    return IngestEntry(item.address, status, "", len(ids))
