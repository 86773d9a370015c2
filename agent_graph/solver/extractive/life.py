"""Birth, death and nationality as the passage on a person opens with them: "(4 May 1920, Rome – 1 June 1999)"."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from agent_graph.solver.extractive import nationality
from agent_graph.solver.extractive.quotes import Page
from retrieval.sentences import ScoredSentence
from tools import values

Event = Literal["born", "died"]

_ASKS: tuple[tuple[re.Pattern[str], Event], ...] = (
    (re.compile(r"\b(?:born|birth|birthplace|birthday|birth ?date)\b", re.IGNORECASE), "born"),
    (re.compile(r"\b(?:die|died|death|dies)\b", re.IGNORECASE), "died"),
)
_WHEN = re.compile(
    r"^(?:.*\b)?(?:when|what (?:date|year|day)|which (?:date|year|day)|date of|birthday|birth date)\b", re.I
)
_WHERE = re.compile(
    r"\b(?:where|place of|birthplace|(?:what|which) (?:\w+ )?(?:city|town|village|country|county|state|place))\b",
    re.I,
)
_NATION = re.compile(
    r"\b(?:nationality|citizenship|citizen)\b|^(?:from )?(?:what|which) (?:country|nation)\b.*\bfrom\b|^where\b.*\bfrom$",
    re.IGNORECASE,
)
_ANSWERED_FROM = 3
"""Sentences at the beginning of a passage that may state a nationality."""
_DASH = re.compile(r"\s?[–—-]\s?")
_PLACE = r"(?:[A-Z][\w’'.-]*(?:\s(?:of|de|du|la|le|upon|on|the|am|an|der|den|sur|[A-Z][\w’'.-]*))*)"
_PLACES = rf"{_PLACE}(?:,\s{_PLACE}){{0,2}}"
_BORN_IN = re.compile(rf"\bborn\b[^.;]{{0,60}}?\b(?:in|at)\s(?P<place>{_PLACES})")
_DIED_IN = re.compile(rf"\b(?:died|death|passed away)\b[^.;]{{0,80}}?\b(?:in|at)\s(?P<place>{_PLACES})")
_MONTH = re.compile(
    r"(?:^|\s(?:on|the)\s)(?:January|February|March|April|May|June|July|August|September|October|November|December)\b.*$"
)


class Told(NamedTuple):
    """What a biography tells, and the sentence that tells it."""

    text: str
    sentence: ScoredSentence


def read(question: str, about: Sequence[int], page: Page) -> Told | None:
    """Return the date or place of birth or death, or the nationality, that a question asks for.

    `about` are the passages on the person, best first. None for any other question, or when they do not tell.
    """
    if _NATION.search(question):
        return _nationality(about, page)
    event = next((event for asks, event in _ASKS if asks.search(question)), None)
    if event is None:
        return None
    if _WHERE.search(question):
        return _place(event, about, page)
    if _WHEN.search(question):
        found = _date(event, about, page)
        if found is not None and re.search(r"\byear\b", question, re.IGNORECASE):
            year = values.when(found.text)
            return found._replace(text=str(year[0])) if year else found
        return found
    return None


def _nationality(about: Sequence[int], page: Page) -> Told | None:
    for place in about:
        for number, sentence in enumerate(page.field.sentences[place][:_ANSWERED_FROM]):
            if text := nationality.as_written(sentence.text):
                return Told(text, ScoredSentence(sentence, place, number, 1.0, 1.0))
    return None


def _date(event: Event, about: Sequence[int], page: Page) -> Told | None:
    opening = page.opening(about[0]) if about else None
    text = _dated(event, opening.sentence.text) if opening else ""
    return Told(text, opening) if opening and text else None


def _dated(event: Event, text: str) -> str:
    """Read "(born 4 May 1920)" and "(4 May 1920 – 1 June 1999)" that stand before the verb."""
    bracket = _bracket(text)
    dated = [one for one in values.dates(bracket) if values.when(one.value) is not None]
    if not dated:
        return ""
    if event == "born":
        return "" if re.match(r"\s?(?:died|d\.|†)", bracket) else dated[0].text
    if len(dated) > 1 and _DASH.search(bracket[dated[0].end : dated[1].start]):
        return dated[1].text
    return dated[0].text if re.match(r"\s?(?:died|d\.|†)", bracket) else ""


def _bracket(text: str) -> str:
    """Return the first bracket that holds a date."""
    found = (match[1] for match in re.finditer(r"\(([^()]{4,200})\)", text[:600]))
    return next((one for one in found if any(values.when(v.value) for v in values.dates(one))), "")


def _place(event: Event, about: Sequence[int], page: Page) -> Told | None:
    said = _BORN_IN if event == "born" else _DIED_IN
    for place in about[:2]:
        for number, sentence in enumerate(page.field.sentences[place]):
            match = said.search(sentence.text)
            if match is not None and (text := _MONTH.sub("", match["place"]).rstrip(". ,")):
                return Told(text, ScoredSentence(sentence, place, number, 1.0, 1.0))
        opening = page.opening(place)
        if opening and (text := _bracketed_place(event, _bracket(opening.sentence.text))):
            return Told(text, opening)
    return None


def _bracketed_place(event: Event, bracket: str) -> str:
    """Read "(Fomboni, 1 November 1874 – Pesmes, France, 7 August 1964)" and the same with dates first."""
    halves = re.split(r"\s[–—-]\s", bracket)
    if len(halves) != 2:
        return ""
    half = halves[0 if event == "born" else 1]
    dated = next(values.dates(half), None)
    if dated is None:
        return ""
    before, after = half[: dated.start].strip(" ,"), half[dated.end :].strip(" ,")
    for text in (before, after):
        if re.fullmatch(_PLACES, text):
            return text
    return ""
