"""Run as a program: ingest a folder on a Ray that is there, tell what is stored first, and wait to be killed.

python tests/bulk_run.py CHROMA COLLECTION FOLDER RAY
"""

import sys
from pathlib import Path

from retrieval import Cluster, open_knowledge


def tell(done: int, total: int, document: str) -> None:
    """Say that something is stored, and go no further."""
    print("kept", flush=True)
    sys.stdin.read()


def main() -> None:
    """Ingest until the first documents are stored."""
    chroma, collection, folder, ray = sys.argv[1:]
    with open_knowledge(chroma, collection) as knowledge:
        engine = Cluster(address=ray, actors=1)
        knowledge.ingest(folder, root=Path(folder), progress=tell, engine=engine)


if __name__ == "__main__":
    main()
