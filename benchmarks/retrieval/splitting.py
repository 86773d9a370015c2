"""How large passages should be and where to cut: what a search brings within a fixed room, for each way to cut.

The paragraphs of three multi-hop question sets are bound into books of twenty, once under headings, once as plain
paragraphs, once as lines of eighty characters without any mark where a paragraph ends; the State of the Union speech
is one book. Each book is cut by `retrieval.split`; every question is searched over all passages (offline embeddings
and FTS5, fused as in a search); what is found is taken in order until the room is full. Counted is the share of the
supporting paragraphs' characters that were taken; for the speech, the share of the answer's words.

    python benchmarks/retrieval/splitting.py DATA
"""

import csv
import json
import random
import sqlite3
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from folders import folders

from retrieval.documents import Document, Passage
from retrieval.embed import WordLlamaEmbeddings
from retrieval.loaders.text import headed
from retrieval.reading import Reading
from retrieval.sentences import content_stems
from retrieval.split import counter, split

SETS = ("hotpotqa", "musique", "2wiki")
ROOMS = (1000, 2000)
"""Tokens of found text that are looked at."""
BOOK = 20
DENSE_SHARE = 0.3
CANDIDATES = 100
SIZES = (
    (60, 0),
    (100, 0),
    (100, 20),
    (150, 0),
    (150, 30),
    (200, 0),
    (200, 40),
    (200, 60),
    (300, 0),
    (300, 60),
    (400, 80),
)
"""Tokens of a passage and of its overlap."""


class Question(NamedTuple):
    text: str
    spans: tuple[tuple[str, int, int], ...] = ()
    """Book, first and last character of every supporting paragraph."""
    words: frozenset[str] = frozenset()
    """What the answer says."""


@dataclass(frozen=True)
class Task:
    name: str
    books: list[Document]
    questions: list[Question]


def main() -> None:
    data, out = folders(__doc__, [*(f"qa/{name}.jsonl" for name in SETS), "sotu/SOTU_QA.csv"])
    embeddings = WordLlamaEmbeddings()
    tasks = list(read_tasks(data))
    rows = []
    for label, reading, bare in settings():
        row: dict[str, Any] = {"cut": label}
        for task in tasks:
            books = [Document(book.address, book.text, book.title) if bare else book for book in task.books]
            row |= {
                f"{task.name}@{room}": value
                for room, value in measured(books, task.questions, reading, embeddings)
            }
        rows.append(row)
        print(json.dumps(row), flush=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "splitting.json").write_text(json.dumps(rows, indent=1) + "\n")
    (out / "splitting.md").write_text(table(rows, tasks))


def settings() -> Iterator[tuple[str, Reading, bool]]:
    for tokens, overlap in SIZES:
        yield f"{tokens}, overlap {overlap}", Reading(passage_tokens=tokens, overlap_tokens=overlap), False
    yield "200, overlap 40, structure ignored", Reading(passage_tokens=200, overlap_tokens=40), True


def read_tasks(data: Path) -> Iterator[Task]:
    for name in SETS:
        rows = [json.loads(line) for line in (data / "qa" / f"{name}.jsonl").open()]
        for form, page in FORMS.items():
            yield bound(f"{name} {form}", rows, page)
    yield speech(data / "sotu")


def headings(title: str, text: str) -> tuple[str, str]:
    return f"## {title}\n\n", text


def paragraphs(_: str, text: str) -> tuple[str, str]:
    return "", text


def lines(_: str, text: str) -> tuple[str, str]:
    return "", "\n".join(textwrap.wrap(text, 80))


FORMS: dict[str, Callable[[str, str], tuple[str, str]]] = {
    "headings": headings,
    "paragraphs": paragraphs,
    "lines": lines,
}


def bound(name: str, rows: Sequence[Any], page: Callable[[str, str], tuple[str, str]]) -> Task:
    """Bind all paragraphs of a set into books and keep where each one stands."""
    distinct = sorted({(one["title"], one["text"]) for row in rows for one in row["paragraphs"]})
    random.Random(7).shuffle(distinct)
    books, places = [], {}
    for start in range(0, len(distinct), BOOK):
        address, text = f"{name} {start // BOOK}", ""
        for title, words in distinct[start : start + BOOK]:
            head, body = page(title, words)
            places[title, words] = (address, len(text) + len(head), len(text) + len(head) + len(body))
            text += f"{head}{body}\n" if page is lines else f"{head}{body}\n\n"
        kind = "markdown" if page is headings else "text"
        books.append(Document(address, text, sections=headed(text), kind=kind))
    questions = [
        Question(
            row["question"],
            tuple(places[one["title"], one["text"]] for one in row["paragraphs"] if one["supporting"]),
        )
        for row in rows
    ]
    return Task(name, books, [question for question in questions if question.spans])


def speech(folder: Path) -> Task:
    text = (folder / "state_of_the_union.txt").read_text()
    with (folder / "SOTU_QA.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    questions = [
        Question(
            row["question"].partition(":")[2].strip() or row["question"],
            words=frozenset(content_stems(row["answer"])),
        )
        for row in rows
    ]
    return Task(
        "speech", [Document("speech", text, "State of the Union")], [one for one in questions if one.words]
    )


def measured(
    books: list[Document], questions: list[Question], reading: Reading, embeddings: WordLlamaEmbeddings
) -> Iterator[tuple[int, float]]:
    """Yield per room the share of supporting paragraphs found, or of the answer's words."""
    count = counter(embeddings)
    passages = [
        passage
        for number, book in enumerate(books)
        for passage in split(book, stamp=f"{number:020x}", count=count, reading=reading)
    ]
    sizes = [count(passage.text) for passage in passages]
    orders = list(search(passages, [question.text for question in questions], embeddings))
    for room in ROOMS:
        scores = []
        for question, order in zip(questions, orders, strict=True):
            taken = [passages[at] for at in within(order, sizes, room)]
            scores.append(words_found(question, taken) if question.words else spans_found(question, taken))
        yield room, round(mean(scores), 4)


def within(order: Sequence[int], sizes: Sequence[int], room: int) -> Iterator[int]:
    for at in order:
        room -= sizes[at]
        if room < 0:
            return
        yield at


def spans_found(question: Question, taken: Sequence[Passage]) -> float:
    return mean(covered(book, start, end, taken) / (end - start) for book, start, end in question.spans)


def covered(book: str, start: int, end: int, taken: Sequence[Passage]) -> int:
    """Return how many characters of a span were taken, those taken twice counted once."""
    total, at = 0, start
    for first, last in sorted((one.start, one.end) for one in taken if one.document == book):
        total += max(0, min(last, end) - max(first, at))
        at = max(at, last)
    return total


def words_found(question: Question, taken: Sequence[Passage]) -> float:
    return len(question.words & {stem for one in taken for stem in content_stems(one.text)}) / len(
        question.words
    )


def search(
    passages: Sequence[Passage], queries: Sequence[str], embeddings: WordLlamaEmbeddings
) -> Iterator[list[int]]:
    """Yield per query the passages, best first: cosine and BM25, each brought to 0..1, then mixed."""
    texts = [f"{passage.title}\n{passage.text}" if passage.title else passage.text for passage in passages]
    vectors = np.asarray(embeddings.embed_documents(texts), dtype=np.float32)
    db = sqlite3.connect(":memory:")
    db.execute(
        "CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'porter unicode61 remove_diacritics 2')"
    )
    db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", enumerate(texts))
    for query in queries:
        cosines = vectors @ np.asarray(embeddings.embed_query(query), dtype=np.float32)
        near = {int(at): float(cosines[at]) for at in np.argsort(-cosines)[:CANDIDATES]}
        words = " OR ".join(f'"{word}"' for word in sorted(set(content_stems(query))))
        found = db.execute(
            "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY 2 DESC LIMIT ?",
            (words or '"x"', CANDIDATES),
        )
        told = dict(found.fetchall())
        scores = {
            at: DENSE_SHARE * normal(near, at) + (1 - DENSE_SHARE) * normal(told, at) for at in {*near, *told}
        }
        yield sorted(scores, key=lambda at: (-scores[at], at))


def normal(scores: dict[int, float], at: int) -> float:
    if at not in scores:
        return 0.0
    low, high = min(scores.values()), max(scores.values())
    return (scores[at] - low) / (high - low) if high > low else 1.0


def table(rows: Sequence[dict[str, Any]], tasks: Sequence[Task]) -> str:
    """Return the results as a page."""
    told = [(__doc__ or "").partition("    python")[0].strip(), ""]
    told.append(f"{sum(len(task.questions) for task in tasks[::3])} questions; room: tokens of found text.")
    for room in ROOMS:
        names = [f"{task.name}@{room}" for task in tasks]
        told += ["", f"## Room for {room} tokens", ""]
        told.append("| cut (tokens) | " + " | ".join(task.name for task in tasks) + " | mean |")
        told.append("|---" * (len(names) + 2) + "|")
        for row in rows:
            values = [row[name] for name in names]
            told.append(
                f"| {row['cut']} | " + " | ".join(f"{value:.3f}" for value in [*values, mean(values)]) + " |"
            )
    return "\n".join(told) + "\n"


if __name__ == "__main__":
    main()
