"""What one side of a comparison comes to: a date or an amount, a lifetime, a country, with its sentences."""

from typing import NamedTuple

from agent_graph.solver.extractive import nationality
from agent_graph.solver.extractive.quotes import Page
from agent_graph.solver.extractive.sides import Side, lifetime, read
from agent_graph.solver.extractive.subject import name_stems, passages_about
from agent_graph.solver.extractive.wording import plain
from retrieval.sentences import ScoredSentence
from tools import values
from tools.question import Scale

Key = tuple[float, ...]
"""What sides are ordered by: an amount, or year, month and day with zeros for what is not said."""

_MONTHS, _DAYS = 12, 372


class Weighed(NamedTuple):
    """A side with its value."""

    side: Side
    key: Key
    text: str
    """The value as it is printed."""
    marker: str
    quotes: tuple[ScoredSentence, ...]
    """The sentences it rests on, its own last."""

    @property
    def said(self) -> str:
        """The side's name with its value and citation."""
        return f"{plain(self.side.name)}: {plain(self.text)} [{self.marker}]"

    def certain(self, page: Page) -> bool:
        """Whether the value was read in the passage that bears its subject as title."""
        title = page.titles[self.quotes[-1].passage]
        return bool(title) and name_stems(title) == name_stems(self.side.subject)


def measured(side: Side, scale: Scale, page: Page) -> Weighed | None:
    """Read what the plan was to find out about a side; None when it is not there or on another scale."""
    end = side.end
    if end is None or end.tool != "extract" or "#E" in (asked := str(end.args.get("question", ""))):
        return None
    found = read(asked, side, page)
    key = _key(found.text, scale) if found is not None else None
    if found is None or key is None:
        return None
    same = end.ok and _key(end.value, scale) == key
    marker = str(end.step) if same else page.passages[found.sentence.passage].marker
    return Weighed(side, key, found.text, marker, (*_hop_quotes(side, page), found.sentence))


def lived(side: Side, page: Page) -> Weighed | None:
    """Return how long a side lived, by the dates its passage opens with."""
    found = lifetime(side, page)
    if found is None:
        return None
    (born, died), sentence = found
    began, ended = (_years(one.value) for one in (born, died))
    marker = page.passages[sentence.passage].marker
    return Weighed(side, (ended - began,), f"{born.text} to {died.text}", marker, (sentence,))


def from_country(side: Side, page: Page) -> tuple[frozenset[str], Weighed] | None:
    """Return the countries a side belongs to."""
    for place in passages_about(side.subject, page) if side.subject else []:
        for number, sentence in enumerate(page.field.sentences[place]):
            if found := nationality.countries(sentence.text):
                quotes = (*_hop_quotes(side, page), ScoredSentence(sentence, place, number, 1.0, 1.0))
                marker = page.passages[place].marker
                return frozenset(found), Weighed(side, (), ", ".join(found), marker, quotes)
    return None


def tied(left: Key, right: Key) -> bool:
    """Whether two keys cannot be told apart; 1950 may be any day of 1950."""
    for place, (one, other) in enumerate(zip(left, right, strict=True)):
        if one != other:
            return place > 0 and 0 in (one, other)
    return True


def _key(value: object, scale: Scale) -> Key | None:
    if scale == "time":
        return values.when(value)
    number = values.number_in(value)
    return None if number is None else (number,)


def _years(value: object) -> float:
    year, month, day = values.when(value) or (0, 0, 0)
    return year + month / _MONTHS + day / _DAYS


def _hop_quotes(side: Side, page: Page) -> list[ScoredSentence]:
    """The sentences that name who stands in the role."""
    quotes = []
    for hop in side.hops:
        said = str(hop.value).lower()
        ranked = page.field.score(str(hop.args.get("question", "")))
        quotes += [next(iter(one for one in ranked if said in one.sentence.text.lower()), None)]
    return [one for one in quotes if one is not None]
