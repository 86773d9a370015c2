"""Numbers of an answer that come from nowhere are flagged; the same number in another form is not."""

from typing import Any

import pytest

from agent_graph.evidence import Evidence, Source
from agent_graph.references import StepId
from agent_graph.solver.cite import check


def unverified(answer: str, value: Any, question: str = "", **fields: Any) -> tuple[str, ...]:
    one = Evidence(step=StepId("E1"), tool="t", status="ok", value=value, **fields)
    return check(answer, {StepId("E1"): one}, question=question).unverified_numbers


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("It cost 1,234 [E1].", 1234),
        ("It cost 1234.", "1,234 dollars"),
        ("It cost 1.234 thousand.", "1234"),
        ("It cost 1 234 crowns.", "1234"),
        ("Es kostet 1.234,50 €.", 1234.5),
        ("Es sind 12,5 %.", 12.5),
        ("It is $2 million.", "2,000,000"),
        ("It is $2m.", 2_000_000),
        ("It is 1.2 million.", 1_234_567),
        ("About 1,200 came.", "1,234 came"),
        ("Twelve came.", 12),
        ("12 came.", "Twelve came."),
        ("Twenty-five came.", 25),
        ("It rose by 12 %.", 0.12),
        ("It rose by 22.8 percent.", 0.22777),
        ("It rose by 5%.", "up 5 percent"),
        ("On average 41.86 seconds.", 41.857142857142854),
        ("On average 42 seconds.", 41.857142857142854),
        ("Roughly 33,000.", 33_333.33),
        ("It is 0.5.", "1/2"),
        ("The 3rd one.", "the third one"),
        ("The 17th century.", "in 1697"),
        ("In the 1690s.", "in 1697"),
        ("The war of 1914–18.", "1914 to 1918"),
        ("On March 5, 2024.", "2024-03-05T10:00:00"),
        ("On 5 March 2024.", "2024-03-05"),
        ("On 5th March.", "2024-03-05"),
        ("On 05/03/2024.", "2024-03-05"),
        ("On 2024-03-05.", "5 March 2024"),
        ("In May 1999.", "May 3, 1999"),
        ("At 1 pm.", "13:00:00"),
        ("At 1:30 PM.", "13:30"),
        ("It is 5 degrees below.", -5),
        ("A 12-mile trail, 30km long.", "12 miles, 30 km"),
        ("There are 4 items.", ["a", "b", "c", "d"]),
        ("Visits: 7 on 2023-11-16.", {"2023-11-16": 7}),
        ("See plots/2023-11-16_line.png and https://x.y/99.", "ok"),
        ("GPT-4, COVID-19, A320 and B2B.", "ok"),
        ("1. First\n2. Second\n3) Third", "ok"),
        ("One of the two, the third of three.", "ok"),
        ("Cited [E1] and again [E1].", "ok"),
    ],
)
def test_the_same_number_in_another_form_is_verified(answer: str, value: Any) -> None:
    """Numbers are compared by what they mean, results of calculations may be rounded."""
    assert unverified(answer, value) == ()


@pytest.mark.parametrize(
    ("answer", "value", "flagged"),
    [
        ("It cost 1,235 [E1].", 1234, ("1,235",)),
        ("14 came.", "Many came.", ("14",)),
        ("Fourteen came.", "Many came.", ("Fourteen",)),
        ("It rose by 13 %.", 0.12, ("13 %",)),
        ("On March 6, 2024.", "2024-03-05", ("March 6, 2024",)),
        ("In June 1999.", "May 3, 1999", ("June 1999",)),
        ("At 13:30.", "13:00", ("13:30",)),
        ("In the 1790s.", "in 1697", ("1790s",)),
        ("It cost 1.3 million.", 1_234_567, ("1.3 million",)),
        ("1,200 came.", "1,234 came", ("1,200",)),
        ("41.9 seconds.", 41.2, ("41.9",)),
        ("7 and 8 and 7.", "6", ("7", "8")),
        ("0 came.", "Many came.", ("0",)),
        ("$14/month for 9 km/h.", "ok", ("14", "9")),
    ],
)  # fmt: skip
def test_a_number_from_nowhere_is_flagged_as_written(
    answer: str, value: Any, flagged: tuple[str, ...]
) -> None:
    """What stands in no evidence and not in the question, and no step computed, is listed once."""
    assert unverified(answer, value) == flagged


def test_what_the_person_said_may_be_repeated() -> None:
    """Numbers of the question need no evidence."""
    assert unverified("No day had more than 21 visits.", {"a": 7}, "Was it more than 21?") == ()


def test_sources_and_arguments_of_actions_count_but_arithmetic_that_a_model_wrote_does_not() -> None:
    """The operands of a calculation are only as good as where they came from."""
    source = Source(document="a.txt", text="Signed in 1697.", location="p. 9")
    assert unverified("Signed in 1697, page 9.", "found", sources=(source,)) == ()
    assert unverified("A meeting of 30 minutes.", "done", args={"duration": 30}) == ()
    assert unverified("For 2 people.", "done", args={"to": "ann", "subject": "lunch"}) == ("2",)
    assert unverified("From 1697 on, 51 years.", 51, args={"expression": "1748 - 1697"}) == ("1697",)


@pytest.mark.parametrize(
    "value", ["12,345 apples", "5345 apples", "345 apples2", "345 apples", "x\n345 apples\ny"]
)
def test_a_source_that_stands_in_the_value_counts_as_by_itself(value: str) -> None:
    """What a source says is known, whether the value repeats it whole, repeats it within a longer number, or not."""
    source = Source(document="a.txt", text="345 apples", location="p. 9")
    assert unverified("345 apples, page 9.", value, sources=(source,)) == ()


def test_failed_steps_verify_nothing() -> None:
    """An error is no evidence, and neither are the arguments of a call that failed."""
    failed = Evidence(step=StepId("E1"), tool="t", status="failed", error="code 42", args={"n": 42})
    assert check("It is 42.", {StepId("E1"): failed}, question="").unverified_numbers == ("42",)


def test_without_the_question_numbers_are_not_judged() -> None:
    """What the person said may be repeated, so it must be known before anything is flagged."""
    one = Evidence(step=StepId("E1"), tool="t", status="ok", value="x")
    assert check("It is 42.", {StepId("E1"): one}).unverified_numbers == ()


def test_in_a_very_large_result_the_numbers_of_the_answer_are_looked_for() -> None:
    """A result of millions of characters is not read whole; what the answer names is found in it all the same."""
    rows = [{"row": n, "day": "x" * 20} for n in range(30_000)] + [{"total": 7_654_321, "day": "2024-03-05"}]
    assert unverified("7,654,321 by March 5, 2024.", rows) == ()
    assert unverified("7,654,322 by March 6, 2024.", rows) == ("7,654,322", "March 6, 2024")
