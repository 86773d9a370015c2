"""What Ray costs and brings on one machine: the same folder into a Chroma server, by one process and by actors.

Documents of the generated collection are written to files, each engine ingests them into a collection of its own on
the same server, and then once more, when all is unchanged. Ray is started and stopped within the times, as it is for
a user. Then the same with embeddings that are dear: the static ones, made many times over. Wall-clock times depend on
what else the machine does: the load is in the report.

    python benchmarks/retrieval/bulk.py DATA [--files 2000] [--out benchmarks/results]
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from corpus import documents
from folders import folders
from questions import MULTIHOP

from retrieval import Cluster, WordLlamaEmbeddings, open_knowledge
from retrieval.ingest import EngineChoice

if TYPE_CHECKING:
    from retrieval.embed import Vectors

DEAR = 40
"""How many times over the dear embeddings embed."""


class DearEmbeddings(WordLlamaEmbeddings):
    """The offline embeddings at forty times their cost."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "dear"

    def vectors(self, texts: Any) -> "Vectors":
        """Return one vector per text, after making all of them again and again."""
        for _ in range(DEAR - 1):
            super().vectors(texts)
        return super().vectors(texts)


class Row(NamedTuple):
    """One ingest."""

    engine: str
    embeddings: str
    files: int
    passages: int
    seconds: float
    again_s: float
    """Seconds of the second ingest, when nothing has changed."""
    load: float
    """Load average of the machine when it began; it has `os.cpu_count()` processors."""

    @property
    def files_per_s(self) -> float:
        return self.files / self.seconds

    @property
    def passages_per_s(self) -> float:
        return self.passages / self.seconds


def main() -> int:
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--files", type=int, default=2000)
    data, out = folders(__doc__, [f"qa/{name}.jsonl" for name in MULTIHOP], more)
    count = more.parse_known_args()[0].files
    with tempfile.TemporaryDirectory() as place:
        folder = written(data, Path(place) / "files", count)
        with served(Path(place) / "chroma") as server:
            rows = [
                ingested(server, folder, engine, dear=dear)
                for dear in (False, True)
                for engine in ("local", "ray")
            ]
    out.mkdir(parents=True, exist_ok=True)
    table = [row._asdict() for row in rows]
    (out / "retrieval_bulk.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    (out / "retrieval_bulk.md").write_text(page(rows), encoding="utf-8")
    print(page(rows))
    return 0


def written(data: Path, folder: Path, count: int) -> Path:
    """Write the generated documents, those of ten paragraphs, to text files."""
    folder.mkdir()
    made = (document for document in documents(data) if document.address.startswith("made/"))
    for number, document in enumerate(islice(made, count)):
        (folder / f"{number:05}.txt").write_text(f"{document.title}\n\n{document.text}\n", encoding="utf-8")
    return folder


def ingested(server: str, folder: Path, name: str, *, dear: bool) -> Row:
    """Ingest a folder twice into a new collection, in this process."""
    load = round(os.getloadavg()[0], 1)
    engine: EngineChoice = Cluster() if name == "ray" else "local"
    embeddings = DearEmbeddings() if dear else WordLlamaEmbeddings()
    with open_knowledge(server, f"{name}-{'dear' if dear else 'plain'}", embeddings=embeddings) as knowledge:
        first = knowledge.ingest(folder, root=folder, engine=engine)
        again = knowledge.ingest(folder, root=folder, engine=engine)
    files = len(first.entries)
    assert (first.counts, again.counts) == ({"ingested": files}, {"unchanged": files})
    row = Row(
        name, embeddings.name, files, first.passages, round(first.seconds, 2), round(again.seconds, 2), load
    )
    print(row, flush=True)
    return row


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run a Chroma server over a folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    program = Path(sys.executable).with_name("chroma")
    command = [str(program), "run", "--path", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def page(rows: list[Row]) -> str:
    """Return what was measured as Markdown."""
    lines = "\n".join(
        f"| {row.engine} | {row.embeddings} | {row.seconds:.1f} | {row.files_per_s:.1f} | {row.passages_per_s:.0f} | "
        f"{row.again_s:.1f} | {row.load:.1f} |"
        for row in rows
    )
    return f"""\
# Ingest by one process and by actors on Ray

{rows[0].files:,} text files, {rows[0].passages:,} passages, into a Chroma server on the same machine of
{os.cpu_count()} processors; Ray is started and stopped within the times.

| engine | embeddings | seconds | files/s | passages/s | again, all unchanged: seconds | load before |
|---|---|---|---|---|---|---|
{lines}

"dear" are the offline embeddings made {DEAR} times over. The machine had other work: with a load above its number of
processors the times compare roughly. What Ray costs is its start, which the second ingest shows; what it brings needs
more processors, machines or GPUs than there are here, and was not measured. Made by `benchmarks/retrieval/bulk.py`.
"""


if __name__ == "__main__":
    raise SystemExit(main())
