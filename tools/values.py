"""Typed values as they stand in running text: numbers with their scale, money, percentages, dates, names."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from retrieval.sentences import word_list

Kind = Literal["number", "money", "percent", "date", "year", "name"]
"""What a value is."""

_ONES = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = word_list("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: n for n, word in enumerate(_ONES)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "k": 10**3,
    "m": 10**6,
    "mn": 10**6,
    "bn": 10**9,
    "tn": 10**12,
}
MONTHS = {
    name[:3]: n
    for n, name in enumerate(
        word_list("january february march april may june july august september october november december"), 1
    )
}

_NUMBER = re.compile(
    rf"""(?<![\w.,\-/#])(?P<currency>[$€£¥₹]|US\$|USD\s)?\s?(?P<sign>[-−])?
    (?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d{{1,15}}(?:\.\d{{1,10}})?|
       (?:{"|".join(_TENS)})(?:-(?:{"|".join(_ONES[1:10])}))?|(?:{"|".join(_ONES)})|a(?=\s(?:hundred|thousand|million|billion|trillion)\b))
    (?:(?P<percent>\s?%|\s(?:percent|per\scent|percentage\spoints?)\b)
       |[\s-]?(?P<scale>hundred|thousand|million|billion|trillion)\b|(?P<short>bn|tn|mn|[kmKM])\b)?
    (?P<word>\s(?:dollars|euros|pounds|yen|rupees)\b)?(?![\w])""",
    re.VERBOSE | re.IGNORECASE,
)
_MONTH = (
    r"(?P<{0}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    rf"""(?<![\w/.\-])(?:
      (?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH.format("m1")},?\s(?P<y1>\d{{3,4}})
     |{_MONTH.format("m2")}\s(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y2>\d{{3,4}})
     |{_MONTH.format("m3")}\s(?:of\s)?(?P<y3>\d{{4}})
     |{_MONTH.format("m4")}\s(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?
     |(?P<d5>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH.format("m5")}
     |(?P<y6>\d{{4}})-(?P<m6>\d{{2}})-(?P<d6>\d{{2}})
     |(?P<y7>1\d{{3}}|20\d{{2}})
    )(?![\w%]|[,.]\d|s\b)""",
    re.VERBOSE | re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W_][\w’'\-]*\.?")
_PARTICLES = frozenset(
    word_list("of the de da di du del della la le van von der den bin ibn al el y e and & for in")
)
_NO_NAME = frozenset(
    word_list(
        """the a an in on at by for from to of and or but with as it he she they we i you this that these those his her its
    their our my your after before during when while where who what which why how if so not no yes there here then now
    today tonight tomorrow yesterday also however although though because since until under over let us some many most
    more other each every both all any is are was were be been has have had do does did will would can could may might
    must shall should additionally meanwhile moreover another such born died according following january february march
    april june july august september october november december monday tuesday wednesday thursday friday saturday
    sunday"""
    )
)


class Value(NamedTuple):
    """One value found in a text."""

    value: int | float | str
    """A number in plain units, a year as int, any other date or name as written."""
    kind: Kind
    text: str
    """As written, for example "$1.7 trillion"."""
    start: int
    end: int


def numbers(text: str) -> Iterator[Value]:
    """Yield numbers, money and percentages; ordinals, dates and parts of words are left out."""
    taken = [(date.start, date.end) for date in dates(text)]
    for match in _NUMBER.finditer(text):
        start, end = match.start() + len(match[0]) - len(match[0].lstrip()), match.end()
        plain_year = any(a <= start and end <= b for a, b in taken)
        if not plain_year and not _is_pronoun_one(match):
            yield Value(_amount(match), _number_kind(match), match[0].strip(), start, end)


def dates(text: str) -> Iterator[Value]:
    """Yield dates: a bare year as an int of kind "year", anything fuller as text of kind "date"."""
    for match in _DATE.finditer(text):
        if match["y7"]:
            yield Value(int(match["y7"]), "year", match[0], match.start(), match.end())
        else:
            yield Value(match[0], "date", match[0], match.start(), match.end())


def names(text: str) -> Iterator[Value]:
    """Yield runs of capitalised words, with the small words that join them: "Ludwig van Beethoven"."""
    run: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        if run and not _continues(text, run[-1], token):
            yield from _named(text, run)
            run = []
        if token[0][0].isupper() and not (not run and token[0].rstrip(".").lower() in _NO_NAME):
            run.append(token)
        elif run and token[0].lower() in _PARTICLES:
            run.append(token)
        elif run:
            yield from _named(text, run)
            run = []
    yield from _named(text, run)


def when(value: object) -> tuple[int, int, int] | None:
    """Return (year, month, day) of a date as text or a year as a number, zeros for what is not said.

    None when it holds no year.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (int(value), 0, 0) if 0 < value < 10_000 else None
    for match in _DATE.finditer(str(value)):
        if (year := next((match[f"y{n}"] for n in (1, 2, 3, 6, 7) if match[f"y{n}"]), None)) is not None:
            return (
                int(year),
                _month(match),
                int(next((match[f"d{n}"] for n in (1, 2, 6) if match[f"d{n}"]), 0)),
            )
    return None


def number_in(value: object) -> float | None:
    """Return the number a value is or holds, in plain units; None when it holds none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = next(numbers(str(value)), None)
    return float(found.value) if found is not None and not isinstance(found.value, str) else None


def _amount(match: re.Match[str]) -> int | float:
    digits = match["digits"].lower().replace(",", "")
    written = (match["scale"] or match["short"] or "").lower()
    # "5m wide" is metres, "$5m" millions
    scale = 1 if written == "m" and not match["currency"] else _SCALES.get(written, 1)
    if digits[0].isdigit():
        # through the decimal text, so that 1.7 trillion is exact
        whole, _, decimals = digits.partition(".")
        exact = int(whole + decimals) * scale
        unit = 10 ** len(decimals)
        amount: int | float = exact // unit if exact % unit == 0 else exact / unit
    else:
        amount = (1 if digits == "a" else sum(_SMALL[word] for word in digits.split("-"))) * scale
    return -amount if match["sign"] else amount


def _number_kind(match: re.Match[str]) -> Kind:
    if match["percent"]:
        return "percent"
    return "money" if match["currency"] or match["word"] else "number"


def _is_pronoun_one(match: re.Match[str]) -> bool:
    # "one" is far more often a pronoun than a count
    return match[0].strip().lower() == "one"


def _month(match: re.Match[str]) -> int:
    if match["m6"]:
        return int(match["m6"])
    name = next((match[f"m{n}"] for n in (1, 2, 3) if match[f"m{n}"]), "")
    return MONTHS.get(name[:3].lower(), 0)


def _continues(text: str, last: re.Match[str], token: re.Match[str]) -> bool:
    gap = text[last.end() : token.start()]
    if last[0].endswith("."):
        return gap in ("", " ") and _is_abbreviation(last[0])
    return gap in (" ", " & ", "-", "\u00a0")


def _is_abbreviation(token: str) -> bool:
    return len(token) <= 2 or token.lower() in {
        "dr.",
        "mr.",
        "mrs.",
        "ms.",
        "st.",
        "jr.",
        "sr.",
        "inc.",
        "co.",
        "ltd.",
    }


def _named(text: str, run: list[re.Match[str]]) -> Iterator[Value]:
    while run and not run[-1][0][0].isupper():
        run.pop()
    for piece in _split_at_and(run):
        start, end = piece[0].start(), piece[-1].end()
        if text[end - 1] == "." and not _is_abbreviation(piece[-1][0]):
            end -= 1
        found = re.sub(r"[’']s$", "", text[start:end])
        yield Value(found, "name", found, start, start + len(found))


def _split_at_and(run: list[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    # "Bette Davis and Barry Sullivan" are two names; "Science and Technology Act" reads the same: both are offered
    piece: list[re.Match[str]] = []
    for token in run:
        if token[0].lower() in {"and", "in", "for"} and piece:
            yield piece
            piece = []
        elif piece or token[0][0].isupper():
            piece.append(token)
    if piece:
        yield piece
