"""Kill an ingest again and again, and look what is left: kill -9 at random moments, syncs of the index included.

    python benchmarks/retrieval/crash.py [KILLS] [--out benchmarks/results]

Every round ingests new versions of the same documents into the same folder, is killed at a random moment, and the
folder is opened again. Then every document that was ever acknowledged must be there in one whole version, not older
than the acknowledged one, found by its own text, and Chroma, its index and the mirror must hold the same passages.
The index is synced every 60 passages instead of every 5,000, so that many kills fall into a sync. Ends with 1 when
anything was lost or half.
"""

import argparse
import json
import logging
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DOCUMENTS = 120
GROUP = 6
SYNC = 60


class Round(NamedTuple):
    """What one kill did."""

    acknowledged: int
    """Documents acknowledged in this round before the kill."""
    opening_s: float
    rebuilt: bool
    """Whether the kill had damaged the index."""
    faults: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kills", nargs="?", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds = run(Path(folder), asked.kills)
    told = report(rounds)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "retrieval_crash.md").write_text(told, encoding="utf-8")
    rows = [one._asdict() for one in rounds]
    (asked.out / "retrieval_crash.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(told)
    return int(any(one.faults for one in rounds))


def run(folder: Path, kills: int) -> list[Round]:
    """Kill so many ingests."""
    chance = random.Random(0)
    last: dict[int, int] = {}
    rounds = []
    for version in range(kills):
        before = len(last), dict(last)
        kept = _killed(folder, version, chance)
        last |= dict.fromkeys(kept, version)
        rounds.append(_examined(folder, last, len(kept)))
        print(f"kill {version + 1}: {rounds[-1]} ({before[0]} known before)", flush=True)
    return rounds


def _killed(folder: Path, version: int, chance: random.Random) -> set[int]:
    kept: set[int] = set()
    lines = chance.randrange(0, DOCUMENTS // GROUP)
    command = [sys.executable, __file__, "--ingest", str(folder), str(version)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            kept |= {int(number) for number in line.split()[1:]}
            if lines == 0:
                time.sleep(chance.random() * 0.5)
                process.send_signal(signal.SIGKILL)
            lines -= 1
    return kept


def _examined(folder: Path, last: dict[int, int], kept: int) -> Round:
    from retrieval import open_knowledge

    noted = _Noted()
    logging.getLogger("retrieval").addHandler(noted)
    began = time.perf_counter()
    with open_knowledge(folder) as knowledge:
        seconds = time.perf_counter() - began
        faults = tuple(_faults(knowledge, last))
    logging.getLogger("retrieval").removeHandler(noted)
    return Round(kept, round(seconds, 2), noted.rebuilt, faults)


def _faults(knowledge: Any, last: dict[int, int]) -> Any:
    store = knowledge.store
    held = store.held([f"doc/{number}" for number in range(DOCUMENTS)])
    for number, acknowledged in sorted(last.items()):
        passages = store.passages(held.get(f"doc/{number}", ()))
        text = " ".join(passage.text for passage in passages.values())
        versions = {int(found) for found in re.findall(rf"Doc{number}version(\d+) ", text)}
        if len(versions) != 1:
            yield f"document {number} is there in versions {versions}"
            continue
        (version,) = versions
        wanted = _text(number, version).count(" sentence ")
        if len(set(re.findall(r" sentence (\d+) ", text))) != wanted:
            yield f"document {number} is half"
        if version < acknowledged:
            yield f"document {number} fell back from version {acknowledged} to {version}"
        best = knowledge.search(_text(number, version)[:250], k=1)
        if best[0].passage.document != f"doc/{number}":
            yield f"document {number} is not found by its own text"
    ids = set(store._collection.ids())
    if ids != store.mirror().ids():
        yield "Chroma and its mirror differ"
    reached = store._collection.nearest(np.ones((1, 256), np.float32), max(1, len(ids)), None, texts=False)
    if len(reached[0].dense) < 0.98 * len(ids):
        yield f"the index reaches {len(reached[0].dense)} of {len(ids)} passages"


class _Noted(logging.Handler):
    rebuilt = False

    def emit(self, record: logging.LogRecord) -> None:
        """Notice a rebuild."""
        self.rebuilt = self.rebuilt or "Rebuilding" in record.getMessage()


def _text(number: int, version: int) -> str:
    sentences = 4 * (1 + number % 23)
    return " ".join(
        f"Doc{number}version{version} sentence {at} speaks of buoy{number}x{at}." for at in range(sentences)
    )


def _ingest() -> int:
    from retrieval import Document, open_knowledge
    from retrieval.stores import chroma

    chroma.HNSW["sync_threshold"] = SYNC
    folder, version = sys.argv[2], int(sys.argv[3])
    order = random.Random(version).sample(range(DOCUMENTS), DOCUMENTS)
    with open_knowledge(folder) as knowledge:
        print("open", flush=True)
        for start in range(0, DOCUMENTS, GROUP):
            some = order[start : start + GROUP]
            knowledge.add([Document(f"doc/{number}", _text(number, version)) for number in some])
            print("kept", *some, flush=True)
    return 0


def report(rounds: list[Round]) -> str:
    """Return what happened as Markdown."""
    faults = Counter(fault for one in rounds for fault in one.faults)
    told = (
        "\n".join(f"- {fault}: {count}" for fault, count in faults.items())
        or "Nothing was lost, half or out of step."
    )
    opened = sorted(one.opening_s for one in rounds)
    return f"""\
# Kill -9 in the middle of an ingest

{len(rounds)} kills at random moments, the index synced every {SYNC} passages (5,000 by default). Documents
acknowledged before the kills: {sum(one.acknowledged for one in rounds)}. Indexes that a kill had damaged, and that were
rebuilt at the next opening from what was stored: {sum(one.rebuilt for one in rounds)}. Opening after a kill, with the
trial of the index in a process of its own: median {opened[len(opened) // 2]:.1f} s, longest {opened[-1]:.1f} s.

{told}

Made by `benchmarks/retrieval/crash.py`.
"""


if __name__ == "__main__":
    raise SystemExit(_ingest() if "--ingest" in sys.argv else main())
