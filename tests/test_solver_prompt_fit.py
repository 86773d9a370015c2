"""Fitting evidence into a budget: what is relevant stays, what is left out is said, the rest is as it was."""

import json
import re
from typing import Any

import pytest

from agent_graph import tokens
from agent_graph.evidence import Evidence, Source
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId
from agent_graph.solver import prompt


def ok(step: str, value: Any, **fields: Any) -> dict[StepId, Evidence]:
    return {StepId(step): Evidence(step=StepId(step), tool="t", status="ok", value=value, **fields)}


def built(
    evidence: dict[StepId, Evidence],
    budget: int = 400,
    question: str = "When was the harbour deepened?",
    plan: Plan | None = None,
) -> str:
    return str(prompt.build(question, plan or Plan(), evidence, evidence_tokens=budget).messages[-1].content)


def body(text: str) -> str:
    return text.split(">\n", 1)[1].rsplit("\n</evidence", 1)[0]


FILLER = [f"Paragraph {n} speaks of weather and the price of fish at noon." for n in range(800)]
NEEDLE = "The harbour was deepened in 1894 by order of the council."
LONG = " ".join([*FILLER[:600], NEEDLE, *FILLER[600:]])


def test_a_long_text_keeps_its_most_relevant_sentences_and_says_what_is_left_out() -> None:
    """Of 50,000 characters the one sentence that answers is kept, and every gap names its size."""
    text = built(ok("E1", LONG))
    assert len(LONG) > 45_000
    assert NEEDLE in text
    gaps = [
        int(size.replace(",", "")) for size in re.findall(r"\[\.\.\. ([\d,]+) characters left out\]", text)
    ]
    kept = re.sub(r"\[\.\.\. [\d,]+ characters left out\]", "", body(text))
    assert abs(sum(gaps) + len(kept) - len(LONG)) < 100


def test_the_steps_own_arguments_say_what_is_relevant_too() -> None:
    """The question names the harbour; the step asked for the lighthouse, which only the answer's author needs."""
    sought = "The lighthouse keeper was called Ole Bull."
    plan = Plan(steps=(Step(id=StepId("E1"), tool="t", args={"query": "name of the lighthouse keeper"}),))
    text = built(ok("E1", " ".join([*FILLER[:300], sought, *FILLER[300:]])), plan=plan, budget=250)
    assert sought in text


def test_what_a_later_step_took_from_a_text_stays_in_it() -> None:
    """The passage behind an extracted value is what a citation needs."""
    plan = Plan(
        steps=(
            Step(id=StepId("E1"), tool="t", args={}),
            Step(id=StepId("E2"), tool="extract", args={"text": "#E1"}),
        )
    )
    source = "It happened on Bjarnholm, far from everything."
    evidence = ok("E1", " ".join([*FILLER[:300], source, *FILLER[300:]])) | ok("E2", "Bjarnholm")
    assert source in built(evidence, plan=plan, question="Where?")


def test_short_values_stay_whole_before_anything_else() -> None:
    """A number is worth more than a page: short values are printed first and never cut."""
    evidence = ok("E1", LONG) | ok("E2", 42) | ok("E3", {"unit": "feet", "depth": 18})
    text = built(evidence, budget=200)
    assert "[E2] 42\n" in text
    assert '[E3] {"unit": "feet", "depth": 18}' in text


def test_every_step_keeps_its_best_part() -> None:
    """One long result never pushes out another."""
    evidence = {step: one for n in range(1, 7) for step, one in ok(f"E{n}", f"Report {n}. {LONG}").items()}
    text = built(evidence, budget=600)
    assert all(f"\n[E{n}] " in text for n in range(1, 7))


def test_a_list_keeps_its_shape_and_says_how_many_items_are_left_out() -> None:
    """The item that answers is there, at its place among the counted ones."""
    mails = [
        {"id": n, "subject": "harbour deepened" if n == 70 else f"news {n}", "text": "x" * 40}
        for n in range(120)
    ]
    shown = body(built(ok("E1", mails), budget=300))
    assert json.dumps(mails[70]) in shown
    assert shown.startswith("[E1] [{")
    assert shown.endswith("]")
    left = sum(int(count) for count in re.findall(r"\.\.\. (\d+) more items?", shown))
    assert left + shown.count('"id"') == 120


def test_nested_objects_are_cut_inside() -> None:
    """A long list deep in an object is cut there; the short entries around it stay."""
    value = {
        "count": 300,
        "page": {"title": "Harbours", "rows": [{"name": f"h{n}", "depth": n} for n in range(300)]},
    }
    shown = body(built(ok("E1", value), budget=300, question="How deep is h123?"))
    assert '"count": 300' in shown
    assert '"title": "Harbours"' in shown
    assert '{"name": "h123", "depth": 123}' in shown
    assert re.search(r"\.\.\. \d+ more items", shown)


def test_text_that_holds_json_is_cut_like_json() -> None:
    """Many tools return their JSON as text."""
    shown = body(built(ok("E1", json.dumps([{"name": f"h{n}"} for n in range(500)])), question="h123?"))
    assert '{"name": "h123"}' in shown
    assert "more items" in shown


def test_a_long_text_inside_an_object_is_cut_by_sentences() -> None:
    """A fetched page arrives as {"url", "content"}."""
    shown = body(built(ok("E1", {"url": "https://x.y", "content": LONG})))
    assert '"url": "https://x.y"' in shown
    assert NEEDLE in shown
    assert "characters left out]" in shown


def test_a_table_in_text_falls_into_its_lines() -> None:
    """The row that is asked for stays, however long the table."""
    table = "name,depth\n" + "\n".join(f"harbour{n},{n * 3}" for n in range(20_000))
    shown = body(built(ok("E1", table), question="How deep is harbour7123?"))
    assert "harbour7123,21369" in shown


def test_the_best_passages_stay_and_the_rest_is_counted() -> None:
    """Sources compete by relevance, not only by rank."""
    sources = tuple(Source(document=f"{n}.txt", text=f"{FILLER[n]} {FILLER[n + 100]}") for n in range(30))
    last = Source(document="last.txt", title="Harbours", text=NEEDLE)
    made = prompt.build(
        "When was the harbour deepened?",
        Plan(),
        ok("E1", "...", sources=(*sources, last)),
        evidence_tokens=300,
    )
    text = str(made.messages[-1].content)
    assert f"[E1.31] Harbours: {NEEDLE}" in text
    assert f"{made.left_out} further sources did not fit" in text
    assert made.left_out + len(re.findall(r"\[E1\.\d+\]", text)) == 31


@pytest.mark.parametrize(
    "value",
    [
        LONG,
        "x" * 300_000,
        '"' * 100_000,
        "[E1 " * 50_000,
        "漢字。" * 20_000,
        list(range(50_000)),
        {f"k{n}": "v" * 50 for n in range(5_000)},
        [[["y" * 500] * 20] * 20] * 20,
        json.loads("[" * 80 + "1" + ", 2]" * 80),
        "[" * 900 + "1" + "]" * 900,
        {"k" * 10_000: "v" * 10_000},
        [None, True, 1.5, "", {}, []] * 1_000,
        "word\n" * 20_000,
        "\n" * 20_000,
        "",
        None,
    ],
    ids=lambda value: f"{type(value).__name__}-{str(value)[:12]!r}",
)
@pytest.mark.parametrize("budget", [200, 2000])
def test_whatever_comes_the_budget_holds(value: Any, budget: int) -> None:
    """Evidence never takes more than its budget beyond an empty result, and the prompt is the same each time."""
    evidence, empty = ok("E1", value), ok("E1", "")
    read, least = built(evidence, budget), built(empty, budget)
    assert tokens.estimate(read) - tokens.estimate(least) <= budget
    assert body(built(evidence, budget)) == body(read)


def test_a_value_that_was_stored_apart_shows_its_beginning() -> None:
    """The state keeps only the first characters of a very large value."""
    assert "[E1] It began [... the rest is not at hand]" in built(ok("E1", None, beginning="It began"))


def test_a_long_literal_argument_of_the_plan_is_cut() -> None:
    """The plan is printed as written, but a mail's text in it is no evidence."""
    step = Step(id=StepId("E1"), tool="send", args={"to": "ann", "text": "word " * 1000})
    text = built(ok("E1", "sent"), plan=Plan(steps=(step,)))
    assert len(text) < 1600
    assert '#E1 = send(to="ann", text="word word' in text
    assert "characters left out]" in text


def test_a_long_conversation_is_cut_from_its_beginning() -> None:
    """The newest turns stay; one long answer does not push out the question before it."""
    turns = (("user", "old"), ("user", "And the harbours?"), ("assistant", "long " * 4000))
    made = prompt.build("And the second one?", Plan(), {}, history=turns, history_tokens=400)
    text = str(made.messages[-1].content)
    assert "user: And the harbours?\nassistant: long long" in text
    assert tokens.estimate(text) < 500
