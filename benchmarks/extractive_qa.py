"""How good the answers are without a language model: multi-hop questions and one speech, end to end.

HotpotQA, 2WikiMultihopQA and MuSiQue questions are asked of one collection per set that holds the paragraphs of all
its questions together, and once more with the paragraphs that support the question taken out of that collection,
where abstaining is right. The State of the Union questions of the ReWOO paper are asked of the speech they are about,
and as many questions about other things of the same speech. Every question goes through the whole agent: plan, steps,
answer. No model is called; two runs give the same numbers.

    python benchmarks/extractive_qa.py DATA [--most N] [--sets NAME,NAME] [--as before|now] [--out benchmarks/results]

DATA holds qa/{hotpotqa,2wiki,musique}.jsonl, sotu/SOTU_QA.csv and sotu/state_of_the_union.txt; the environment
variable AGENT_GRAPH_BENCH_DATA names it as well. `--as before` keeps the figures of an older solver beside the new.
"""

import argparse
import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import multihop
from folders import folders

from agent_graph import Agent, Answer, build_agent
from agent_graph.evals import EvalReport, Question, evaluate, load_questions
from agent_graph.evals.report import lines
from agent_graph.evals.scorers import FOUND, SHORT_TOKENS, cited_text, normalise, recall, score, token_f1
from agent_graph.settings import Settings
from retrieval import Document, Knowledge, open_knowledge

SETS = ("hotpotqa", "2wiki", "musique")
SPEECH = "sotu"
QUESTIONS = "sotu/SOTU_QA.csv"
DOCUMENT = "sotu/state_of_the_union.txt"
RESULT = "extractive_qa"
STATED_TOKENS = 12
"""Longest lead, in tokens, that counts as a stated value rather than a quoted sentence."""

_WINNER = re.compile(r"(?P<value>.{1,300}?) (?:— |\()(?P=value): |(?P<said>Yes|No) (?:— |\()")
_MARKER = re.compile(r"\s*\[E\d+(?:\.\d+)?\]")


class Scored(NamedTuple):
    """One question, answered with and without its supporting paragraphs."""

    id: str
    kind: str
    abstained: bool
    partial: bool
    states: bool
    """Whether the answer leads with a short value."""
    exact: bool
    f1: float
    """Of the lead: the value, or the first quoted sentence."""
    text_f1: float
    contains: bool
    """The whole answer holds a right answer word for word."""
    cited: bool
    """A cited passage does; for yes and no, which no passage says, the answer says it and cites."""
    declined: bool
    """Abstained without the supporting paragraphs."""


def main() -> int:
    options = _options()
    own, _ = options.parse_known_args()
    asked = folders(__doc__, (*(f"qa/{name}.jsonl" for name in SETS), QUESTIONS, DOCUMENT), options)
    kept = _kept(asked.out)
    now = kept.setdefault(own.label, {})
    for name in own.sets.split(","):
        now[name] = (
            speech(asked.data, own.most)
            if name == SPEECH
            else run(asked.data / "qa" / f"{name}.jsonl", own.most)
        )
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"{RESULT}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (asked.out / f"{RESULT}.md").write_text(report(kept), encoding="utf-8")
    print(report(kept))
    return 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--most", type=int, default=None, help="questions of each set; all without it")
    options.add_argument("--sets", default=",".join((*SETS, SPEECH)), help="names with commas between")
    options.add_argument("--as", dest="label", choices=("before", "now"), default="now")
    return options


def run(file: Path, most: int | None = None) -> dict[str, Any]:
    """Ask every question that marks its support of all paragraphs of the set, then without those that support it."""
    every, documents = multihop.read(file)
    asked = [one for one in every if one.support]
    answers = {one.id: one.answers for one in load_questions(file)}
    with tempfile.TemporaryDirectory() as home, open_knowledge(home) as knowledge:
        knowledge.add(documents)
        agent = _agent(knowledge)
        full = [_answer(agent, one.question) for one in asked[:most]]
        by_address = {one.address: one for one in documents}
        lone = [_without(agent, knowledge, one, by_address) for one in asked[:most]]
    rows = [
        _scored(one.id, one.kind, said, answers[one.id], other)
        for one, said, other in zip(asked, full, lone, strict=False)
    ]
    return {"summary": summary(rows), "rows": [row._asdict() for row in rows]}


def _agent(knowledge: Knowledge) -> Agent:
    settings = Settings(_env_file=None, web="off")  # type: ignore[call-arg]
    return build_agent(models="extractive", knowledge=knowledge, settings=settings)


def _answer(agent: Agent, question: str) -> Answer:
    answer: Answer = agent.invoke({"task": question})["answer"]
    return answer


def _without(
    agent: Agent, knowledge: Knowledge, asked: multihop.Asked, documents: dict[str, Document]
) -> Answer:
    """Ask a question while its supporting paragraphs are out of the collection."""
    for address in sorted(asked.support):
        knowledge.remove(address)
    said = _answer(agent, asked.question)
    knowledge.add([documents[address] for address in sorted(asked.support)])
    return said


def _scored(name: str, kind: str, answer: Answer, answers: Sequence[str], without: Answer) -> Scored:
    scores = score(answer, answers)
    lead = "" if scores.abstained else stated(answer.text)
    cited = _holds(cited_text(answer), answers) or (
        {normalise(one) for one in answers} <= {"yes", "no"}
        and bool(answer.citations)
        and any(normalise(lead) == normalise(one) for one in answers)
    )
    return Scored(
        id=name,
        kind=kind,
        abstained=scores.abstained,
        partial=scores.partial,
        states=0 < len(normalise(lead).split()) <= STATED_TOKENS and not lead.endswith((".", "!", "?")),
        exact=any(normalise(lead) == normalise(one) for one in answers),
        f1=max(token_f1(lead, one) for one in answers),
        text_f1=0.0 if scores.abstained else scores.f1 or 0.0,
        contains=not scores.abstained and _holds(answer.text, answers),
        cited=cited,
        declined=score(without, ()).abstained,
    )


def stated(text: str) -> str:
    """Return what an answer leads with, up to its first citation: a value, or else the first quoted sentence.

    Of a comparison that is the winner, or yes or no, before the values compared.
    """
    if (won := _WINNER.match(text)) is not None:
        return won["value"] or won["said"]
    return _MARKER.split(text, maxsplit=1)[0].rpartition(" = ")[2].strip()


def _holds(text: str, answers: Iterable[str]) -> bool:
    padded = f" {normalise(text)} "
    return any(f" {gold} " in padded for one in answers if (gold := normalise(one)))


def summary(rows: Sequence[Scored]) -> dict[str, Any]:
    """Return means and shares over some questions."""
    numbers: dict[str, Any] = {"n": len(rows)}
    for name in ("exact", "f1", "text_f1", "contains", "cited", "states", "abstained", "partial", "declined"):
        numbers[name] = _mean([float(getattr(row, name)) for row in rows])
    return numbers | {"n_without": len(rows)}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def speech(data: Path, most: int | None = None) -> dict[str, Any]:
    """Ask the questions on the speech, and foreign ones, of the speech alone."""
    own = load_questions(data / QUESTIONS, limit=most)
    foreign = [
        Question(id=f"foreign-{number}", question=one.question)
        for number, one in enumerate(load_questions(data / "qa/hotpotqa.jsonl", limit=len(own)), 1)
    ]
    with tempfile.TemporaryDirectory() as home:
        shutil.copy(data / DOCUMENT, home)
        with open_knowledge(Path(home) / "index") as knowledge:
            knowledge.ingest([Path(home) / Path(DOCUMENT).name], root=Path(home))
            agent = _agent(knowledge)
            asked = asyncio.run(evaluate(agent, [*own, *foreign], concurrency=2, name="State of the Union"))
    rows = [
        {"id": row.id, "steps": row.steps, "error": row.error, **_numbers(row.scores)} for row in asked.rows
    ]
    steady = asked.model_copy(update={"seconds": 0.0})
    chance = {name: f"{value:.1%}" for name, value in _chance(asked).items()}
    return {"summary": dict(lines(steady)) | chance, "row": _speech_row(asked), "rows": rows}


def _speech_row(asked: EvalReport) -> dict[str, Any]:
    """Return the speech in the columns of the other sets."""
    able = [row for row in asked.rows if row.answers and row.scores]
    leads = [stated(row.answer) if row.scores and not row.scores.abstained else "" for row in able]
    pairs = list(zip(able, leads, strict=True))
    s = asked.summary
    return {
        "n": len(able),
        "exact": _mean([float(any(normalise(v) == normalise(g) for g in row.answers)) for row, v in pairs]),
        "f1": _mean([max(token_f1(v, gold) for gold in row.answers) for row, v in pairs]),
        "text_f1": s.f1,
        "contains": s.in_answer_found,
        "cited": s.in_cited_found,
        "states": _mean(
            [float(0 < len(v.split()) <= STATED_TOKENS and not v.endswith((".", "!", "?"))) for v in leads]
        ),
        "abstained": s.abstained,
        "partial": s.partial,
        "n_without": s.unanswerable,
        "declined": s.abstained_rightly,
    }


def _numbers(scores: Any) -> dict[str, Any]:
    if scores is None:
        return {}
    known = scores.model_dump(mode="json", exclude_none=True)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in known.items()}


def _chance(asked: EvalReport) -> dict[str, float]:
    """Return the share found when each right answer is looked for in what another question half the set away got."""
    able = [row for row in asked.rows if row.answers]
    pairs = [(row, able[(at + len(able) // 2) % len(able)]) for at, row in enumerate(able)]
    cited = [recall(other.cited, row.answers) >= FOUND for row, other in pairs]
    said = [recall(other.answer, row.answers) >= FOUND for row, other in pairs]
    return {
        "by chance: in the passages another question cites": sum(cited) / len(able),
        "by chance: in another question's answer": sum(said) / len(able),
    }


def _kept(folder: Path) -> dict[str, Any]:
    file = folder / f"{RESULT}.json"
    kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return kept


_COLUMNS = ("exact", "f1", "text_f1", "contains", "cited", "states", "abstained", "partial", "declined")


def report(kept: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    rows = "\n".join(
        _line(f"{name}, {label}", _row(kept[label][name]))
        for name in (*SETS, SPEECH)
        for label in ("before", "now")
        if name in kept.get(label, {})
    )
    kinds = "\n".join(
        _line(f"{name}: {kind}", summary(some))
        for name in SETS
        if name in kept.get("now", {})
        for kind, some in _kinds(kept["now"][name]["rows"])
    )
    return f"""\
# Extractive mode: questions answered with no language model

Every question goes through the whole agent, planner, steps and solver by rules; **no language model** is called.
HotpotQA, 2Wiki and MuSiQue: development halves, English; each set is **one collection of the paragraphs of all its
questions**. "before" is the solver that only quoted. Made by `benchmarks/extractive_qa.py`.

| set | n | EM | F1 | F1, whole text | answer holds gold | cited passage holds gold | states a value | abstained, wrongly | in part | abstained rightly, support removed |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

EM and F1 (SQuAD's normalisation) are of what the answer leads with, up to its first citation: a value, or the first
quoted sentence where it states none; an abstention scores 0. "Whole text" counts the quotes too, so a right value
with its sentence scores low. "Holds gold": the right answer stands there word for word; for yes and no, which no
passage says, the cited column asks that the lead is right and cites. "States a value": the lead is no sentence and
has at most {STATED_TOKENS} words. "Support removed": the question's supporting paragraphs are taken out of the
collection and it is asked again; other paragraphs may still hold the answer, so an answer there need not be wrong.
"In part": something found and cited, and a word on what is missing; it counts in neither of the abstention columns.
Questions whose rows mark no support are left out. State of the Union: right answers are full sentences in an annotator's
words, so "holds gold" means here that at least {FOUND:.0%} of their content words occur, and "support removed" are
questions about other things. Thresholds were chosen on these same questions: read them as development figures.

## By type of question, now

| set: type | n | EM | F1 | F1, whole text | answer holds gold | cited passage holds gold | states a value | abstained, wrongly | in part | abstained rightly, support removed |
|---|---|---|---|---|---|---|---|---|---|---|
{kinds}
{_speech_section(kept)}"""


def _row(kept: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = kept.get("row", kept["summary"])
    return row


def _kinds(rows: Sequence[dict[str, Any]]) -> list[tuple[str, list[Scored]]]:
    scored = [Scored(**row) for row in rows]
    return [
        (kind, [row for row in scored if row.kind == kind]) for kind in sorted({row.kind for row in scored})
    ]


def _line(label: str, numbers: dict[str, Any]) -> str:
    cells = []
    for name in _COLUMNS:
        value = numbers[name]
        shown = (
            "-" if value is None else f"{value:.3f}" if name in ("f1", "text_f1") else f"{100 * value:.1f} %"
        )
        cells.append(shown)
    return f"| {label} | {numbers['n']} | {' | '.join(cells)} |"


def _speech_section(kept: dict[str, Any]) -> str:
    known = {
        label: kept[label][SPEECH]["summary"] for label in ("before", "now") if SPEECH in kept.get(label, {})
    }
    if "now" not in known:
        return ""
    earlier = known.get("before", {})
    rows = "\n".join(
        f"| {what} | {earlier.get(what, '-')} | {value} |" for what, value in known["now"].items()
    )
    return f"""
## State of the Union 2023

| measured | before | now |
|---|---|---|
{rows}

Found: at least {FOUND:.0%} of the content words of the set's own answer (normalised as SQuAD does, without function
words, no stemming) occur in the text; the mean recall follows. Short: answers of at most {SHORT_TOKENS} words. The
set's answers often carry knowledge from outside the speech: an answer can be right and score low. EM and F1 here are
of the whole text.
"""


if __name__ == "__main__":
    raise SystemExit(main())
