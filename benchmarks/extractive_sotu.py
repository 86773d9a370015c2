"""How good extractive mode is on one document: the State-of-the-Union question set of the ReWOO paper.

74 questions with answers are asked of the speech they are about, and 74 questions about other things
(HotpotQA) of the same speech, where abstaining is right. No model is called; two runs give the same numbers.

    python benchmarks/extractive_sotu.py DATA [--out benchmarks/results]

DATA holds sotu/SOTU_QA.csv, sotu/state_of_the_union.txt and qa/hotpotqa.jsonl; the environment variable
AGENT_GRAPH_BENCH_DATA names it as well.
"""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from folders import folders

from agent_graph import Agent, build_agent
from agent_graph.evals import EvalReport, Question, evaluate, load_questions
from agent_graph.evals.report import lines
from agent_graph.evals.scorers import FOUND, SHORT_TOKENS, recall
from agent_graph.settings import Settings
from retrieval import open_knowledge

QUESTIONS = "sotu/SOTU_QA.csv"
DOCUMENT = "sotu/state_of_the_union.txt"
FOREIGN = "qa/hotpotqa.jsonl"


def main() -> int:
    asked = folders(__doc__, (QUESTIONS, DOCUMENT, FOREIGN))
    with tempfile.TemporaryDirectory() as home:
        report = run(asked.data, Path(home))
    _write(report, asked.out)
    print(_table(report))
    return 0


def run(data: Path, home: Path) -> EvalReport:
    """Ask all questions over a fresh index of the document; addresses are relative, so every run is alike."""
    shutil.copy(data / DOCUMENT, home)
    own = load_questions(data / QUESTIONS)
    foreign = [
        Question(id=f"foreign-{number}", question=one.question)
        for number, one in enumerate(load_questions(data / FOREIGN, limit=len(own)), 1)
    ]
    with open_knowledge(home / "index") as knowledge:
        knowledge.ingest([home / Path(DOCUMENT).name], root=home)
        settings = Settings(_env_file=None, web="off")  # type: ignore[call-arg]
        agent: Agent = build_agent(models="extractive", knowledge=knowledge, settings=settings)
        return asyncio.run(
            evaluate(agent, [*own, *foreign], concurrency=2, name="State of the Union, extractive mode")
        )


def _write(report: EvalReport, folder: Path) -> None:
    """Write what does not depend on the machine: seconds and the texts of others stay out."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": row.id, "steps": row.steps, "error": row.error, **_scores(row.scores)} for row in report.rows
    ]
    numbers = {"summary": report.summary.model_dump(mode="json"), "by_chance": _chance(report), "rows": rows}
    (folder / "extractive_sotu.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    (folder / "extractive_sotu.md").write_text(_table(report), encoding="utf-8")


def _scores(scores: Any) -> dict[str, Any]:
    if scores is None:
        return {}
    known = scores.model_dump(mode="json", exclude_none=True)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in known.items()}


def _chance(report: EvalReport) -> dict[str, float]:
    """Return the share found when each right answer is looked for in what another question half the set away got."""
    able = [row for row in report.rows if row.answers]
    pairs = [(row, able[(at + len(able) // 2) % len(able)]) for at, row in enumerate(able)]
    cited = [recall(other.cited, row.answers) >= FOUND for row, other in pairs]
    said = [recall(other.answer, row.answers) >= FOUND for row, other in pairs]
    return {
        "in_cited_found": round(sum(cited) / len(able), 4),
        "in_answer_found": round(sum(said) / len(able), 4),
    }


def _table(report: EvalReport) -> str:
    """Return the summary as Markdown, without what depends on the machine."""
    steady = report.model_copy(update={"seconds": 0.0})
    chance = _chance(report)
    pairs = [
        *lines(steady),
        ("by chance: in the passages another question cites", f"{chance['in_cited_found']:.1%}"),
        ("by chance: in another question's answer", f"{chance['in_answer_found']:.1%}"),
    ]
    rows = "\n".join(f"| {what} | {value} |" for what, value in pairs)
    return f"""\
# Extractive mode on the State of the Union 2023

74 questions of the ReWOO paper's set over the speech, and the first 74 questions of a HotpotQA sample asked of the
same speech, where abstaining is right. No model is called. Made by `benchmarks/extractive_sotu.py`.

| measured | value |
|---|---|
{rows}

Found: at least {FOUND:.0%} of the content words of the set's own answer (normalised as SQuAD does, without function
words, no stemming) occur in the text; the mean recall follows. Short: answers of at most {SHORT_TOKENS} words. The
set's answers are full sentences in an annotator's words, often with knowledge from outside the speech: an answer can
be right and score low.
"""


if __name__ == "__main__":
    raise SystemExit(main())
