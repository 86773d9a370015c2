"""The calculator: what it reads, what it refuses, and that it never guesses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.calculator import evaluate, make_calculator
from tools.errors import ToolRefusal

GOOD: list[tuple[str, int | float]] = [
    ("1+1", 2),
    ("7 // 2", 3),
    ("7 % 2", 1),
    ("17%5", 2),
    ("-3 + 5", 2),
    ("2 ** 10", 1024),
    ("2^10", 1024),
    ("2**-1", 0.5),
    ("(1 + 2) * 3", 9),
    ("6 / 2", 3),
    ("0.1 + 0.2", 0.3),
    ("1.1 * 1.1 * 1.1", 1.331),
    ("4.35 * 100", 435),
    ("1/7*7", 1),
    ("0.3 // 0.1", 3),
    ("1234567890123.45", 1234567890123.45),
    ("99999999999999999999 + 1", 10**20),
    ("3 × 4 ÷ 2 − 1", 5),
    ("3 x 4", 12),
    ("3²", 9),
    ("= 2 + 2 =", 4),
    ("1,234,567 + 1", 1234568),
    ("1,234.5 * 2", 2469),
    ("(1,234) * 2", 2468),
    ("max(1,234, 5)", 1234),
    ("sqrt(1,600)", 40),
    ("15%", 0.15),
    ("50 %", 0.5),
    ("-15%", -0.15),
    ("15% of 200", 30),
    ("15 percent of 80", 12),
    ("200 * 15%", 30),
    ("10% + 5%", 0.15),
    ("1 - 15%", 0.85),
    ("200 * (1 + 15%)", 230),
    ("100 - 35% of 100", 65),
    ("$80,000 * 1.5", 120000),
    ("US$5 + 1", 6),
    ("€1.5bn", 1500000000),
    ("$1.7 trillion", 1700000000000),
    ("12 million", 12000000),
    ("1.5 hundred thousand", 150000),
    ("3k", 3000),
    ("2.5M", 2500000),
    ("5 dollars * 3", 15),
    ("abs(-3)", 3),
    ("round(2.5)", 3),
    ("round(2.345, 2)", 2.35),
    ("round(1234, -2)", 1200),
    ("min(3, 1, 2)", 1),
    ("max(1,2)", 2),
    ("sum([1, 2, 3])", 6),
    ("sum(0.1, 0.2)", 0.3),
    ("mean([1, 2, 6])", 3),
    ("sqrt(16)", 4),
    ("floor(2.7)", 2),
    ("ceil(3.0000000000000004)", 3),
    ("log(1000, 10)", 3),
    ("log10(100)", 2),
    ("exp(0)", 1),
    ("Round(PI, 2)", 3.14),
    ("log(e)", 1),
    ('date("2021-01-01") - date("2020-01-01")', 366),
    ("2021-01-01 - 2020-01-01", 366),
    ("date('20 September 1697') - date('September 1, 1697')", 19),
    ("days between 2020-01-01 and 2021-01-01", 366),
    ("date('2020-01-01') + 30 - date('2020-01-01')", 30),
    ('year("20 September 1697")', 1697),
    ("year('2021-03-01') - year(1697)", 324),
    ("+".join(["1"] * 90), 90),
]

BAD: list[tuple[str, str]] = [
    ("", "empty"),
    ("   ", "empty"),
    ("x", "The name 'x'"),
    ("True", "The name 'true'"),
    ("nan", "The name 'nan'"),
    ("inf", "The name 'inf'"),
    ("factorial(100000)", "The name 'factorial'"),
    ("__import__('os').system('ls')", "cannot be read"),
    ("(1).real", "cannot be read"),
    ("lambda: 1", "cannot be read"),
    ("[n for n in [1]]", "Allowed are"),
    ("(lambda)(1)", "Allowed are"),
    ("1 if 2 else 3", "not arithmetic"),
    ("1if 2else 3", "no number"),
    ("1 < 2", "cannot be read"),
    ("a = 1", "Allowed are"),
    ("max(1, key=2)", "not arithmetic"),
    ("max(*[1])", "not arithmetic"),
    ("[1, 2]", "not arithmetic"),
    ('"a"', "not arithmetic"),
    ('"9" * 10**9', "not arithmetic"),
    ("max('a', 'b')", "not arithmetic"),
    ("sum([[1]])", "not arithmetic"),
    ("sqrt(sqrt)", "not arithmetic"),
    ("1 +", "no complete expression"),
    ("1 2", "no complete expression"),
    ("2(3)", "not arithmetic"),
    ("5!", "cannot be read"),
    ("0x10", "no number"),
    ("1_000", "no number"),
    ("5km", "no number"),
    ("12,34", "A comma"),
    ("1, 2", "A comma"),
    ("sum(1,200,300)", "one number or several"),
    ("round(1,234)", "one number or several"),
    ("200 + 15%", "two ways"),
    ("10 / 20% of 50", "two ways"),
    ("17 % -5", "percent or as remainder"),
    ("(50)%", "right after a number"),
    ("1/0", "divides by zero"),
    ("1 % 0", "divides by zero"),
    ("10**10**10", "too large"),
    ("9**9**9**9", "too large"),
    ("2**2000", "too large"),
    ("exp(1000)", "too large"),
    ("1e300 * 1e300", "too large"),
    ("1e999999999", "300 digits"),
    ("sqrt(-1)", "no value"),
    ("(-8) ** (1/3)", "not a real number"),
    ("log(0)", "no value"),
    ("max()", "no numbers"),
    ("round(1, 2, 3)", "no value"),
    ("date('2021-13-01')", "no date"),
    ("date('2021-01-01')", "is the date 2021-01-01"),
    ("2021-10-11", "is the date 2021-10-11"),
    ("date('2021-01-01') * 2", "no value"),
    ("date('9999-12-31') + 1", "too large"),
    ("year('from 1690 to 1697')", "one year"),
    ("#E1 + 1", "cannot be read"),
    ("1" * 501, "501 characters"),
    ("(" * 240 + "1" + ")" * 240, "no complete expression"),
    ("-" * 400 + "1", "nested more than"),
]


@pytest.mark.parametrize(("expression", "value"), GOOD)
def test_calculator_reads(expression: str, value: int | float) -> None:
    """What has one reading is computed, exactly where the outcome is whole."""
    outcome = evaluate(expression)
    assert outcome == pytest.approx(value, rel=1e-14)
    assert isinstance(outcome, type(value))


@pytest.mark.parametrize(("expression", "reason"), BAD)
def test_calculator_refuses(expression: str, reason: str) -> None:
    """What is no bounded arithmetic, or could be read in two ways, is refused in one sentence that says why."""
    with pytest.raises(ToolRefusal) as refused:
        evaluate(expression)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@settings(database=None, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="0123456789.,+-*/%^()[]eE k\"'dateyr", max_size=40))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    """No text makes the calculator raise anything but its own refusal, or return anything but a real number."""
    try:
        outcome = evaluate(text)
    except ToolRefusal:
        return
    assert json.loads(json.dumps(outcome, allow_nan=False)) == outcome


async def test_calculator_is_a_tool_that_reads() -> None:
    """The tool returns the number itself, and says that calling it changes nothing."""
    tool = make_calculator()
    assert await tool.ainvoke({"expression": "1697 + 51"}) == 1748
    assert tool.metadata is not None
    assert tool.metadata["effects"] == "reads"
