"""The question sets that retrieval is measured on, and how a ranking is scored against them."""

import csv
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from retrieval.documents import Document

MULTIHOP = ("hotpotqa", "musique", "2wiki")
NEEDED = (*(f"qa/{name}.jsonl" for name in MULTIHOP), "sotu/SOTU_QA.csv", "sotu/state_of_the_union.txt")
_PREFIX = re.compile(r"^Based on [^:]*:\s*")


class Step(NamedTuple):
    """A sub-question of a gold decomposition, with `#1` for the answer of the first one."""

    text: str
    answer: str


class Asked(NamedTuple):
    """A question and the addresses of the documents that support its answer."""

    text: str
    support: frozenset[str]
    steps: tuple[Step, ...] = ()


class Set(NamedTuple):
    """Questions over one collection of documents."""

    name: str
    questions: list[Asked]
    documents: list[Document]


class Scores(NamedTuple):
    """Means over the questions of a set."""

    recall5: float
    recall10: float
    all10: float
    mrr: float
    ndcg10: float


def multihop(data: Path, name: str) -> Set:
    """Read a multi-hop set: one collection of all its paragraphs, each paragraph a document."""
    addresses: dict[tuple[str, str], str] = {}
    questions: list[Asked] = []
    for line in (data / "qa" / f"{name}.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        support = set()
        for paragraph in row["paragraphs"]:
            key = (paragraph["title"], paragraph["text"])
            address = addresses.setdefault(key, f"{name}/{len(addresses)}")
            if paragraph["supporting"]:
                support.add(address)
        steps = tuple(Step(step["q"], step["a"]) for step in row.get("decomposition") or ())
        if support:
            questions.append(Asked(row["question"], frozenset(support), steps))
    return Set(name, questions, [Document(at, text, title) for (title, text), at in addresses.items()])


def speech(data: Path) -> tuple[list[tuple[str, str]], Document]:
    """Read the State of the Union questions with their answers, and the speech."""
    with (data / "sotu" / "SOTU_QA.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(_PREFIX.sub("", row["question"]), row["answer"]) for row in csv.DictReader(file)]
    text = (data / "sotu" / "state_of_the_union.txt").read_text("utf-8")
    return pairs, Document("state_of_the_union.txt", text, "State of the Union Address 2023")


def scored(rankings: Sequence[Sequence[str]], questions: Sequence[Asked]) -> Scores:
    """Score rankings of addresses, one per question; an address counts where it stands first."""
    rows = [
        _scored(list(dict.fromkeys(ranking)), one.support)
        for ranking, one in zip(rankings, questions, strict=True)
    ]
    return Scores(*(round(sum(column) / len(rows), 4) for column in zip(*rows, strict=True)))


def _scored(ranking: list[str], support: frozenset[str]) -> tuple[float, ...]:
    first = next((place for place, address in enumerate(ranking) if address in support), None)
    gain = sum(1 / math.log2(place + 2) for place, one in enumerate(ranking[:10]) if one in support)
    best = sum(1 / math.log2(place + 2) for place in range(min(10, len(support))))
    return (
        len(support.intersection(ranking[:5])) / len(support),
        len(support.intersection(ranking[:10])) / len(support),
        float(support <= set(ranking[:10])),
        0.0 if first is None else 1 / (first + 1),
        gain / best,
    )
