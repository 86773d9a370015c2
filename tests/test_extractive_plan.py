"""Extractive mode's planner: the shape of a question becomes the shape of a plan."""

import json
from pathlib import Path

import pytest

from agent_graph.plan import Plan
from agent_graph.planner.extractive import write_plan

ALL = ("search_documents", "extract", "calculator", "clock")
LINES = Path(__file__).with_name("naughty_strings.jsonl").read_text("utf-8").split("\n")
NAUGHTY = [json.loads(line)["s"] for line in LINES if line]


def calls(plan: Plan) -> list[str]:
    return [f"{step.tool}: {next(iter(step.args.values()), '')}" for step in plan.steps]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("Who is the Speaker?", ["search_documents: Who is the Speaker"]),
        ("Based on the speech: Who is the Speaker?", ["search_documents: Who is the Speaker"]),
        ("what is 12*7", ["calculator: 12*7"]),
        ("What is 15% of 240?", ["calculator: 15/100*240"]),
        ("What's 2 to the power of 10?", ["calculator: 2 ** 10"]),
        ("What is 1,000 plus 2 times 3?", ["calculator: 1000 + 2 * 3"]),
        ("What time is it in Tokyo?", ["clock: Asia/Tokyo"]),
        ("What is today's date?", ["clock: "]),
        (
            "Who is the new leader and what is he known for?",
            ["search_documents: Who is the new leader", "search_documents: what is the new leader known for"],
        ),
        (
            "Where was the director of Vertigo born?",
            [
                "search_documents: director of Vertigo",
                "extract: who is the director of Vertigo",
                "search_documents: Where was #E2 born",
            ],
        ),
        (
            "When did Henrik Selberg's father die?",
            [
                "search_documents: father of Henrik Selberg",
                "extract: who is the father of Henrik Selberg",
                "search_documents: When did #E2 die",
            ],
        ),
        (
            "What league does the team that uses Sporting Park play for?",
            [
                "search_documents: team that uses Sporting Park",
                "extract: what is the name of the team that uses Sporting Park",
                "search_documents: What league does #E2 play for",
            ],
        ),
        (
            "Which treaty was signed first, Ryswick or Aachen?",
            [
                "search_documents: Ryswick treaty signed",
                "extract: when was Ryswick signed",
                "search_documents: Aachen treaty signed",
                "extract: when was Aachen signed",
            ],
        ),
        (
            "Which band has more members, Blur or Oasis?",
            [
                "search_documents: Blur members",
                "extract: how many members has Blur",
                "search_documents: Oasis members",
                "extract: how many members has Oasis",
            ],
        ),
        (
            "Are Ohio and Utah in the same country?",
            ["search_documents: Ohio country", "search_documents: Utah country"],
        ),
        (
            "How many years passed between the Buy American law and the assault weapons ban?",
            [
                "search_documents: year the Buy American law",
                "extract: what year was the Buy American law",
                "search_documents: year the assault weapons ban",
                "extract: what year was the assault weapons ban",
                "calculator: #E4 - #E2",
            ],
        ),
        (
            "How many construction jobs and permanent jobs will Intel create in total?",
            [
                "search_documents: How many construction jobs will Intel create",
                "extract: How many construction jobs will Intel create",
                "search_documents: How many permanent jobs will Intel create",
                "extract: How many permanent jobs will Intel create",
                "calculator: #E2 + #E4",
            ],
        ),
        (
            "How many more cats than dogs are there?",
            [
                "search_documents: how many cats are there",
                "extract: how many cats are there",
                "search_documents: how many dogs are there",
                "extract: how many dogs are there",
                "calculator: #E2 - #E4",
            ],
        ),
        (
            "What is the current unemployment rate to the power of 0.98?",
            [
                "search_documents: how much is the current unemployment rate",
                "extract: how much is the current unemployment rate",
                "calculator: #E2 ** 0.98",
            ],
        ),
        (
            "What is 10% of the deficit?",
            [
                "search_documents: the deficit",
                "extract: how much is the deficit",
                "calculator: #E2 * 10 / 100",
            ],
        ),
    ],
)
def test_each_shape_of_question_has_its_plan(task: str, expected: list[str]) -> None:
    """Look-up, arithmetic, clock, several questions, two hops, comparison, arithmetic over documents."""
    plan = write_plan(task, tools=ALL)
    assert calls(plan) == expected
    assert plan.author == "extractive mode"


@pytest.mark.parametrize(
    "task",
    [
        "Who is the director of Vertigo?",
        "Who is the executive producer of Vertigo?",
        "What is the difference in the roles of McConnell and Schumer?",
        "What is the difference between the cost of a fee before and after?",
        "Steven Covey, the father of Sean Covey, wrote what?",
        "What is the date the treaty was signed?",
        "Is the Speaker older than last year?",
    ],
)
def test_what_only_looks_like_a_shape_is_looked_up(task: str) -> None:
    """One search when a second hop or a sum would be made of nothing."""
    plan = write_plan(task, tools=ALL)
    assert [step.tool for step in plan.steps] == ["search_documents"]


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (("search_documents", "extract"), ["search_documents", "search_documents"]),
        (("search_documents",), ["search_documents", "search_documents"]),
        (("web_search",), ["web_search", "web_search"]),
        (("calculator",), []),
        ((), []),
    ],
)
def test_a_plan_uses_only_the_tools_there_are(tools: tuple[str, ...], expected: list[str]) -> None:
    """Without a calculator the operands are still looked up; without a search there is no plan."""
    plan = write_plan("How many cats and dogs are there in total?", tools=tools)
    assert [step.tool for step in plan.steps] == expected


def test_passages_set_how_many_a_search_brings() -> None:
    """The run's knob reaches every search."""
    plan = write_plan("Which came first, Ryswick or Aachen?", tools=ALL, passages=3)
    assert [step.args["k"] for step in plan.steps if step.tool == "search_documents"] == [3, 3]


def test_a_follow_up_is_read_after_the_question_before_it() -> None:
    """ "What about" and a lone pronoun lean on the last question; a full question stands alone."""
    history = ["How much does a hearing aid cost?", "About $35 [E1]."]
    (step,) = write_plan("What about insulin?", tools=ALL, history=history).steps
    assert step.args["query"] == "How much does a hearing aid cost - What about insulin"
    (step,) = write_plan("Who is the Speaker of the House?", tools=ALL, history=history).steps
    assert step.args["query"] == "Who is the Speaker of the House"


def test_a_known_title_marks_a_name_in_small_letters() -> None:
    """Titles at hand tell where a name ends when its capitals are missing."""
    plan = write_plan(
        "where was the director of payment on demand born", tools=ALL, known=["Payment on Demand"]
    )
    assert calls(plan)[0] == "search_documents: director of Payment on Demand"


def test_a_typed_reference_is_only_text() -> None:
    """A person's "#E1" cannot point at a step of the plan."""
    plan = write_plan("Who wrote #E1 and when was #E2 signed?", tools=ALL)
    assert all(not step.needs for step in plan.steps)


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "Which came first, {} or {}?",
        "How many {} and {} in total?",
        "When did {}'s father die?",
        "What is {} times 2?",
    ],
)
def test_naughty_tasks_give_valid_plans(frame: str) -> None:
    """Whatever is typed, references point back at steps that exist, and equal tasks give equal plans."""
    for text in NAUGHTY:
        task = frame.replace("{}", text)
        plan = write_plan(task, tools=ALL, history=[text], known=[text])
        seen: set[str] = set()
        for step in plan.steps:
            assert step.needs <= seen, task
            seen.add(step.id)
        assert len(seen) == len(plan.steps) <= 16
        assert plan == write_plan(task, tools=ALL, history=[text], known=[text])


@pytest.mark.parametrize("unit", ["who or , ", "of the ", "12 and ", "((", "é", "A or "])
def test_a_task_of_a_million_characters_is_read_by_its_beginning(unit: str) -> None:
    """No pattern runs away on a long task."""
    plan = write_plan(unit * (1_000_000 // len(unit)), tools=ALL)
    assert all(len(str(step.args)) < 2000 for step in plan.steps)
