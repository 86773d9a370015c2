"""Numbers of an answer that come from nowhere: in no evidence, not in the question, given by no calculation.

Written forms are compared by what they mean: 1,234 and 1234 and 1.234 thousand, twelve and 12, 12 % and .12,
2024-03-05 and March 5, 2024, 1 pm and 13:00. A result may be rounded.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from agent_graph.evidence import Evidence
from retrieval.sentences import word_list
from tools import values

_MOST_CHARACTERS = 2_000_000
_MOST_DIGITS = 40
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
_ABOUT = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|over|some|circa|ca\.?|(?:more|less|fewer)\sthan|under|at\sleast)"
    r"\s(?:an?\s)?|[~≈±])[$€£¥]?$",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(r"[\d\s.,+*/()%^×÷−–-]*\d\s*[-+*/%^×÷−–]+\s*[(\d][\d\s.,+*/()%^×÷−–-]*")
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

_Date = tuple[int, int, int]


class _Figure(NamedTuple):
    text: str
    start: int
    meanings: tuple[tuple[float, float], ...]
    """What it may mean, each with what its last digit counts."""
    kind: str = ""


def unverified(answer: str, question: str, evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Return the numbers of the answer, as written, that neither the evidence nor the question accounts for.

    Citation markers, list markers, addresses, code and the words one, two and three are not numbers.
    """
    text = _plain(answer)
    if re.search(r"\d", text) is None and next(_words(text), None) is None:
        return ()
    known = _Known()
    known.text(question)
    for one in evidence:
        known.evidence(one)
    known.counts.add(sum(line.lstrip()[:1] in "-*+•" for line in answer.splitlines() if line.strip()))
    known.close()
    found = [(at, written) for at, written, is_known in _figures(text, known) if not is_known]
    return tuple(dict.fromkeys(written for _, written in sorted(found)))


def figures(text: str) -> frozenset[float]:
    """Return what the numbers of a claim mean, without markers of lists and citations."""
    plain = _plain(text)
    return frozenset(_key(one.meanings[0][0]) for one in (*_digits(plain), *_words(plain)))


def readings(text: str) -> frozenset[float]:
    """Return every number that a piece of evidence can be read to hold."""
    known = _Known()
    known.text(text)
    return frozenset(known.numbers)


def _plain(text: str) -> str:
    """Return the text with blanks in the place of all digits that are no numbers: markers, addresses, code."""
    text = _NO_FIGURE.sub(_blank, text)
    return re.sub(r"\S{2,}", lambda match: _blank(match) if _is_address(match[0]) else match[0], text)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _is_address(token: str) -> bool:
    path = _PATH.search(token) is not None and any(map(str.isalpha, token))
    return path and _RATE.fullmatch(token) is None


def _figures(text: str, known: "_Known") -> Iterator[tuple[int, str, bool]]:
    """Yield every date, time and number with its place and whether it is known; none is read twice."""
    rest = text
    for form, check in ((_DATE, known.has_date), (_TIME, known.has_time)):
        for match in form.finditer(rest):
            if form is _TIME and not (match["minute"] or match["half"]):
                continue
            yield match.start(), match[0].strip(), check(match)
            rest = rest[: match.start()] + " " * len(match[0]) + rest[match.end() :]
    for figure in (*_digits(rest), *_words(rest)):
        about = _ABOUT.search(rest, max(0, figure.start - 25), figure.start) is not None
        yield figure.start, figure.text, known.has(figure, about=about)


def _digits(text: str) -> Iterator[_Figure]:
    for match in _FIGURE.finditer(text):
        scale = _scale(match)
        kind = next((name for name in ("percent", "decade", "ordinal") if match[name]), "")
        if len(match["digits"]) > _MOST_DIGITS:
            continue  # an id
        means = [(value * scale, unit * scale) for value, unit in _meanings(match["digits"])]
        if century := _RANGE.search(text, max(0, match.start() - 5), match.start()):
            means.append((float(century[1] + match["digits"]), 1.0))
        yield _Figure(match[0].strip(), match.start(), tuple(means), kind)


def _meanings(digits: str) -> Iterator[tuple[float, float]]:
    """Yield what digits with signs between them mean: 1.234,5 and 1,234.5 one thing, 1.234 two."""
    european = re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,(\d+))?|\d+,(\d{1,2})", digits)
    if european:
        decimals = len(european[1] or european[2] or "")
        yield float(digits.replace(".", "").replace(",", ".")), 0.1**decimals
    if not european or "," not in digits:
        plain = re.sub(r"[^\d.]", "", digits)
        yield float(plain), 0.1 ** len(plain.partition(".")[2])


def _words(text: str) -> Iterator[_Figure]:
    for one in values.numbers(text):
        if one.text[0].isalpha() and isinstance(one.value, int | float) and abs(one.value) > _COUNTED:
            yield _Figure(one.text, one.start, ((abs(float(one.value)), 1.0),))


def _scale(match: re.Match[str]) -> float:
    return _SCALES.get((match["scale"] or match["short"] or "").lower(), 1.0)


class _Known:
    """Every number, date and time that an answer may speak of."""

    def __init__(self) -> None:
        self.counts: set[float] = set()
        self.numbers: set[float] = set()
        self._results: list[float] = []
        self._dates: set[_Date] = set()
        self._times: set[int] = set()

    def evidence(self, one: Evidence) -> None:
        if not one.ok:
            return
        if isinstance(one.value, int | float) or _is_number(one.value):
            self._results.append(abs(float(one.value)))
        self._value(one.value)
        self._value({name: value for name, value in one.args.items() if not _is_expression(value)})
        self.text(one.beginning)
        for source in one.sources:
            for text in (source.text, source.title, source.location, source.document):
                self.text(text)

    def text(self, text: str) -> None:
        text = text[:_MOST_CHARACTERS]
        for match in _RUN.finditer(text):
            scale = _scale(match)
            for number in _readings(match[0]):
                self._add(number)
                self._add(number * scale)
                if match["percent"]:
                    self._add(number / 100)
        for match in _DATE.finditer(text):
            dates = list(_dates(match))
            self._dates.update(dates)
            self.numbers.update(float(part) for date in dates for part in date)
        self._times.update(
            _minutes(match) for match in _TIME.finditer(text) if match["minute"] or match["half"]
        )
        self.numbers.update(figure.meanings[0][0] for figure in _words(text))
        self.numbers.update(_key(int(a) / int(b)) for a, b in _FRACTION.findall(text) if int(b))
        self.numbers.update(float(_ORDINALS[word.lower()]) for word in _ORDINAL.findall(text))

    def close(self) -> None:
        """Sort what was added, to be searched."""
        self._sorted = sorted(self.numbers.union(self._results))
        self._results.sort()
        self._rounded = [number for number in self._sorted if not number.is_integer()]

    def has(self, figure: _Figure, *, about: bool) -> bool:
        return any(self._has(value, unit, figure.kind, about) for value, unit in figure.meanings)

    def _has(self, value: float, unit: float, kind: str, about: bool) -> bool:
        if kind == "decade":
            return _near(self._sorted, value, value + (99 if value % 100 == 0 else 9))
        if kind == "ordinal" and _near(self._sorted, value * 100 - 99, value * 100):
            return True  # "the 17th century" of a year
        if kind == "percent" and self._has(value / 100, unit / 100, "", about):
            return True
        zeros = len(str(int(value))) - len(str(int(value)).rstrip("0")) if unit == 1 else 0
        round_off = max(unit, 10.0**zeros) / 2
        return (
            self._is(value)
            or _near(self._rounded, value - unit / 2, value + unit / 2)
            or (value >= 10**zeros * 10 and _near(self._results, value - round_off, value + round_off))
            or ((about or unit > 1) and _near(self._sorted, value - round_off, value + round_off))
        )

    def has_date(self, match: re.Match[str]) -> bool:
        return any(self._has_date(date) for date in _dates(match))

    def has_time(self, match: re.Match[str]) -> bool:
        minutes = _minutes(match)
        halves = {minutes, minutes + 720} if not match["half"] and minutes < 720 else {minutes}
        return bool(halves & self._times or {minutes % 720} & self._times)

    def _has_date(self, date: _Date) -> bool:
        year, month, day = date
        return any(
            (not year or year == known[0] or (not known[0] and self._is(year)))
            and month == known[1]
            and (not day or day == known[2])
            for known in self._dates
        )

    def _value(self, value: Any) -> None:
        if isinstance(value, str):
            self.text(value)
        elif isinstance(value, Mapping):
            self.counts.add(len(value))
            for key, item in value.items():
                self.text(str(key))
                self._value(item)
        elif isinstance(value, list | tuple):
            self.counts.add(len(value))
            for item in value:
                self._value(item)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._add(abs(float(value)))

    def _add(self, number: float) -> None:
        self.numbers.add(_key(number))

    def _is(self, number: float) -> bool:
        return _key(number) in self.numbers or number in self.counts


def _key(number: float) -> float:
    return float(f"{number:.12g}")


def _near(numbers: list[float], low: float, high: float) -> bool:
    slack = 1e-9 * max(1.0, abs(high))
    at = bisect_left(numbers, low - slack)
    return at < len(numbers) and numbers[at] <= high + slack


def _readings(run: str) -> Iterator[float]:
    """Yield what a run of digits may mean: its parts, with thousands joined, with either decimal sign."""
    parts = re.findall(r"\d+", run)
    signs = re.findall(r"(?<=\d)[^\d%A-Za-z](?=\d)", run)
    yield from (float(part) for part in parts if len(part) < 300)
    if len(parts) == 1:
        return
    if all(len(part) == 3 for part in parts[1:]):
        yield _float("".join(parts))
    *whole, decimals = parts
    if signs and signs[-1] in ".," and (len(whole) == 1 or all(len(part) == 3 for part in whole[1:])):
        yield _float(f"{''.join(whole)}.{decimals}")


def _float(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else 0.0


def _dates(match: re.Match[str]) -> Iterator[_Date]:
    """Yield (year, month, day), zeros for what is not said; 05/03/2024 is two dates."""
    if match["y5"]:
        first, second, year = int(match["a5"]), int(match["b5"]), int(match["y5"])
        yield from ((year, month, day) for month, day in {(first, second), (second, first)} if month <= 12)
        return
    n = next(n for n in (1, 2, 3, 4) if match[f"m{n}"])
    month = int(match["m1"]) if n == 1 else _MONTHS[match[f"m{n}"].lower()]
    yield int(match[f"y{n}"] or 0), month, int(match[f"d{n}"]) if n < 4 else 0


def _minutes(match: re.Match[str]) -> int:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = (match["half"] or "").lower()
    return (hour % 12 + (12 if half == "p" else 0) if half else hour) * 60 + minute


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) < 40 and math.isfinite(float(value))
    except ValueError:
        return False


def _is_expression(value: Any) -> bool:
    """Whether an argument is arithmetic that a model wrote: its figures rest on nothing by themselves."""
    return isinstance(value, str) and len(value) < 2000 and _EXPRESSION.fullmatch(value) is not None
