"""How well extractive mode's plans gather what a multi-hop question needs, beside one search with as many passages.

MuSiQue, 2WikiMultihopQA and HotpotQA questions are asked of one collection per set that holds the paragraphs of all
its questions. A question counts when every paragraph marked as supporting is among what the steps of its plan
retrieved. Beside it stands a single search of the question as asked that brings the same number of passages.
No model is called; two runs give the same numbers.

    python benchmarks/multihop.py DATA [--out benchmarks/results]

DATA holds qa/musique.jsonl, qa/2wiki.jsonl and qa/hotpotqa.jsonl; the environment variable AGENT_GRAPH_BENCH_DATA
names it as well.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from folders import folders

from agent_graph import Agent, Context, build_agent
from agent_graph.evidence import Evidence, Source
from agent_graph.plan import Plan
from agent_graph.settings import Settings
from retrieval import Document, Knowledge, open_knowledge

SETS = ("musique", "2wiki", "hotpotqa")
PASSAGES = 6
"""What one search brings by default."""
BUDGET = 10
"""Passages in all, where both sides are held to the same small number."""


class Asked(NamedTuple):
    """One question, and the addresses of the paragraphs that support its answer."""

    id: str
    kind: str
    question: str
    support: frozenset[str]


class Measured(NamedTuple):
    """What one question's plan gathered, and one search beside it."""

    id: str
    kind: str
    hops: int
    shape: str
    steps: int
    searches: int
    passages: int
    plan: float
    """Share of the supporting paragraphs the plan retrieved."""
    single: float
    """The same for one search that brings as many passages."""
    plan_budget: float
    """The same within BUDGET passages, each search's best first."""
    single_budget: float


def main() -> int:
    asked = folders(__doc__, [f"qa/{name}.jsonl" for name in SETS])
    measured = {name: run(asked.data / "qa" / f"{name}.jsonl") for name in SETS}
    _write(measured, asked.out)
    print(report(measured))
    return 0


def run(file: Path) -> list[Measured]:
    """Measure every question of a set that marks its supporting paragraphs."""
    questions, documents = read(file)
    with tempfile.TemporaryDirectory() as home, open_knowledge(home) as knowledge:
        knowledge.add(documents)
        settings = Settings(_env_file=None, web="off")  # type: ignore[call-arg]
        agent = build_agent(models="extractive", knowledge=knowledge, settings=settings)
        return [measure(one, agent, knowledge) for one in questions if one.support]


def read(file: Path) -> tuple[list[Asked], list[Document]]:
    """Return the questions of a set and all its paragraphs, each paragraph once."""
    addresses: dict[tuple[str, str], str] = {}
    questions = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        support = set()
        for paragraph in row["paragraphs"]:
            key = (paragraph["title"], paragraph["text"])
            address = addresses.setdefault(key, f"{file.stem}/{len(addresses)}")
            if paragraph["supporting"]:
                support.add(address)
        questions.append(Asked(row["id"], row["type"], row["question"], frozenset(support)))
    return questions, [Document(address, text, title) for (title, text), address in addresses.items()]


def measure(asked: Asked, agent: Agent, knowledge: Knowledge) -> Measured:
    """Ask one question and compare what its plan retrieved with what one search retrieves."""
    plan, found = _ran(agent, asked.question, PASSAGES)
    _, deeper = _ran(agent, asked.question, BUDGET)
    gathered = _distinct(found)
    single = knowledge.search(asked.question, k=max(len(gathered), BUDGET))
    alone = [hit.passage.document for hit in single]

    def share(documents: Iterable[str]) -> float:
        return len(asked.support.intersection(documents)) / len(asked.support)

    return Measured(
        id=asked.id,
        kind=asked.kind,
        hops=len(asked.support),
        shape=shape(plan),
        steps=len(plan.steps),
        searches=len(found),
        passages=len(gathered),
        plan=share(source.document for source in gathered),
        single=share(alone[: len(gathered)]),
        plan_budget=share(source.document for source in _distinct(deeper)[:BUDGET]),
        single_budget=share(alone[:BUDGET]),
    )


def shape(plan: Plan) -> str:
    """Name what kind of plan it is, from its steps."""
    searches = [step for step in plan.steps if step.tool == "search_documents"]
    if any(step.tool == "calculator" for step in plan.steps):
        return "arithmetic"
    if len(searches) < 2:
        return "look-up"
    chained = any(step.needs for step in searches)
    if "then compare" in plan.strategy:
        return "comparison over hops" if chained else "comparison"
    return "hops" if chained else "several questions"


def _ran(agent: Agent, question: str, passages: int) -> tuple[Plan, list[Sequence[Source]]]:
    done = agent.invoke({"task": question}, context=Context(passages=passages, max_replans=0))
    evidence: dict[str, Evidence] = done["evidence"]
    plan: Plan = done["plan"]
    return plan, [
        evidence[s.id].sources for s in plan.steps if s.tool == "search_documents" and s.id in evidence
    ]


def _distinct(found: Sequence[Sequence[Source]]) -> list[Source]:
    """Return every passage once, the best of each search first."""
    turns = (source for turn in zip_longest(*found) for source in turn if source is not None)
    return list({source.passage: source for source in turns}.values())


def _write(measured: dict[str, list[Measured]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {
        name: {"summary": summary(rows), "rows": [row._asdict() for row in rows]}
        for name, rows in measured.items()
    }
    (folder / "multihop.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    (folder / "multihop.md").write_text(report(measured), encoding="utf-8")


def summary(rows: Sequence[Measured]) -> dict[str, float]:
    """Return the shares and means of some questions; `all` is the share with every supporting paragraph."""
    sides: dict[str, Callable[[Measured], float]] = {
        "plan": lambda row: row.plan,
        "single": lambda row: row.single,
        "plan_budget": lambda row: row.plan_budget,
        "single_budget": lambda row: row.single_budget,
    }
    numbers: dict[str, float] = {"questions": len(rows)}
    for name, side in sides.items():
        numbers[f"{name}_all"] = _mean(side(row) == 1 for row in rows)
        numbers[f"{name}_recall"] = _mean(side(row) for row in rows)
    costs = (("steps", [row.steps for row in rows]), ("searches", [row.searches for row in rows]))
    passages = ("passages", [row.passages for row in rows])
    return numbers | {name: _mean(values) for name, values in (*costs, passages)}


def _mean(values: Iterable[float]) -> float:
    several = [float(value) for value in values]
    return round(sum(several) / len(several), 4) if several else 0.0


def report(measured: dict[str, list[Measured]]) -> str:
    """Return the tables as Markdown."""
    tables = "\n".join(_section(name, rows) for name, rows in measured.items())
    return f"""\
# Multi-hop questions in extractive mode

Share of questions whose plan retrieves **all** supporting paragraphs, and in brackets the mean share of them it
retrieves, beside one search of the question as asked. "Same passages": as many distinct passages as the plan's
searches brought together ({PASSAGES} each). "{BUDGET} passages": both sides are cut to {BUDGET}, the plan's searches
taken in turns, best first. Each set is one collection of the paragraphs of all its questions. A paragraph counts as
retrieved when a passage of it is. Questions whose rows mark no supporting paragraph are left out. No model is called.
Made by `benchmarks/multihop.py`.

{tables}"""


def _section(name: str, rows: Sequence[Measured]) -> str:
    groups = [
        ("all", rows),
        *_grouped(rows, lambda row: f"{row.hops} paragraphs"),
        *_grouped(rows, lambda row: f"plan: {row.shape}"),
        *_grouped(rows, lambda row: f"set's type: {row.kind}"),
    ]
    lines = "\n".join(_line(label, summary(some)) for label, some in groups)
    return f"""\
## {name}

| questions | n | plan, same passages | single | plan, {BUDGET} passages | single | steps | searches | passages |
|---|---|---|---|---|---|---|---|---|
{lines}
"""


def _grouped(
    rows: Sequence[Measured], label: Callable[[Measured], str]
) -> Iterator[tuple[str, Sequence[Measured]]]:
    for name in sorted({label(row) for row in rows}):
        yield name, [row for row in rows if label(row) == name]


def _line(label: str, n: dict[str, float]) -> str:
    sides = " | ".join(
        f"{n[f'{side}_all']:.1%} ({n[f'{side}_recall']:.1%})"
        for side in ("plan", "single", "plan_budget", "single_budget")
    )
    return f"| {label} | {n['questions']} | {sides} | {n['steps']:.1f} | {n['searches']:.1f} | {n['passages']:.1f} |"


if __name__ == "__main__":
    raise SystemExit(main())
