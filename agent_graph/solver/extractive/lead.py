"""The value an answer leads with: a date, a number, a name, a place, read out of the passages with its sentence."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent_graph.solver.extractive import affirmed, alias, described, life, shared
from agent_graph.solver.extractive.fitness import fits
from agent_graph.solver.extractive.quotes import Page
from agent_graph.solver.extractive.subject import named, passages_about, unmentioned
from retrieval.sentences import ScoredSentence
from tools import values
from tools.extract import find_values
from tools.question import AnswerType, answer_type

TYPED: frozenset[AnswerType] = frozenset(
    {"number", "money", "percent", "date", "year", "person", "place", "name"}
)
"""Questions that one short value answers."""

_MOST_TRIED = 12
_REGION = re.compile(r",\s((?:[A-Z][\w’'-]+\s?){1,3})(?=[,.;)]|\s(?:in|on|to|and|where|who)\b|$)")
_OPEN = re.compile(
    r"(?:what|how|why)\s(?:did|does|do|has|have|will|can|could|would|should)\b.*\b(?:say|said|do|mean|think|plan|propose|work|help)\b",
    re.IGNORECASE,
)
"""Questions that no single value answers."""
_WHO_IS = re.compile(r"(?:who|what)\s(?:is|was|are|were)\s(?P<name>.+)$", re.IGNORECASE)
_ASKS_YEAR = re.compile(r"\bwh(?:at|ich) year\b", re.IGNORECASE)


class Lead(NamedTuple):
    """A value as written, and the sentence it stands in."""

    text: str
    sentence: ScoredSentence
    beside: ScoredSentence | None = None
    """A second sentence that it rests on as much."""


def find_lead(question: str, page: Page) -> Lead | None:
    """Return the value that answers a question, or None when the passages hold none that fits with confidence."""
    if (said := affirmed.read(question, page)) is not None:
        return Lead(*said)
    if _OPEN.match(question) or _is_name_alone(question) or unmentioned(question, page):
        return None
    if both := shared.read(question, page):
        return Lead(*both[0], beside=both[1].sentence)
    about = list(dict.fromkeys(n for name in named(question) for n in passages_about(name, page)))
    for reader in (life.read, alias.read):
        if (told := reader(question, about, page)) is not None:
            return Lead(*told)
    if (titled := described.read(question, page)) is not None:
        return Lead(*titled)
    kind = kind_of(question)
    if kind not in TYPED:
        return None
    return best_value(question, kind, about, page) or best_value(question, kind, range(len(page.texts)), page)


def _is_name_alone(question: str) -> bool:
    """Whether it only asks who someone is: "Who is Brandon Tsay"."""
    asked = _WHO_IS.match(question)
    return asked is not None and [asked["name"]] == [one.text for one in values.names(asked["name"])]


def kind_of(question: str) -> AnswerType:
    """Tell what kind of value answers; "in what year" may also end a question."""
    return "year" if _ASKS_YEAR.search(question) else answer_type(question)


def best_value(
    question: str, kind: AnswerType, places: Sequence[int], page: Page, *, about: bool = False
) -> Lead | None:
    """Return the best value of a kind in some of the passages that can be what the question asks for.

    `about`: those passages are known to be about the one the question asks about.
    """
    texts, titles = [page.texts[n] for n in places], [page.titles[n] for n in places]
    for found in find_values(question, texts, titles, kind=kind)[:_MOST_TRIED] if places else ():
        sentence = found.sentence._replace(passage=places[found.sentence.passage])
        if not fits(found.text, kind, question, sentence, page, about=about):
            continue
        text = str(found.value) if kind == "year" else found.text
        return Lead(text + _region(sentence.sentence.text, text) if kind == "place" else text, sentence)
    return None


def _region(sentence: str, place: str) -> str:
    """Return ", Ohio" after "Columbus" where the sentence says so."""
    region = _REGION.match(sentence.partition(place)[2])
    return f", {region[1].strip()}" if region else ""
