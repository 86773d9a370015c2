"""The calculator: exact where it can be, bounded always, and silent about nothing it cannot read."""

import ast
import datetime
import decimal
import functools
import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from simpleeval import EvalWithCompoundTypes, InvalidExpression

from tools.arithmetic import ALLOWED, normalise
from tools.errors import ToolRefusal

MAX_LENGTH = 500
"""Characters an expression may have."""
MAX_DEPTH = 100
"""Levels of nesting."""
MAX_BITS = 1100
"""Bits of a whole number, a little more than 300 digits: what a float can hold too."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WRITTEN = (
    re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th)? (?P<month>[A-Za-z]{3,9})\.?,? (?P<year>\d{4})"),
    re.compile(r"(?P<month>[A-Za-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})"),
)
_YEAR = re.compile(r"(?<![\d.,])\d{3,4}(?![\d.,]*\d)")
_Value = int | float | datetime.date


def evaluate(expression: str) -> int | float:
    """Return the value of an arithmetic expression; whole results are ints, other floats carry no dust.

    Raises ToolRefusal, in one sentence, for whatever is not plain, bounded arithmetic.
    """
    if len(expression) > MAX_LENGTH:
        raise ToolRefusal(
            f"The expression has {len(expression):,} characters; at most {MAX_LENGTH} are read."
        )
    if not expression.strip():
        raise ToolRefusal(f"The expression is empty. {ALLOWED}.")
    tree = _parsed(normalise(expression))
    _check(tree)
    return _number(_value(tree, expression))


def make_calculator() -> BaseTool:
    """Return the `calculator` tool: one text argument `expression`, a number back."""

    def calculator(expression: str) -> int | float:
        return evaluate(expression)

    async def acalculator(expression: str) -> int | float:
        return evaluate(expression)  # microseconds: a thread would cost more

    return StructuredTool.from_function(
        func=calculator,
        coroutine=acalculator,
        name="calculator",
        description=(
            "Computes one arithmetic expression of numbers, percentages, functions such as round, min, max, sum "
            "and sqrt, and dates: a date minus a date is a number of days."
        ),
        metadata={
            "effects": "reads",
            "idempotent": True,
            "returns": "number",
            "examples": [
                'calculator(expression="(1789 - 1697) * 2")',
                "calculator(expression=\"date('2021-03-01') - date('2020-03-01')\")",
            ],
        },
    )


def _parsed(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ToolRefusal(f"{expression[:80]!r} is no complete expression. {ALLOWED}.") from error


def _check(tree: ast.expr) -> None:
    for node, parent, depth in _walk(tree, None, 0):
        if depth > MAX_DEPTH:
            raise ToolRefusal(
                f"The expression is nested more than {MAX_DEPTH} levels deep; compute it in parts."
            )
        if not _is_allowed(node, parent):
            raise ToolRefusal(f"{_shown(node)} is not arithmetic. {ALLOWED}.")


def _walk(node: ast.AST, parent: ast.AST | None, depth: int) -> Iterator[tuple[ast.AST, ast.AST | None, int]]:
    yield node, parent, depth
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr_context):
            yield from _walk(child, node, depth + 1)


def _is_allowed(node: ast.AST, parent: ast.AST | None) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float) or (
            isinstance(node.value, str) and _called(parent) in _OF_TEXT
        )
    if isinstance(node, ast.Name):
        is_called = isinstance(parent, ast.Call) and parent.func is node
        return node.id in (_FUNCTIONS if is_called else _NAMES)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and not node.keywords
    if isinstance(node, ast.List):
        return _called(parent) is not None
    return isinstance(node, ast.BinOp | ast.UnaryOp) or type(node) in _OPERATORS


def _called(node: ast.AST | None) -> str | None:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return f"The name {node.id!r}"
    return f"{ast.unparse(node)[:60]!r}" if isinstance(node, ast.expr) else f"{type(node).__name__!r}"


def _value(tree: ast.expr, expression: str) -> Any:
    reader = EvalWithCompoundTypes(operators=_OPERATORS, functions=_FUNCTIONS, names=_NAMES)
    shown = expression if len(expression) <= 80 else f"{expression[:79]}…"
    try:
        return reader.eval(expression, previously_parsed=tree)
    except ZeroDivisionError as error:
        raise ToolRefusal(f"{shown!r} divides by zero.") from error
    except OverflowError as error:
        raise ToolRefusal(f"{shown!r} is too large to compute.") from error
    except (TypeError, ValueError, ArithmeticError, InvalidExpression) as error:
        raise ToolRefusal(f"{shown!r} has no value: {str(error).strip('._')}.") from error


def _number(value: Any) -> int | float:
    if isinstance(value, datetime.date):
        raise ToolRefusal(
            f"The outcome is the date {value}, not a number; subtract a date, or take year(...)."
        )
    if not isinstance(value, int | float):
        raise ToolRefusal(
            f"The outcome is a {type(value).__name__}, not a number; take sum, min, max or mean of it."
        )
    return _tidy(value)


def _tidy(value: int | float) -> int | float:
    """Take binary dust off a float: 0.30000000000000004 is 0.3; what 12 digits cannot say keeps 15."""
    if isinstance(value, int):
        return value
    short = float(f"{value:.12g}")
    clean = short if math.isclose(short, value, rel_tol=1e-14) else float(f"{value:.15g}")
    return int(clean) if clean.is_integer() and abs(clean) < 1e15 else clean


def _bounded(operation: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(operation)
    def bounded(*operands: Any) -> Any:
        value = operation(*operands)
        if isinstance(value, complex):
            raise ValueError("it is not a real number")
        if isinstance(value, float) and not math.isfinite(value):
            raise OverflowError
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise OverflowError
        return value

    return bounded


@_bounded
def _add(left: _Value, right: _Value) -> _Value:
    if isinstance(left, datetime.date) and isinstance(right, int):
        return left + datetime.timedelta(days=right)
    if isinstance(right, datetime.date) and isinstance(left, int):
        return right + datetime.timedelta(days=left)
    return left + right  # type: ignore[operator]


@_bounded
def _subtract(left: _Value, right: _Value) -> _Value:
    if isinstance(left, datetime.date):
        return (
            (left - right).days if isinstance(right, datetime.date) else left - datetime.timedelta(days=right)
        )
    return left - right  # type: ignore[operator]


@_bounded
def _multiply(left: float, right: float) -> float:
    product: float = _real(left) * _real(right)
    return product


@_bounded
def _divide(left: int | float, right: int | float) -> int | float:
    if isinstance(left, int) and isinstance(right, int) and right and left % right == 0:
        return left // right  # exact beyond the 53 bits of a float
    return left / right


@_bounded
def _floor_divide(left: float, right: float) -> float:
    return (
        left // right if isinstance(left, int) and isinstance(right, int) else _exact(left) // _exact(right)
    )


@_bounded
def _remainder(left: float, right: float) -> float:
    return (
        left % right
        if isinstance(left, int) and isinstance(right, int)
        else float(_exact(left) % _exact(right))
    )


@_bounded
def _power(base: float, exponent: float) -> Any:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(exponent) * (int(base).bit_length() - 1) > MAX_BITS:
        raise OverflowError  # before computing it: that is what would take the time
    return _real(base) ** _real(exponent)


def _real(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise TypeError(f"a {type(value).__name__} stands where a number belongs")
    return value


def _exact(value: float) -> Fraction:
    """Read a float as the decimal it was written as: 0.3 // 0.1 is 3."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def _flat(values: tuple[Any, ...]) -> list[Any]:
    listed = list(values[0]) if len(values) == 1 and isinstance(values[0], list) else list(values)
    if not listed:
        raise ValueError("there are no numbers to take")
    return [_real(value) for value in listed]


def _sum(*values: Any) -> float:
    numbers = _flat(values)
    return sum(numbers) if all(isinstance(number, int) for number in numbers) else math.fsum(numbers)


def _mean(*values: Any) -> float:
    numbers = _flat(values)
    return _divide(_sum(numbers), len(numbers))  # type: ignore[no-any-return]


def _round(value: float, digits: int = 0) -> int | float:
    """Round half away from zero, as people do: 2.5 is 3."""
    if not isinstance(digits, int) or abs(digits) > 30:
        raise ValueError("round takes at most 30 digits")
    if isinstance(_real(value), int) and digits >= 0:
        return value
    context = decimal.Context(prec=700, rounding=decimal.ROUND_HALF_UP)
    rounded = decimal.Decimal(repr(_tidy(value))).quantize(
        decimal.Decimal(1).scaleb(-digits), context=context
    )
    return int(rounded) if digits <= 0 else float(rounded)


def _floor(value: float) -> int:
    return math.floor(_tidy(_real(value)))


def _ceil(value: float) -> int:
    return math.ceil(_tidy(_real(value)))


def _sqrt(value: float) -> float:
    if isinstance(value, int) and value >= 0 and math.isqrt(value) ** 2 == value:
        return math.isqrt(value)
    return math.sqrt(_real(value))


def _date(text: Any) -> datetime.date:
    if isinstance(text, datetime.date):
        return text
    try:
        return datetime.date.fromisoformat(str(text).strip()[:10])
    except ValueError:
        return _written_date(str(text).strip())


def _written_date(text: str) -> datetime.date:
    for form in _WRITTEN:
        match = form.fullmatch(text)
        if match and match["month"].lower()[:3] in _MONTHS:
            month = _MONTHS.index(match["month"].lower()[:3]) + 1
            return datetime.date(int(match["year"]), month, int(match["day"]))
    raise ValueError(f"{text[:40]!r} is no date; write it as date('2021-03-01')")


def _year(text: Any) -> int:
    if isinstance(text, datetime.date):
        return text.year
    found = _YEAR.findall(str(text))
    if len(found) != 1:
        raise ValueError(f"{str(text)[:40]!r} does not hold one year; write it as year('1697')")
    return int(found[0])


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: _add,
    ast.Sub: _subtract,
    ast.Mult: _multiply,
    ast.Div: _divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _remainder,
    ast.Pow: _power,
    ast.USub: lambda value: -_real(value),
    ast.UAdd: _real,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda value: abs(_real(value)),
    "round": _round,
    "min": lambda *values: min(_flat(values)),
    "max": lambda *values: max(_flat(values)),
    "sum": _bounded(_sum),
    "mean": _mean,
    "sqrt": _sqrt,
    "floor": _floor,
    "ceil": _ceil,
    "log": lambda *values: math.log(*map(_real, values)),
    "log10": lambda value: math.log10(_real(value)),
    "exp": _bounded(lambda value: math.exp(_real(value))),
    "date": _date,
    "year": _year,
}
_NAMES = {"pi": math.pi, "e": math.e}
_OF_TEXT = frozenset({"date", "year"})
