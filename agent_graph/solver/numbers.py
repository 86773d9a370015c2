"""Numbers of an answer that come from nowhere: in no evidence, not in the question, given by no calculation.

Written forms are compared by what they mean: 1,234 and 1234 and 1.234 thousand, twelve and 12, 12 % and .12,
2024-03-05 and March 5, 2024, 1 pm and 13:00. A result may be rounded.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_graph.evidence import Evidence
from agent_graph.solver import figures
from agent_graph.solver.figures import Date, Figure, Moment

_READ = 200_000
"""Characters of one text whose numbers are all read; in what lies beyond, those of the answer are looked for."""
_ABOUT = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|over|some|circa|ca\.?|(?:more|less|fewer)\sthan|under|at\sleast)"
    r"\s(?:an?\s)?|[~≈±])[$€£¥]?$",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(r"[\d\s.,+*/()%^×÷−–-]*\d\s*[-+*/%^×÷−–]+\s*[(\d][\d\s.,+*/()%^×÷−–-]*")


def unverified(answer: str, question: str, evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Return the numbers of the answer, as written, that neither the evidence nor the question accounts for.

    Citation markers, list markers, addresses, code and the words one, two and three are not numbers.
    """
    text = figures.plain(answer)
    if next(_spoken(text), None) is None:
        return ()
    known = _Known()
    known.text(question)
    for one in evidence:
        known.evidence(one)
    listed = sum(line.lstrip()[:1] in "-*+•" for line in answer.splitlines() if line.strip())
    known.counts.update({float(listed)} if listed else ())
    known.close()
    found = sorted((one.start, one.text) for one in _spoken(text) if not known.has(one, text))
    return tuple(dict.fromkeys(written for _, written in found))


def meant(text: str) -> frozenset[float]:
    """Return what the numbers of a claim mean, without markers of lists and citations."""
    return frozenset(_key(one.meanings[0][0]) for one in figures.figures(figures.plain(text)))


def held(text: str) -> frozenset[float]:
    """Return every number that a piece of evidence can be read to hold."""
    return frozenset(map(_key, figures.readings(text)))


def _spoken(text: str) -> Iterator[Figure | Moment]:
    """Yield every date, time and number of an answer; none is read twice."""
    for moment in figures.moments(text):
        if text[moment.start : moment.start + len(moment.text)].strip():
            yield moment
            end = moment.start + len(moment.text)
            text = text[: moment.start] + " " * len(moment.text) + text[end:]
    yield from figures.figures(text)


class _Known:
    """Every number, date and time that an answer may speak of."""

    def __init__(self) -> None:
        self.counts: set[float] = set()
        self._numbers: set[float] = set()
        self._results: list[float] = []
        self._dates: set[Date] = set()
        self._times: set[int] = set()
        self._beyond: list[str] = []

    def evidence(self, one: Evidence) -> None:
        if not one.ok:
            return
        if _is_number(one.value):
            self._results.append(abs(float(one.value)))
        whole = one.text
        if len(whole) > _READ:
            self.text(whole)
        else:
            self._value(one.value)
        for value in one.args.values():
            if not _is_expression(value):
                self._value(value)
        for source in one.sources:
            for text in (source.text, source.title, source.location, source.document):
                if not figures.holds(whole[:_READ], text):
                    self.text(text)
        self.text(one.beginning)

    def text(self, text: str) -> None:
        if len(text) > _READ:
            self._beyond.append(text)
            text = text[:_READ]
        self._numbers.update(map(_key, figures.readings(text)))
        for moment in figures.moments(text):
            self._dates.update(moment.dates)
            self._numbers.update(float(part) for date in moment.dates for part in date if part)
            if not moment.dates:
                self._times.add(moment.minutes)

    def close(self) -> None:
        """Sort what was added, to be searched."""
        self._sorted = sorted(self._numbers.union(self._results))
        self._results.sort()
        self._rounded = [number for number in self._sorted if not number.is_integer()]

    def has(self, one: Figure | Moment, answer: str) -> bool:
        if isinstance(one, Figure):
            about = _ABOUT.search(answer, max(0, one.start - 25), one.start) is not None
            return any(self._has(value, unit, one.kind, about) for value, unit in one.meanings)
        if one.dates:
            return any(self._has_date(date) for date in one.dates)
        times = {one.minutes, one.minutes % 720} | (set() if one.half_known else {one.minutes + 720})
        return not times.isdisjoint(self._times)

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
            or self._stands_beyond(value)
        )

    def _has_date(self, date: Date) -> bool:
        year, month, day = date
        stands = any(f"{year}-{month:02}-{day:02}" in text for text in self._beyond)
        return stands or any(
            (not year or year == known[0] or (not known[0] and self._is(year)))
            and month == known[1]
            and (not day or day == known[2])
            for known in self._dates
        )

    def _stands_beyond(self, value: float) -> bool:
        if not self._beyond:
            return False
        bare = f"{value:.12g}"
        forms = {bare, f"{int(value):,}"} if value.is_integer() else {bare}
        form = re.compile(rf"(?<![\d.,])(?:{'|'.join(map(re.escape, sorted(forms)))})(?!\d|[.,]\d)")
        return any(form.search(text) for text in self._beyond)

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
        elif _is_number(value):
            self._numbers.add(_key(abs(float(value))))

    def _is(self, number: float) -> bool:
        return _key(number) in self._numbers or number in self.counts


def _key(number: float) -> float:
    return float(f"{number:.12g}")


def _near(numbers: list[float], low: float, high: float) -> bool:
    slack = 1e-9 * max(1.0, abs(high))
    at = bisect_left(numbers, low - slack)
    return at < len(numbers) and numbers[at] <= high + slack


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return isinstance(value, int | float | str) and len(str(value)) < 40 and math.isfinite(float(value))
    except ValueError:
        return False


def _is_expression(value: Any) -> bool:
    """Whether an argument is arithmetic that a model wrote: its figures rest on nothing by themselves."""
    return isinstance(value, str) and len(value) < 2000 and _EXPRESSION.fullmatch(value) is not None
