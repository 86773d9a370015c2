"""Arithmetic as people and models write it, turned into an expression that has one reading.

"$1.7 trillion * 15%" becomes "1700000000000 * (15 / 100)"; what can be read in two ways is refused, since
a wrong number looks exactly like a right one.
"""

import itertools
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from tools.errors import ToolRefusal

ALLOWED = (
    "Allowed are numbers, + - * / // % ** and parentheses, abs, round, min, max, sum, mean, sqrt, floor, ceil, "
    "log, log10, exp, pi, e, date('YYYY-MM-DD') and year('...')"
)
_GROUPED = r"\d{1,3}(?:,\d{3})+(?![\d,]*\d)"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<date>\d{{4}}-\d{{2}}-\d{{2}}(?![\d-]))
  | (?P<number>(?:{_GROUPED}|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<string>"[^"\n]*"|'[^'\n]*')
  | (?P<op>\*\*|//|[-+*/%^(),=\[\]])
    )""",
    re.VERBOSE | re.ASCII,
)
_SIGNS = str.maketrans(
    {
        "×": "*",
        "·": "*",
        "⋅": "*",
        "∗": "*",
        "÷": "/",
        "∕": "/",
        "−": "-",
        "–": "-",
        "—": "-",
        "²": "**2",
        "³": "**3",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "π": "pi",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
    }
)
_CURRENCY = re.compile(r"(?:\b(?:US|USD|EUR|GBP)\s?)?[$€£¥]\s?(?=[\d.])|\b(?:USD|EUR|GBP)\s(?=\d)")
_BETWEEN = re.compile(
    r"\s*(?:number of )?days (?:between|from) (.+?) (?:and|to|until) (.+?)\s*", re.IGNORECASE
)
_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "k": 10**3,
    "million": 10**6,
    "mn": 10**6,
    "billion": 10**9,
    "bn": 10**9,
    "trillion": 10**12,
    "tn": 10**12,
}
_ATTACHED = {"M": 10**6, "B": 10**9, "T": 10**12, "K": 10**3}
"""Letters that scale only when they follow the number at once, and only as capitals."""
_ONE_ARGUMENT = frozenset({"abs", "sqrt", "floor", "ceil", "log10", "exp", "year"})
_SILENT = frozenset({"dollar", "dollars", "euro", "euros", "usd", "eur", "gbp"})
_OPERANDS = frozenset({"number", "name", "string", "date"})


class Token(NamedTuple):
    """One piece of an expression."""

    kind: str
    """date, number, name, string or op."""
    text: str
    at: int
    """Where it begins."""
    end: int


def normalise(text: str) -> str:
    """Return the same arithmetic in plain Python form.

    Raises ToolRefusal for characters, units and commas that have no single meaning.
    """
    text = _CURRENCY.sub("", text.translate(_SIGNS)).strip().removeprefix("=").rstrip("= ")
    between = _BETWEEN.fullmatch(text)
    if between:
        text = f"{_as_date(between[2])} - {_as_date(between[1])}"
    tokens = list(_tokens(text))
    return " ".join(_rewritten(tokens))


def _as_date(text: str) -> str:
    bare = text.strip().strip("\"'")
    return text if text.lstrip().lower().startswith("date") else f'date("{bare}")'


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ToolRefusal(f"{text[at:].strip()[:20]!r} cannot be read here. {ALLOWED}.")
        kind = str(match.lastgroup)
        yield Token(kind, match[kind], match.start(kind), match.end())
        at = match.end()


def _rewritten(tokens: list[Token]) -> Iterator[str]:
    brackets: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "number":
            text, at = _number(tokens, at, grouping=_may_group(tokens, at, brackets))
            yield text
            continue
        if token.kind == "op":
            _track(tokens, at, brackets)
        yield _word(tokens, at)
        at += 1


def _track(tokens: list[Token], at: int, brackets: list[str]) -> None:
    text = tokens[at].text
    if text == "[":
        brackets.append("list")
    elif text == "(":
        brackets.append("call" if at and tokens[at - 1].kind == "name" else "group")
    elif text in ")]" and brackets:
        brackets.pop()
    elif text == "," and (not brackets or brackets[-1] == "group"):
        raise ToolRefusal(
            "A comma stands between arguments, or between groups of three digits as in 1,234,567."
        )


def _may_group(tokens: list[Token], at: int, brackets: list[str]) -> bool:
    """Whether a comma inside the number at `at` can only group its digits, not separate arguments."""
    if not brackets or brackets[-1] == "group":
        return True
    if at > 1 and tokens[at - 2].text.lower() in _ONE_ARGUMENT:
        return True
    pairs = itertools.pairwise(tokens)
    return any(comma.text == "," and following.at > comma.end for comma, following in pairs)


def _word(tokens: list[Token], at: int) -> str:
    token = tokens[at]
    if token.kind == "date":
        return f'date("{token.text}")'
    if token.kind == "name":
        times = token.text in "xX" and 0 < at < len(tokens) - 1 and _is_operand_end(tokens[at - 1])
        return "*" if times else token.text.lower()
    if token.text == "%" and not _is_operand_start(tokens, at + 1):
        raise ToolRefusal("A percent sign belongs right after a number, as in 15%; otherwise write / 100.")
    return "**" if token.text == "^" else token.text


def _number(tokens: list[Token], at: int, *, grouping: bool) -> tuple[str, int]:
    """Return the number at `at` with its scale, currency and percent, and where to go on."""
    token = tokens[at]
    if "," in token.text and not grouping:
        apart = token.text.replace(",", ", ")
        whole = token.text.replace(",", "")
        raise ToolRefusal(
            f"Between brackets {token.text} reads as one number or several; write {whole} or {apart}."
        )
    value = Decimal(token.text.replace(",", ""))
    after = at + 1
    while after < len(tokens) and (scale := _scale(tokens[after], attached=tokens[after].at == token.end)):
        value, after = value * scale, after + 1
    if after < len(tokens) and tokens[after].text.lower() in _SILENT:
        after += 1
    if after < len(tokens) and tokens[after].kind == "name" and tokens[after].at == token.end:
        raise ToolRefusal(f"{token.text + tokens[after].text!r} is no number; units are not read. {ALLOWED}.")
    if _is_percent(tokens, at, after):
        of = after + 1 < len(tokens) and tokens[after + 1].text.lower() == "of"
        return f"({_plain(value)} / 100)" + (" *" if of else ""), after + 1 + of
    return _plain(value), after


def _scale(token: Token, *, attached: bool) -> int | None:
    if token.kind != "name":
        return None
    if attached and token.text in _ATTACHED:
        return _ATTACHED[token.text]
    return None if token.text == "k" and not attached else _SCALES.get(token.text.lower())


def _plain(value: Decimal) -> str:
    if abs(value.adjusted()) > 300:
        raise ToolRefusal("A number may have at most 300 digits.")
    return str(int(value)) if value == value.to_integral_value() else repr(float(value))


def _is_percent(tokens: list[Token], at: int, sign: int) -> bool:
    """Whether the number at `at` is a percentage; a `%` before another operand is the remainder."""
    if sign >= len(tokens) or tokens[sign].text.lower() not in ("%", "percent"):
        return False
    if tokens[sign].text == "%" and _is_operand_start(tokens, sign + 1):
        return False
    following = tokens[sign + 1].text.lower() if sign + 1 < len(tokens) else ""
    spaced = tokens[sign].text == "%" and tokens[sign].at > tokens[sign - 1].end
    if spaced and following in ("+", "-"):
        raise ToolRefusal(
            "A % followed by a sign reads as percent or as remainder; write 15% or put brackets."
        )
    before = tokens[at - 1].text if at else ""
    if following == "of" and before in ("/", "//", "%", "**", "^"):
        raise ToolRefusal(f"'{before} n% of' reads in two ways; put brackets around the percentage.")
    if following in ("", ")", ",", "]", "+", "-") and not _adds_up(tokens, at):
        raise ToolRefusal("Adding a percentage to a number reads in two ways; write it like 200 * (1 + 15%).")
    return True


def _adds_up(tokens: list[Token], at: int) -> bool:
    """Whether a percentage after a binary + or - follows 1 or another percentage, so that both readings agree."""
    if at < 2 or tokens[at - 1].text not in ("+", "-") or not _is_operand_end(tokens[at - 2]):
        return True
    left = tokens[at - 2].text.lower()
    alone = at < 3 or tokens[at - 3].text in ("(", ",", "[")
    return left in ("%", "percent") or (left == "1" and alone)


def _is_operand_end(token: Token) -> bool:
    return token.kind in _OPERANDS or token.text in (")", "]", "%")


def _is_operand_start(tokens: list[Token], at: int) -> bool:
    if at >= len(tokens):
        return False
    token = tokens[at]
    return (token.kind in _OPERANDS and token.text.lower() != "of") or token.text in ("(", "[")
