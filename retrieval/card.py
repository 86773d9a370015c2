"""The card of a collection: what it holds, in a few hundred tokens, for a planner that must know where to look."""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from retrieval.documents import Passage
from retrieval.sentences import FAINT_WORDS, STOP_WORDS, word_list
from retrieval.stores.store import Store
from retrieval.terms import terms

_NOTE = "card"
_TITLES = 12
_TITLE_CHARS = 60
_CHARS = 1000
_NAMES, _WORDS = 8, 8
_SAMPLE = 1000
_LARGE = 5000
"""Passages from which on a card may be somewhat old."""
_DRIFT = 0.05
_OLD_S = 3600.0

_NAME = re.compile(r"(?<![.!?:;\"“(] )(?<![.!?\n])\b[A-Z][\w’'-]+(?: (?:of |the |de )?[A-Z][\w’'-]+)*")
_LOWER = re.compile(r"\b[a-z]{4,}\b")
_YEAR = re.compile(r"(?<![\d$€£.,])(?:1\d{3}|20\d{2})(?![\d%,.]\d|\d)")
_CALENDAR = frozenset(
    word_list(
        "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
        "september october november december"
    )
)


@dataclass(frozen=True, slots=True)
class Card:
    """What a collection holds, in few words; `str(card)` is text for a planner prompt."""

    collection: str
    documents: int
    passages: int
    titles: tuple[str, ...] = ()
    """Of the longest documents, longest first."""
    kinds: tuple[tuple[str, int], ...] = ()
    """Kind and number of documents, most frequent first."""
    topics: tuple[str, ...] = ()
    """Names and words that many of its passages speak of."""
    years: tuple[int, int] | None = None
    """Between which years nine of ten years lie that its passages mention."""
    updated: str = ""
    """Day of the last change that was noticed."""
    listed: bool = True
    """Whether its contents are known; a store of somebody else may only answer queries."""

    def __str__(self) -> str:
        if not self.listed:
            return f"Collection {self.collection!r}: what it holds cannot be listed, search it to see."
        if not self.documents:
            return f"Collection {self.collection!r} is empty: nothing has been ingested."
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds)
        text = (
            f"Collection {self.collection!r}: {self.documents} documents ({kinds}), {self.passages} passages."
        )
        if self.topics:
            text += f" Topics: {', '.join(self.topics)}."
        if self.years:
            text += f" Years mentioned: {self.years[0]} to {self.years[1]}."
        if self.updated:
            text += f" Last changed {self.updated}."
        return text + self._titles(_CHARS - len(text))

    def _titles(self, room: int) -> str:
        shown: list[str] = []
        for title in self.titles:
            if sum(map(len, shown)) + 2 * len(shown) + len(title) + 30 > room:
                break
            shown.append(title)
        rest = self.documents - len(shown)
        more = f" and {rest} more" if shown and rest else ""
        return f" Titles: {'; '.join(shown)}{more}." if shown else ""


def card_of(store: Store) -> Card:
    """Return the card of a collection, from what was noted when it was last made, if that still holds."""
    held = store.count()
    if held is None:
        return Card(store.name, 0, 0, listed=False)
    state = store.state()
    noted = _noted(store.note(_NOTE))
    if noted is not None and _holds(noted, state, held):
        return replace(noted[0], collection=store.name, passages=held)
    card = _made(store, held)
    store.write_note(_NOTE, json.dumps({"card": asdict(card), "state": store.state(), "made": time.time()}))
    return card


def _holds(noted: tuple[Card, str, float], state: str, held: int) -> bool:
    card, state_then, made = noted
    if state == state_then:
        return True
    small_change = abs(held - card.passages) <= _DRIFT * card.passages
    return held > _LARGE and small_change and time.time() - made < _OLD_S


def _noted(text: str) -> tuple[Card, str, float] | None:
    try:
        told = json.loads(text)
        about = told["card"]
        card = Card(
            **about
            | {
                "titles": tuple(about["titles"]),
                "kinds": tuple((kind, count) for kind, count in about["kinds"]),
                "topics": tuple(about["topics"]),
                "years": tuple(about["years"]) if about["years"] else None,
            }
        )
        return card, str(told["state"]), float(told["made"])
    except (ValueError, KeyError, TypeError):
        return None


def _made(store: Store, held: int) -> Card:
    documents = store.documents()
    if not documents:
        return Card(store.name, 0, held)
    kinds = Counter(row.kind for row in documents)
    sample = store.sample(_SAMPLE)
    titles = [row.title or row.document for row in documents[:_TITLES]]
    return Card(
        collection=store.name,
        documents=len(documents),
        passages=held,
        titles=tuple(dict.fromkeys(_shortened(title) for title in titles)),
        kinds=tuple(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
        topics=tuple(topics(sample)),
        years=_years(sample),
        updated=time.strftime("%Y-%m-%d", time.gmtime()),
    )


def topics(passages: Sequence[Passage]) -> list[str]:
    """Return the names and words that say what many of the passages are about, and not what all are."""
    names = _common((_names(passage.text) for passage in passages), len(passages), _NAMES)
    spoken = {term for name in names for term in terms(name)}
    words = _common((_content_words(passage.text, spoken) for passage in passages), len(passages), _WORDS)
    return [*names, *words]


def _common(each: Iterable[dict[str, str]], all_passages: int, most: int) -> list[str]:
    """Return the forms that stand in many of several texts but not in most, best first."""
    counts: Counter[str] = Counter()
    forms: dict[str, Counter[str]] = {}
    for text in each:
        for key, form in text.items():
            counts[key] += 1
            forms.setdefault(key, Counter())[form] += 1
    enough = 2 if all_passages > 4 else 1
    told = {
        key: count * math.log(1 + all_passages / count) for key, count in counts.items() if count >= enough
    }
    best = sorted(told, key=lambda key: (-told[key], key))[:most]
    return [forms[key].most_common(1)[0][0] for key in best]


def _names(text: str) -> dict[str, str]:
    found = {name.lower(): name for name in _NAME.findall(text)}
    return {key: name for key, name in found.items() if key not in STOP_WORDS and key not in _CALENDAR}


def _content_words(text: str, without: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in _LOWER.findall(text):
        if word not in STOP_WORDS and word not in FAINT_WORDS and word not in _CALENDAR:
            key = terms(word)[0]
            if key not in without:
                found.setdefault(key, word)
    return found


def _years(passages: Iterable[Passage]) -> tuple[int, int] | None:
    years = sorted(int(year) for passage in passages for year in _YEAR.findall(passage.text))
    if len(years) < 3:
        return None
    return years[len(years) // 20], years[-1 - len(years) // 20]


def _shortened(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= _TITLE_CHARS else f"{line[: _TITLE_CHARS - 1]}…"
