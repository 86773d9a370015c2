"""Run as a program: try every index of a Chroma folder in a process of its own, since a damaged one may crash it.

Prints a line of JSON before and after each collection. Imports nothing of ours, so that a path is enough to run it.
"""

import json
import sys
from typing import Any

ENOUGH = 0.98
"""Share of the vectors that a search for all of them must reach; a healthy HNSW graph misses some in a thousand."""

_MOST = 200_000


def main() -> int:
    """Try the collections of the folder named first, all or those named after it."""
    folder, asked = sys.argv[1], set(sys.argv[2:])
    import chromadb
    from chromadb.config import Settings

    settings = Settings(_env_file=None, anonymized_telemetry=False)
    client: Any = chromadb.PersistentClient(folder, settings=settings)
    for name in sorted(one.name for one in client.list_collections()):
        if not asked or name in asked:
            _tell(collection=name)
            _tell(collection=name, fault=_fault(client, name))
    client.close()
    _tell(done=True)
    return 0


def _fault(client: Any, name: str) -> str:
    try:
        collection = client.get_collection(name, embedding_function=None)
        held = min(collection.count(), _MOST)
        dimension = (collection.metadata or {}).get("dimension")
        if not held or not dimension:
            return ""
        got = collection.query(query_embeddings=[[1.0] + [0.0] * (dimension - 1)], n_results=held, include=[])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    reached = len(got["ids"][0])
    return "" if reached >= ENOUGH * held else f"{held - reached} of {held} vectors are lost"


def _tell(**told: Any) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201 - its output is what it is for


if __name__ == "__main__":
    sys.exit(main())
