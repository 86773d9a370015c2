"""Which tools of a large catalogue the planner is shown: a full-text search of them with the question."""

import re
import sqlite3
from collections.abc import Collection
from contextlib import closing

from tools.catalog import Catalog

_WORD = re.compile(r"\w{2,40}")
_MIXED_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MAX_WORDS = 200

CORE = ("search_documents", "extract", "calculator")
"""Shown whenever they are there: most plans join others through them."""


def most_relevant(catalog: Catalog, task: str, limit: int, *, always: Collection[str] = ()) -> Catalog:
    """Return at most `limit` tools, in catalogue order: the core, `always`, then by rank for the task.

    A catalogue within the limit comes back whole, so that the prompt's beginning stays the same.
    """
    if len(catalog) <= limit:
        return catalog
    wanted = dict.fromkeys(
        name for name in (*CORE, *always, *_ranked(catalog, task), *catalog) if name in catalog
    )
    return catalog.subset(list(wanted)[:limit])


def _ranked(catalog: Catalog, task: str) -> list[str]:
    """Return the tools that share words with the task, best first (SQLite FTS5, porter stems, BM25)."""
    words = dict.fromkeys(_WORD.findall(task.lower()))
    query = " OR ".join(f'"{word}"' for word in list(words)[:_MAX_WORDS])
    if not query:
        return []
    with closing(sqlite3.connect(":memory:")) as index:
        index.execute("CREATE VIRTUAL TABLE tool USING fts5(name, words, about, tokenize='porter unicode61')")
        rows = [(name, _as_words(name), spec.description) for name, spec in catalog.items()]
        index.executemany("INSERT INTO tool VALUES (?, ?, ?)", rows)
        found = index.execute(
            "SELECT name FROM tool WHERE tool MATCH ? ORDER BY bm25(tool, 0, 4, 1), rowid", (query,)
        )
        return [name for (name,) in found]


def _as_words(name: str) -> str:
    return _MIXED_CASE.sub(" ", name).replace("_", " ").replace("-", " ")
