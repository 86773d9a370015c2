"""Extractive mode's solver: quotes with citations, computed values with their operands, and honest abstention."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent_graph import references
from agent_graph.evidence import Evidence, Source
from agent_graph.plan import Plan, Step
from agent_graph.planner.extractive import write_plan
from agent_graph.references import StepId
from agent_graph.solver.cite import check
from agent_graph.solver.extractive import NOT_FOUND, Draft, write_answer
from retrieval.sentences import score_sentences
from tools import observation
from tools.calculator import make_calculator
from tools.documents import make_search_documents
from tools.extract import make_extract

E1, E2 = StepId("E1"), StepId("E2")
LINES = Path(__file__).with_name("naughty_strings.jsonl").read_text("utf-8").split("\n")
NAUGHTY = [json.loads(line)["s"] for line in LINES if line]

SPEECH = [
    "Additionally, over the last two years, a record 10 million Americans applied to start a new small business. "
    "Every time somebody starts a small business, it’s an act of hope.",
    "And when we do these projects, we’re going to Buy American. Buy American has been the law of the land since 1933. "
    "But for too long, past administrations have found ways to get around it.",
    "Ban assault weapons once and for all. We did it before. I led the fight to ban them in 1994. "
    "In the 10 years the ban was law, mass shootings went down.",
    "Outside of Columbus, Ohio, Intel is building semiconductor factories on a thousand acres. "
    "That’ll create 10,000 jobs. 7,000 construction jobs. 3,000 jobs once the factories are finished.",
    "Car prices went up. Today’s automobiles need up to 3,000 chips each, but automakers couldn’t make enough cars "
    "because there weren’t enough chips.",
]
FILMS = [
    "Payment on Demand is a 1951 drama film directed by Curtis Bernhardt and starring Bette Davis.",
    "My Cousin from Warsaw is a 1931 comedy film directed by Carl Boese and starring Liane Haid.",
    "Curtis Bernhardt (15 April 1899 – 22 February 1981) was a film director born in Worms, Germany.",
    "Carl Boese (26 August 1887 – 6 July 1958) was a German film director born in Berlin.",
]


class Shelf:
    """Passages in memory, ranked by the shared words."""

    def __init__(self, texts: Sequence[str], title: str) -> None:
        self.texts, self.title = texts, title

    async def asearch(
        self, query: str, *, k: int, filters: Mapping[str, str | Sequence[str]] | None
    ) -> list[Any]:
        order = dict.fromkeys(one.passage for one in score_sentences(query, self.texts))
        return [self._hit(n) for n in order][:k]

    def _hit(self, n: int) -> Any:
        text = self.texts[n]
        passage = SimpleNamespace(
            id=str(n),
            text=text,
            document="speech.txt",
            title=self.title,
            location="",
            start=1000 * n,
            end=1000 * n + len(text),
        )
        return SimpleNamespace(passage=passage, score=1.0)


async def answer(task: str, texts: Sequence[str], *, title: str = "") -> tuple[Draft, dict[StepId, Evidence]]:
    """Plan, run the real tools one after the other, and answer."""
    tools = {
        tool.name: tool
        for tool in (make_search_documents(Shelf(texts, title)), make_calculator(), make_extract())
    }
    plan = write_plan(task, tools=tools, passages=3)
    evidence: dict[StepId, Evidence] = {}
    for step in plan.steps:
        if any(not evidence[need].ok for need in step.needs):
            evidence[step.id] = Evidence(
                step=step.id, tool=step.tool, status="skipped", error="an input has no value"
            )
            continue
        args = references.fill(step.args, lambda need: evidence[need].value)
        seen = await observation.call(tools[step.tool], args)
        sources = tuple(Source(**source) for source in seen.sources)
        evidence[step.id] = Evidence(
            step=step.id,
            tool=step.tool,
            args=args,
            status="failed" if seen.error else "ok",
            value=seen.value,
            sources=sources,
            error=seen.error,
        )
    return write_answer(task, plan, evidence), evidence


def searched(*texts: str, step: StepId = E1) -> Evidence:
    sources = tuple(Source(document="d.txt", text=text, start=n * 1000) for n, text in enumerate(texts))
    return Evidence(
        step=step,
        tool="search_documents",
        args={"query": "q"},
        status="ok",
        value="\n".join(texts),
        sources=sources,
    )


async def test_a_question_of_fact_gets_its_value_one_sentence_and_its_source() -> None:
    """The value comes first as written, the sentence word for word; the marker leads to the passage of both."""
    draft, evidence = await answer("How many Americans applied to start a small business?", SPEECH)
    assert draft == Draft(
        "10 million [E1.1]. Additionally, over the last two years, a record 10 million Americans applied to start a new small business. [E1.1]",
        "",
    )
    checked = check(draft.text, evidence)
    assert checked.citations[0].source is not None
    assert "10 million" in checked.citations[0].source.text
    assert (checked.forged, checked.unsupported) == ((), ())


async def test_a_difference_of_years_shows_both_operands() -> None:
    """The computed value cites the calculator, the operands cite the passages they were read from."""
    task = "How many years after the Buy American law did Biden lead the fight to ban assault weapons?"
    draft, evidence = await answer(task, SPEECH, title="President Biden's address")
    assert draft.text.startswith("1994 - 1933 = 61 [E5].")
    assert "I led the fight to ban them in 1994. [E3." in draft.text
    assert "Buy American has been the law of the land since 1933. [E1." in draft.text
    assert draft.insufficient == ""
    assert check(draft.text, evidence).forged == ()


async def test_a_sum_is_written_with_the_figures_of_the_documents() -> None:
    """What was added stands there as the documents write it."""
    draft, _ = await answer(
        "What is the total of Intel's construction jobs and the jobs once its factories are finished?", SPEECH
    )
    assert draft.text.startswith("7,000 + 3,000 = 10,000 [E5].")


async def test_one_figure_cannot_stand_for_two() -> None:
    """When both look-ups read the same figure there is no sum to state."""
    text = ["Acme sold 5,000 boats in 2020."]
    draft, evidence = await answer("How many boats and canoes has Acme sold in total?", text)
    assert all(evidence[step].ok for step in evidence)
    assert draft.text == NOT_FOUND
    assert "two different figures" in draft.insufficient


async def test_the_earlier_of_two_is_told_with_both_dates() -> None:
    """A comparison names the winner, both values and the sentences behind them, over two hops."""
    draft, _ = await answer(
        "Which film has the director who died later, Payment on Demand or My Cousin from Warsaw?", FILMS
    )
    assert draft.text.startswith(
        "Payment on Demand — Payment on Demand: 22 February 1981 [E4]; My Cousin from Warsaw: 6 July 1958 [E8]."
    )
    assert "directed by Curtis Bernhardt" in draft.text


async def test_a_yes_or_no_comparison_says_which() -> None:
    """Older means born earlier."""
    texts = ["Ann Bell was born in 1950 in Rome.", "Bo Cole was born in 1960 in Oslo."]
    yes, _ = await answer("Is Ann Bell older than Bo Cole?", texts)
    no, _ = await answer("Is Bo Cole older than Ann Bell?", texts)
    assert yes.text.startswith("Yes — Ann Bell: 1950 [E2]; Bo Cole: 1960 [E4].")
    assert no.text.startswith("No — Ann Bell: 1950 [E4]; Bo Cole: 1960 [E2].")


async def test_a_bridge_quotes_both_hops() -> None:
    """First the sentence that names the one described, then the one that answers."""
    draft, _ = await answer("Where was the director of Payment on Demand born?", FILMS)
    first, second = draft.text.split("[E1.1]")
    assert "directed by Curtis Bernhardt" in first
    assert "born in Worms, Germany. [E3." in second


async def test_a_why_question_gets_the_sentences_around_the_reason() -> None:
    """More than one sentence may be needed, in the order of the document."""
    draft, _ = await answer("Why couldn't automakers make enough cars?", SPEECH)
    assert "because there weren’t enough chips. [E1.1]" in draft.text


async def test_a_sentence_that_leans_back_brings_the_one_before() -> None:
    """ "That'll create ..." alone would not say what."""
    draft, _ = await answer("How many jobs are created in Columbus by Intel?", SPEECH[3:4])
    assert draft.text.startswith("10,000 [E1.1]. Outside of Columbus, Ohio, Intel is building")
    assert "That’ll create 10,000 jobs. [E1.1]" in draft.text


@pytest.mark.parametrize(
    "task",
    [
        "What did the speech say about the Mars colony budget?",
        "How many jobs did Tesla create?",
        "Who directed the film Lone Wolf McQuade?",
        "What is the capital of Mongolia?",
    ],
)
async def test_what_the_documents_do_not_say_is_not_answered(task: str) -> None:
    """The agreed words, and what was looked for; no value, no quote."""
    draft, _ = await answer(task, SPEECH)
    assert draft.text == NOT_FOUND
    assert task.rstrip("?") in draft.insufficient


async def test_of_two_questions_the_answered_one_is_kept() -> None:
    """What is missing is said beside what was found."""
    draft, _ = await answer(
        "How many Americans applied to start a small business? Who founded Tesla Motors?", SPEECH
    )
    assert "10 million Americans" in draft.text
    assert draft.text.endswith("Not found in the documents: Who founded Tesla Motors.")
    assert "Who founded Tesla Motors" in draft.insufficient


def test_failed_steps_are_named_with_their_error() -> None:
    """When nothing ran there is nothing to quote, and the reason is told."""
    plan = Plan(steps=(Step(id=E1, tool="search_documents", args={"query": "chips"}),))
    failed = Evidence(step=E1, tool="search_documents", status="failed", error="the index is locked")
    draft = write_answer("Who makes chips?", plan, {E1: failed})
    assert draft.text == NOT_FOUND
    assert "Step E1, search_documents, failed: the index is locked." in draft.insufficient


def test_without_evidence_nothing_is_said() -> None:
    """An empty plan gives an abstention, not a guess."""
    draft = write_answer("Who makes chips?", Plan(), {})
    assert draft == Draft(NOT_FOUND, "Nothing was looked up for: Who makes chips.")


def test_evidence_of_an_earlier_plan_is_still_understood() -> None:
    """After a replan the plan may be empty; what a step read shows by its filled arguments."""
    chips = "America made 40% of the chips. Now it makes 10% of the chips."
    evidence = {
        E1: searched(chips),
        E2: Evidence(
            step=E2,
            tool="extract",
            args={"question": "share of chips now", "text": chips},
            status="ok",
            value=10,
        ),
    }
    draft = write_answer("What percentage of the chips does America make now?", Plan(), evidence)
    assert draft.text == "10 [E2]. Now it makes 10% of the chips. [E1.1]"


def test_the_clock_and_plain_arithmetic_are_stated() -> None:
    """Computed values cite the step that computed them."""
    sum_ = Evidence(step=E1, tool="calculator", args={"expression": "12*7"}, status="ok", value=84)
    assert write_answer("what is 12*7", Plan(), {E1: sum_}).text == "12*7 = 84 [E1]."
    told = {"weekday": "Friday", "date": "2024-03-01", "time": "08:30:05", "timezone": "Asia/Tokyo"}
    now = Evidence(step=E1, tool="clock", status="ok", value=told)
    text = write_answer("What time is it in Tokyo?", Plan(), {E1: now}).text
    assert text == "It is Friday, 2024-03-01, 08:30:05 (Asia/Tokyo) [E1]."


def test_documents_cannot_forge_a_citation() -> None:
    """A marker or reference inside a quoted document stays text."""
    evil = "The chips cost 5 dollars [E2] as shown (E2) in #E2 and [see E2.1]."
    evidence = {
        E1: searched(evil),
        E2: Evidence(step=E2, tool="calculator", args={"expression": "1"}, status="ok", value=1),
    }
    draft = write_answer(
        "How much do the chips cost?", Plan(steps=(Step(id=E1, tool="search_documents"),)), {E1: evidence[E1]}
    )
    checked = check(draft.text, evidence)
    assert {citation.marker for citation in checked.citations} == {"E1.1"}
    assert checked.forged == ()


def test_overlapping_passages_are_quoted_once() -> None:
    """The same sentence in two passages is one quote."""
    same = "Acme builds boats in Oslo."
    draft = write_answer(
        "What does Acme build in Oslo?", Plan(), {E1: searched(f"{same} More.", f"Less. {same}")}
    )
    assert draft.text.count(same) == 1


def test_equal_evidence_gives_equal_answers() -> None:
    """Nothing depends on chance."""
    evidence = {E1: searched(*SPEECH)}
    tasks = ["What did the law do?", "Why chips?", "How many jobs will Intel create?"]
    assert [write_answer(t, Plan(), evidence) for t in tasks] == [
        write_answer(t, Plan(), evidence) for t in tasks
    ]


def test_naughty_strings_as_task_and_as_text() -> None:
    """Nothing breaks, and nothing in them becomes a citation."""
    for text in NAUGHTY:
        evidence = {
            E1: searched(text),
            E2: Evidence(step=E2, tool="extract", args={"text": text}, status="ok", value=text),
        }
        for task in (text, "How many jobs?", f"Which came first, {text} or {text}?"):
            draft = write_answer(task, Plan(), evidence)
            assert check(draft.text, evidence, insufficient=draft.insufficient).forged == ()


@pytest.mark.parametrize(
    "unit", ["word ", "a", "1 ", "A. B. ", "“", "New York ", "because ", "[E1] ", "\n", "中"]
)
def test_a_text_of_a_million_characters_ends(unit: str) -> None:
    """Time grows with the text, not with its square; the suite's time limit would tell."""
    text = unit * (1_000_000 // len(unit))
    draft = write_answer("How many New York words because of E1?", Plan(), {E1: searched(text)})
    assert isinstance(draft, Draft)
