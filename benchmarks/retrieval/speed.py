"""How fast and how large: ingest, search, cold opening and memory at 1,000, 10,000 and 100,000 passages.

Beside our knowledge stand numpy, hnswlib, faiss and bare Chroma over the very vectors that our collection holds; they
find ids only, have no text, no words and no crash safety. Every engine runs in a process of its own. Queries are the
questions of three multi-hop sets; ours are timed from text to hits, embedding included, the others from vector to ids.

    python benchmarks/retrieval/speed.py DATA [--out benchmarks/results]

AGENT_GRAPH_BENCH_SIZES may name other sizes. hnswlib and faiss are measured where they are installed. Wall-clock times
depend on what else the machine does: the load is in the report.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

ENGINES = ("knowledge", "chroma", "faiss", "hnswlib", "numpy")
SIZES = (1000, 10_000, 100_000)
NEAREST = 10
TOGETHER = 6
"""Queries of one batch."""


class Row(NamedTuple):
    """What one engine did with one size."""

    engine: str
    passages: int
    per_s: float
    """Passages ingested per second."""
    embedding: float
    """Share of the ingest spent in embedding."""
    p50_ms: float
    p99_ms: float
    batch_per_s: float
    """Queries per second when six are asked at once."""
    cold_s: float
    """Seconds from a new process' first import to the first answer."""
    memory_mb: float
    """Largest resident memory of the process that searches."""
    disk_mb: float
    recall: float
    """Share of the ten nearest vectors, by exact comparison, that were found; ours: that its dense leg found."""


def main() -> int:
    from folders import folders
    from questions import NEEDED

    asked = folders(__doc__, NEEDED)
    sizes = [int(size) for size in os.environ.get("AGENT_GRAPH_BENCH_SIZES", "").split()] or SIZES
    before = os.getloadavg()
    rows = [row for size in sizes for row in measured(asked.data, size)]
    asked.out.mkdir(parents=True, exist_ok=True)
    about = {
        "rows": [row._asdict() for row in rows],
        "load": [before, os.getloadavg()],
        "machine": _machine(),
    }
    (asked.out / "retrieval_speed.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (asked.out / "retrieval_speed.md").write_text(report(rows, before), encoding="utf-8")
    draw(rows, asked.out / "retrieval_speed.png")
    print(report(rows, before))
    return 0


def measured(data: Path, size: int) -> list[Row]:
    """Measure every engine at one size, each in processes of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for engine in ENGINES:
            built = _worker("build", engine, work, data, size)
            if built is None:
                continue
            asked = _worker("ask", engine, work, data, size)
            if asked is not None:
                row = Row(engine=engine, **(built | asked))
                print(f"{engine} {size}: {row.per_s:.0f} passages/s, p50 {row.p50_ms:.1f} ms", flush=True)
                rows.append(row)
    return rows


def _worker(part: str, engine: str, work: str, data: Path, size: int) -> dict[str, Any] | None:
    command = [sys.executable, __file__, f"--{part}", engine, work, str(data), str(size)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode == 3:
        return None  # not installed
    if ran.returncode:
        raise SystemExit(f"{engine} at {size} failed:\n{ran.stderr}")
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def build(engine: str, work: Path, data: Path, size: int) -> dict[str, float]:
    """Ingest into one engine; ours comes first and leaves its vectors for the others."""
    if engine == "knowledge":
        return _build_knowledge(work, data, size)
    vectors = np.load(work / "vectors.npy")
    began = time.perf_counter()
    _BUILDERS[engine](vectors, work / engine)
    seconds = time.perf_counter() - began
    return {
        "passages": len(vectors),
        "per_s": len(vectors) / seconds,
        "embedding": 0.0,
        "disk_mb": _size(work / engine),
    }


def _build_knowledge(work: Path, data: Path, size: int) -> dict[str, float]:
    from itertools import islice

    import corpus

    from retrieval import WordLlamaEmbeddings, open_knowledge

    class Timed(WordLlamaEmbeddings):
        seconds = 0.0

        def vectors(self, texts: Sequence[str]) -> Any:
            began = time.perf_counter()
            made = super().vectors(texts)
            Timed.seconds += time.perf_counter() - began
            return made

    source = corpus.documents(data)
    with open_knowledge(work / "knowledge", embeddings=Timed()) as knowledge:
        Timed.seconds = 0.0
        began = time.perf_counter()
        while knowledge.count() < size:
            knowledge.add(islice(source, max(1, min(500, (size - knowledge.count()) // 8))))
        seconds = time.perf_counter() - began
        held = knowledge.count()
        rows = knowledge.store.vectors(sorted(knowledge.store.mirror().ids()))  # type: ignore[attr-defined]
    np.save(work / "vectors.npy", np.stack(list(rows.values())))
    (work / "ids.json").write_text(json.dumps(list(rows)))
    np.save(work / "queries.npy", WordLlamaEmbeddings().vectors(_questions(data)))
    return {
        "passages": held,
        "per_s": held / seconds,
        "embedding": Timed.seconds / seconds,
        "disk_mb": _size(work / "knowledge"),
    }


def _build_chroma(vectors: Any, folder: Path) -> None:
    import chromadb
    from chromadb.config import Settings

    client: Any = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    collection = client.create_collection(
        "bare", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    for start in range(0, len(vectors), 5000):
        some = vectors[start : start + 5000]
        collection.add(ids=[str(start + at) for at in range(len(some))], embeddings=some)
    client.close()


def _build_faiss(vectors: Any, folder: Path) -> None:
    import faiss

    index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 100
    index.add(vectors)
    folder.mkdir()
    faiss.write_index(index, str(folder / "index"))


def _build_hnswlib(vectors: Any, folder: Path) -> None:
    import hnswlib

    index = hnswlib.Index("cosine", vectors.shape[1])
    index.init_index(len(vectors), ef_construction=100, M=16)
    index.add_items(vectors)
    folder.mkdir()
    index.save_index(str(folder / "index"))


def _build_numpy(vectors: Any, folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "vectors.npy", vectors)


_BUILDERS: dict[str, Callable[[Any, Path], None]] = {
    "chroma": _build_chroma,
    "faiss": _build_faiss,
    "hnswlib": _build_hnswlib,
    "numpy": _build_numpy,
}


def ask(engine: str, work: Path, data: Path, began: float) -> dict[str, float]:
    """Open one engine and ask it all questions, one at a time and six at a time."""
    queries = np.load(work / "queries.npy")
    vectors = np.load(work / "vectors.npy", mmap_mode="r")
    search, one = _opened(engine, work, _questions(data), queries)
    one(0)
    cold = time.perf_counter() - began
    for at in range(20):
        one(at)
    times = [_timed(one, at) for at in range(len(queries))]
    batches = [list(range(at, at + TOGETHER)) for at in range(0, len(queries) - TOGETHER, TOGETHER)]
    seconds = sum(_timed(search, batch) for batch in batches)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "p50_ms": float(np.percentile(times, 50)) * 1000,
        "p99_ms": float(np.percentile(times, 99)) * 1000,
        "batch_per_s": TOGETHER * len(batches) / seconds,
        "cold_s": cold,
        "memory_mb": memory,
        "recall": _recall(search, queries, np.asarray(vectors)),
    }


def _opened(
    engine: str, work: Path, questions: Sequence[str], queries: Any
) -> tuple[Callable[[list[int]], list[list[int]]], Callable[[int], Any]]:
    """Return a search for several queries by number, which tells the rows found, and one for a single query."""
    if engine == "knowledge":
        return _knowledge(work, questions, queries)
    search = _SEARCHERS[engine](work / engine)
    return (lambda some: search(queries[some])), (lambda at: search(queries[at : at + 1]))


def _knowledge(work: Path, questions: Sequence[str], queries: Any) -> Any:
    from retrieval import open_knowledge

    knowledge = open_knowledge(work / "knowledge")
    rows = {key: at for at, key in enumerate(json.loads((work / "ids.json").read_text()))}
    store: Any = knowledge.store

    def several(some: list[int]) -> list[list[int]]:
        knowledge.search_many([questions[at] for at in some], k=6)
        return []

    def nearest(some: list[int]) -> list[list[int]]:
        near = store._collection.nearest(queries[some], NEAREST, None, texts=False)
        return [[rows[key] for key in one.dense] for one in near]

    several.nearest = nearest  # type: ignore[attr-defined]
    return several, lambda at: knowledge.search(questions[at], k=6)


def _chroma(folder: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    client: Any = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    collection = client.get_collection("bare", embedding_function=None)

    def search(vectors: Any) -> list[list[int]]:
        got = collection.query(query_embeddings=vectors, n_results=NEAREST, include=[])
        return [[int(key) for key in ids] for ids in got["ids"]]

    return search


def _faiss(folder: Path) -> Any:
    import faiss

    index = faiss.read_index(str(folder / "index"))
    index.hnsw.efSearch = 200
    return lambda vectors: index.search(vectors, NEAREST)[1].tolist()


def _hnswlib(folder: Path) -> Any:
    import hnswlib

    index = hnswlib.Index("cosine", 256)
    index.load_index(str(folder / "index"))
    index.set_ef(200)
    return lambda vectors: index.knn_query(vectors, NEAREST)[0].tolist()


def _numpy(folder: Path) -> Any:
    held = np.load(folder / "vectors.npy")
    return lambda vectors: _exact(held, vectors)


_SEARCHERS: dict[str, Callable[[Path], Any]] = {
    "chroma": _chroma,
    "faiss": _faiss,
    "hnswlib": _hnswlib,
    "numpy": _numpy,
}


def _exact(held: Any, vectors: Any) -> list[list[int]]:
    scores = vectors @ held.T
    best = np.argpartition(-scores, NEAREST, axis=1)[:, :NEAREST]
    return [list(map(int, row)) for row in best]


def _recall(search: Any, queries: Any, held: Any) -> float:
    nearest = getattr(search, "nearest", search)
    some = list(range(min(100, len(queries))))
    right = _exact(held, queries[some])
    found = nearest(some)
    return float(
        np.mean([len(set(one) & set(other)) / NEAREST for one, other in zip(right, found, strict=True)])
    )


def _timed(question: Callable[[Any], Any], asked: Any) -> float:
    began = time.perf_counter()
    question(asked)
    return time.perf_counter() - began


def _questions(data: Path) -> list[str]:
    from questions import MULTIHOP, multihop

    return [one.text for name in MULTIHOP for one in multihop(data, name).questions]


def _size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def report(rows: Sequence[Row], load: Sequence[float]) -> str:
    """Return the table as Markdown."""
    lines = "\n".join(
        f"| {row.passages:,} | {row.engine} | {row.per_s:,.0f} | {row.embedding:.0%} | {row.p50_ms:.1f} | "
        f"{row.p99_ms:.1f} | {row.batch_per_s:,.0f} | {row.cold_s:.1f} | {row.memory_mb:,.0f} | {row.disk_mb:,.0f} | "
        f"{row.recall:.3f} |"
        for row in rows
    )
    return f"""\
# How fast, how large

Our knowledge from text to hits (embedding, words and meaning, links, near-duplicates, {NEAREST - 4} hits of text with
places) beside engines that find the ids of the {NEAREST} nearest vectors; the same vectors, one process each. Passages
are real sentences put together anew (`corpus.py`). {_machine()}; load average when it began: {load[0]:.1f}.
Made by `benchmarks/retrieval/speed.py`.

| passages | engine | ingest/s | embedding | p50 ms | p99 ms | queries/s, {TOGETHER} at once | cold s | memory MB | disk MB | R@{NEAREST} of vectors |
|---|---|---|---|---|---|---|---|---|---|---|
{lines}
"""


def draw(rows: Sequence[Row], file: Path) -> None:
    """Draw query times, memory and ingest over size; nothing without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        return
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    panels = (("p50_ms", "query p50, ms"), ("memory_mb", "memory, MB"), ("per_s", "ingest, passages/s"))
    for axis, (field, label) in zip(axes, panels, strict=True):
        for engine in dict.fromkeys(row.engine for row in rows):
            own = [row for row in rows if row.engine == engine]
            width = 2.5 if engine == "knowledge" else 1.2
            axis.plot(
                [row.passages for row in own],
                [getattr(row, field) for row in own],
                marker="o",
                lw=width,
                label=engine,
            )
        axis.set(xscale="log", yscale="log", xlabel="passages", title=label)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def work() -> int:
    """Do one part in a process of its own."""
    began = time.perf_counter()
    part, engine, folder, data, size = sys.argv[1:6]
    try:
        if part == "--build":
            told = build(engine, Path(folder), Path(data), int(size))
        else:
            told = ask(engine, Path(folder), Path(data), began)
    except ImportError as absent:
        print(absent, file=sys.stderr)
        return 3
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    raise SystemExit(work() if len(sys.argv) > 1 and sys.argv[1] in ("--build", "--ask") else main())
