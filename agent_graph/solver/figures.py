"""Numbers, dates and times as they stand in a text, and what each of them may mean."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from retrieval.sentences import word_list
from tools import values

_MOST_DIGITS = 40
_GROUP = 3
_NOON = 720
_COUNTED = 3
"""Up to this number, words count what the answer itself lists far more often than they state a fact."""
_SCALES = {
    **dict(
        zip(word_list("hundred thousand million billion trillion"), (1e2, 1e3, 1e6, 1e9, 1e12), strict=True)
    ),
    **dict(zip(word_list("k m mn bn tn b"), (1e3, 1e6, 1e6, 1e9, 1e12, 1e9), strict=True)),
}
_SCALE = r"(?:\s?-?(?P<scale>hundred|thousand|million|billion|trillion)\b|\s?(?P<short>bn|mn|tn|[kKmMbB])\b)"
_FIGURE = re.compile(
    rf"""(?<![\w.,/])(?<![A-Za-z]-)(?P<digits>\d{{1,3}}(?:[,\u00a0\u202f'’ ]\d{{3}})+(?:\.\d+)?(?!\d)
       |\d{{1,3}}(?:\.\d{{3}})+,\d+|\d+,\d{{1,2}}(?![\d,])|\d+(?:\.\d+)?|\.\d+)
    (?:(?P<percent>\s?(?:%|percent\b|per\ cent\b))|{_SCALE}|(?P<decade>s)\b|(?P<ordinal>st|nd|rd|th)\b)?(?![A-Z\d])""",
    re.VERBOSE,
)
_RUN = re.compile(
    rf"\d+(?:[.,'’\u00a0\u202f ]\d+)*(?:(?P<percent>\s?(?:%|percent))|{_SCALE})?", re.IGNORECASE
)
_MONTH = r"(?P<{0}>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{{0,6}}\.?"
_DAY = r"(?P<{0}>\d{{1,2}})(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"""(?<![\d])(?:(?P<y1>\d{{4}})[-/.](?P<m1>\d{{1,2}})[-/.](?P<d1>\d{{1,2}})(?!\d)
    |\b{_MONTH.format("m2")}\s{_DAY.format("d2")}(?!\d|:)(?:,?\s(?P<y2>\d{{4}})(?!\d))?
    |{_DAY.format("d3")}\s(?:of\s)?{_MONTH.format("m3")}\b(?:,?\s(?P<y3>\d{{4}})(?!\d))?
    |\b{_MONTH.format("m4")},?\s(?:of\s)?(?P<y4>\d{{4}})(?!\d)
    |(?P<a5>\d{{1,2}})[/.](?P<b5>\d{{1,2}})[/.](?P<y5>\d{{4}})(?!\d))""",
    re.VERBOSE | re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d:.])(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::\d{2}(?:\.\d+)?)?)?(?:\s?(?P<half>[ap])\.?m\b\.?)?(?![\d:])",
    re.IGNORECASE,
)
_NO_FIGURE = re.compile(
    r"""\[E\d+(?:\.\d+)?\]|```.*?```
    |^[\s>]{0,8}(?:[-*+]\s+)?(?:\*\*|\#{1,6}\s)?\(?\d{1,3}[.)](?=\s|\*)|\b(?:step|option|point|answer)\s\#?\d{1,2}\b""",
    re.MULTILINE | re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_PATH = re.compile(r"[/\\_@]")
_RATE = re.compile(r"[$€£¥(]?\d[\d.,]*/[^\W\d_]{1,10}[.,;:!?)]*")
_RANGE = re.compile(r"(?<!\d)(\d{2})\d{2}[–-]$")
_FRACTION = re.compile(r"(?<![\d/.])(\d{1,3})/(\d{1,3})(?![\d/])")
_ORDINALS = {
    word: n
    for n, word in enumerate(
        word_list("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"), 1
    )
}
_ORDINAL = re.compile(rf"\b(?:{'|'.join(_ORDINALS)})\b", re.IGNORECASE)
_MONTHS = {name: n for n, name in enumerate(word_list("jan feb mar apr may jun jul aug sep oct nov dec"), 1)}

Date = tuple[int, int, int]
"""Year, month and day; zeros for what is not said."""


class Figure(NamedTuple):
    """One number as written."""

    text: str
    start: int
    meanings: tuple[tuple[float, float], ...]
    """What it may mean, each with what its last digit counts."""
    kind: str = ""
    """percent, decade, ordinal, or nothing of these."""


class Moment(NamedTuple):
    """One date or time of day as written."""

    text: str
    start: int
    dates: tuple[Date, ...] = ()
    """What date it may mean: 05/03/2024 means two."""
    minutes: int = 0
    """Of a time: since midnight."""
    half_known: bool = True
    """Of a time: whether it is said, or plain, which half of the day is meant."""


def plain(text: str) -> str:
    """Return the text with blanks in the place of all digits that are no numbers: markers, addresses, code."""
    text = _NO_FIGURE.sub(_blank, text)
    return re.sub(r"\S{2,}", lambda match: _blank(match) if _is_address(match[0]) else match[0], text)


def moments(text: str) -> Iterator[Moment]:
    """Yield every date, then every time of day."""
    for match in _DATE.finditer(text):
        yield Moment(match[0].strip(), match.start(), tuple(_dates(match)))
    for match in _TIME.finditer(text):
        if match["minute"] or match["half"]:
            minutes = _minutes(match)
            yield Moment(
                match[0].strip(), match.start(), (), minutes, bool(match["half"]) or minutes >= _NOON
            )


def figures(text: str) -> Iterator[Figure]:
    """Yield every number in digits, then every number in words above three; parts of words and ids are none."""
    yield from _in_digits(text)
    yield from _in_words(text)


def readings(text: str) -> Iterator[float]:
    """Yield everything that the digits and number words of a text can be read as, dates and ordinals included."""
    for match in _RUN.finditer(text):
        scale = _scale(match)
        for number in _of_run(match[0]):
            yield number
            yield number * scale
            if match["percent"]:
                yield number / 100
    yield from (figure.meanings[0][0] for figure in _in_words(text))
    yield from (int(a) / int(b) for a, b in _FRACTION.findall(text) if int(b))
    yield from (float(_ORDINALS[word.lower()]) for word in _ORDINAL.findall(text))


def holds(whole: str, part: str) -> bool:
    """Whether a text holds another, set apart: who has read it has read the other's words and numbers too."""
    at = whole.find(part)
    end = at + len(part)
    return at >= 0 and not whole[max(0, at - 1) : at].strip() and whole[end : end + 1] in ("", "\n")


def _in_digits(text: str) -> Iterator[Figure]:
    for match in _FIGURE.finditer(text):
        if len(match["digits"]) > _MOST_DIGITS:
            continue  # an id
        scale = _scale(match)
        means = [(value * scale, unit * scale) for value, unit in _meanings(match["digits"])]
        if century := _RANGE.search(text, max(0, match.start() - 5), match.start()):
            means.append((float(century[1] + match["digits"]), 1.0))
        kind = next((name for name in ("percent", "decade", "ordinal") if match[name]), "")
        yield Figure(match[0].strip(), match.start(), tuple(means), kind)


def _in_words(text: str) -> Iterator[Figure]:
    for one in values.numbers(text):
        if one.text[0].isalpha() and isinstance(one.value, int | float) and abs(one.value) > _COUNTED:
            yield Figure(one.text, one.start, ((abs(float(one.value)), 1.0),))


def _meanings(digits: str) -> Iterator[tuple[float, float]]:
    """Yield what digits with signs between them mean: 1.234,5 and 1,234.5 one thing, 1.234 two."""
    european = re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,(\d+))?|\d+,(\d{1,2})", digits)
    if european:
        decimals = len(european[1] or european[2] or "")
        yield float(digits.replace(".", "").replace(",", ".")), 0.1**decimals
    if not european or "," not in digits:
        bare = re.sub(r"[^\d.]", "", digits)
        yield float(bare), 0.1 ** len(bare.partition(".")[2])


def _of_run(run: str) -> Iterator[float]:
    """Yield what a run of digits may mean: its parts, with thousands joined, with either decimal sign."""
    parts = re.findall(r"\d+", run)
    signs = re.findall(r"(?<=\d)[^\d%A-Za-z](?=\d)", run)
    yield from map(_float, parts)
    if len(parts) == 1:
        return
    grouped = all(len(part) == _GROUP for part in parts[1:])
    if grouped:
        yield _float("".join(parts))
    *whole, decimals = parts
    if signs and signs[-1] in ".," and all(len(part) == _GROUP for part in whole[1:]):
        yield _float(f"{''.join(whole)}.{decimals}")


def _float(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else 0.0


def _scale(match: re.Match[str]) -> float:
    return _SCALES.get((match["scale"] or match["short"] or "").lower(), 1.0)


def _dates(match: re.Match[str]) -> Iterator[Date]:
    if match["y5"]:
        first, second, year = int(match["a5"]), int(match["b5"]), int(match["y5"])
        yield from (
            (year, month, day)
            for month, day in sorted({(first, second), (second, first)})
            if month <= len(_MONTHS)
        )
        return
    n = next(n for n in (1, 2, 3, 4) if match[f"m{n}"])
    month = int(match["m1"]) if n == 1 else _MONTHS[match[f"m{n}"].lower()]
    yield int(match[f"y{n}"] or 0), month, int(match.groupdict().get(f"d{n}") or 0)


def _minutes(match: re.Match[str]) -> int:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = (match["half"] or "").lower()
    return (hour % 12 + (12 if half == "p" else 0) if half else hour) * 60 + minute


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _is_address(token: str) -> bool:
    path = _PATH.search(token) is not None and any(map(str.isalpha, token))
    return path and _RATE.fullmatch(token) is None
