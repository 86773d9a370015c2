"""What an ingest costs: fifty awkward documents once and again, and memory over folders of growing size.

Documents are ingested into a new folder, in this process, imports included in the first time. For memory, folders of
text files of one megabyte each (paragraphs of three question sets in ever new order) are read and cut, not stored:
what Chroma keeps in memory for its index is another matter.

    python benchmarks/retrieval/ingesting.py DATA
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from folders import folders

from retrieval import open_knowledge
from retrieval.intake import Intake, Manifest
from retrieval.loaders.guarded import Readers
from retrieval.reading import Reading
from retrieval.scan import scan
from retrieval.split import approximate_tokens, split
from retrieval.verdicts import Verdicts

SETS = ("hotpotqa", "musique", "2wiki")
MEGABYTES = (10, 40, 160)


def main() -> None:
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(Path(sys.argv[2]))))
        return
    data, out = folders(__doc__, [*(f"qa/{name}.jsonl" for name in SETS), "documents/README.md"])
    found = {"documents": documents(data / "documents"), "memory": [memory(data, size) for size in MEGABYTES]}
    out.mkdir(parents=True, exist_ok=True)
    (out / "ingesting.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "ingesting.md").write_text(page(found))
    print(page(found))


def documents(folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home, open_knowledge(home) as knowledge:
        first = knowledge.ingest(folder, root=folder)
        again = knowledge.ingest(folder, root=folder)
    return {
        "first_s": round(first.seconds, 3),
        "again_s": round(again.seconds, 3),
        "share": round(again.seconds / first.seconds, 4),
        "counts": [first.counts, again.counts],
        "verdicts": {
            one.document: one.reason or f"{one.status}, {one.passages} passages" for one in first.entries
        },
    }


def memory(data: Path, megabytes: int) -> dict[str, Any]:
    """Read a folder of this size in a process of its own, whose memory is its own."""
    with tempfile.TemporaryDirectory() as home:
        write(data, Path(home), megabytes)
        told = subprocess.run(
            [sys.executable, __file__, "--read", home], capture_output=True, text=True, check=True
        )
    return {"megabytes": megabytes, **json.loads(told.stdout)}


def write(data: Path, folder: Path, megabytes: int) -> None:
    rows = [json.loads(line) for name in SETS for line in (data / "qa" / f"{name}.jsonl").open()]
    paragraphs = sorted({one["text"] for row in rows for one in row["paragraphs"]})
    chance = random.Random(7)
    for number in range(megabytes):
        chance.shuffle(paragraphs)
        (folder / f"{number:04}.txt").write_bytes("\n\n".join(paragraphs).encode()[: 2**20])


def read(folder: Path) -> dict[str, Any]:
    reading = Reading()
    began, passages = time.monotonic(), 0
    with Readers(reading) as readers:
        nothing = Manifest(held=lambda _: {}, stamp=lambda *_: "0" * 20)
        for item in Intake(nothing, readers, Verdicts(None, reading), reading, None).items(
            scan(folder).found
        ):
            passages += len(split(item, stamp="0" * 20, count=approximate_tokens, reading=reading))
    return {
        "passages": passages,
        "seconds": round(time.monotonic() - began, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peak_reader_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }


def page(found: dict[str, Any]) -> str:
    told = found["documents"]
    lines = [
        (__doc__ or "").partition("    python")[0].strip(),
        "",
        f"Fifty documents: {told['first_s']} s at first, {told['again_s']} s again ({told['share']:.1%}).",
        "",
        "| document | verdict |",
        "|---|---|",
        *(f"| {name} | {verdict} |" for name, verdict in told["verdicts"].items()),
        "",
        "| folder, MB | passages | seconds | peak MB | peak of a reader, MB |",
        "|---|---|---|---|---|",
    ]
    for row in found["memory"]:
        values = (row[name] for name in ("megabytes", "passages", "seconds", "peak_mb", "peak_reader_mb"))
        lines.append(f"| {' | '.join(f'{value:,}' for value in values)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
