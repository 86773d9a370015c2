"""Run as a program: ingest documents into a folder, tell what is acknowledged, until somebody kills us.

python tests/ingest_run.py FOLDER VERSION SYNC_THRESHOLD
"""

import random
import sys

from retrieval import Document, open_knowledge
from retrieval.stores import chroma

DOCUMENTS = 60
GROUP = 4


def text(number: int, version: int) -> str:
    """A document of some passages, each of which names it and its version."""
    sentences = 4 * (1 + number % 17)
    return " ".join(
        f"Doc{number}version{version} sentence {at} speaks of buoy{number}x{at}." for at in range(sentences)
    )


def address(number: int) -> str:
    """The address of a document."""
    return f"doc/{number}"


def main() -> None:
    """Write all documents in an order of their own, some at a time."""
    folder, version, threshold = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chroma.HNSW["sync_threshold"] = threshold
    order = random.Random(version).sample(range(DOCUMENTS), DOCUMENTS)
    with open_knowledge(folder) as knowledge:
        print("open", flush=True)
        for start in range(0, DOCUMENTS, GROUP):
            some = order[start : start + GROUP]
            knowledge.add([Document(address(number), text(number, version)) for number in some])
            print("kept", *some, flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main()
