"""Sentences of a text with their places in it, and how well each one speaks to a question.

Segmentation is sentencex (rules for abbreviations, decimals, quotes, many scripts; linear time); stems are
Snowball's. Everything here is deterministic and needs no model.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from retrieval.stem import stem as snowball

LONGEST = 1200
"""Characters after which a run without any full stop (a table, a log) is cut at white space."""


def word_list(text: str) -> list[str]:
    """Return the words of a list written with spaces between."""
    return text.split()


Stem = str
"""A word reduced to what it shares with its relatives: `director`, `directed` -> `direct`; `10,000` -> `10000`."""

STOP_WORDS = frozenset(
    word_list(
        """a about above after again all also am an and any are as at be because been before being below between both
    but by can could did do does doing done down during each either else ever few for from further get gets got had
    has have having he hence her here hers herself him himself his how i if in into is it its itself just let like
    may me might more most much must my myself no nor not now of off on once one only or other our ours ourselves out
    over own per same shall she should so some such than that the their theirs them themselves then there these they
    this those through thus to too under until up upon us very via was we were what whatever when where whether which
    while who whom whose why will with within without would yes yet you your yours yourself s t re ve ll d m don didn doesn isn aren wasn weren hasn haven hadn couldn wouldn
    shouldn"""
    )
)
"""Words that say nothing about the subject of a question."""

FAINT_WORDS = frozenset(
    word_list(
        """according action actions address addressed aim aims amount answer around ask asked based biggest bring called
    cause causes claim claims come comes common commonly current currently describe described details did different
    difference document documents effort efforts evidence evidences example examples exactly explain find give given
    goal goals happen happened help include included including information issue kind kinds know known main mainly
    make makes many measure measures mean means mention mentioned mostly much name named new number passed people
    person plan plans present primary problem proposed purpose put really recent recently refer referred regarding related report
    said say says see several show showed significance speech stance state stated step steps strategy take taken
    talk talked tell text thing things think told took towards try type types use used want wants way ways work works
    year years"""
    )
)
"""Words that belong to asking rather than to the subject: they count for a quarter."""

_KINDRED = (
    "born birth birthplace birthday",
    "die died dies dead death",
    "spouse wife husband married marry marries marriage",
    "father dad paternal",
    "mother mom maternal",
    "sibling brother sister",
    "film movie",
    "write writes writer wrote written author",
    "sing sings singer sang sung performer perform performed",
    "direct director directed",
    "compose composer composed",
    "found founder founded established establish formed",
    "produce producer produced",
    "create creator created",
    "publish publisher published",
    "own owner owned",
    "build built builder",
    "win won winner",
    "buy bought acquire acquired purchase purchased",
    "sell sold",
    "lead leader led",
    "reduce reduced reduction cut lower lowered decrease decreased",
    "raise raised increase increased rise rose risen grow grew growth",
    "cost price",
    "doctor physician",
    "school education",
    "country nation nationality",
    "car automobile",
    "america american americans usa us",
    "health healthcare",
    "fight fighting fought against",
    "law act legislation",
    "ban banned prohibit",
)
_STRETCH = 4000
"""Characters handed to the segmenter at once."""
_UNSEEN = 50
"""Sentences of other things we imagine beside the given ones, so that a word is telling even in a single passage."""
_WORD = re.compile(r"(?:[A-Za-z]\.){2,}|\d[\d,]*(?:\.\d+)?|[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+")
_SHARES = (1.0, 0.8, 0.7, 0.55, 0.4, 0.3)
"""What a term counts for: in the sentence, the title, the sentence before, the three before, the one after, the passage."""
_HEADING = re.compile(r"^#{1,6} [^\n]*\n?", re.MULTILINE)
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ENDS = re.compile(r"""[.!?:;…。！？]["'”’)\]]*(?:\[\d+\])*$""")


class Sentence(NamedTuple):
    """One sentence and where it stands: `text == whole[start:end]`."""

    text: str
    start: int
    end: int


class Word(NamedTuple):
    """One word as written, its stem, and where it stands."""

    text: str
    stem: Stem
    start: int
    end: int


class ScoredSentence(NamedTuple):
    """A sentence of one of several passages, and how much of a question it covers."""

    sentence: Sentence
    passage: int
    """Index of the passage it stands in."""
    place: int
    """Its place among the sentences of that passage."""
    coverage: float
    """Share of the question's weight found in and around it, 0 to 1."""
    score: float
    """What sentences are ordered by: coverage, words in the same order, whole rather than cut off, early passage."""


def split_sentences(text: str) -> list[Sentence]:
    """Return the sentences of `text` in order, without surrounding white space."""
    return [sentence for start, end in _boundaries(text) for sentence in _pieces(text, start, end)]


def words(text: str) -> Iterator[Word]:
    """Yield every word of `text` with its stem, stop words included."""
    for match in _WORD.finditer(text):
        yield Word(match[0], stem(match[0]), match.start(), match.end())


def content_stems(text: str) -> list[Stem]:
    """Return the stems of the words that carry meaning, in order, repeats kept."""
    return [word.stem for word in words(text) if word.text.lower() not in STOP_WORDS]


@lru_cache(maxsize=50_000)
def stem(word: str) -> Stem:
    """Reduce one word to its stem, or to the head of its small family (`wife`, `married` -> `spous`)."""
    plain = _bare(word)
    if plain[:1].isdigit():
        return plain.replace(",", "").rstrip(".")
    reduced = snowball(plain)
    return _families().get(reduced, reduced)


def names(text: str) -> list[str]:
    """Return the words of `text` that look like proper names or figures: capitalised or holding digits.

    The first word counts only when its second letter is a capital too, since any word may open a sentence.
    """
    found = [word for word in words(text) if word.text.lower() not in STOP_WORDS]
    first = next(iter(words(text)), None)
    return [
        word.text for word in found if _is_name(word, opens=first is not None and word.start == first.start)
    ]


class Weights:
    """How telling each stem is: rare in the given texts is telling, absent from them most of all."""

    def __init__(self, texts: Iterable[frozenset[Stem]]) -> None:
        sets = list(texts)
        self._size = len(sets) + _UNSEEN
        self._counts = Counter(word for each in sets for word in each)

    def __getitem__(self, word: Stem) -> float:
        count = self._counts[word]
        return math.log(1 + (self._size - count + 0.5) / (count + 0.5))

    def __contains__(self, word: Stem) -> bool:
        return word in self._counts


class Query:
    """A question as weighted stems, and which of its names stand nowhere in the texts."""

    def __init__(self, question: str, weights: Weights) -> None:
        named = {stem(name) for name in names(question)}
        faint = {stem(word) for word in FAINT_WORDS}
        self.order = list(dict.fromkeys(content_stems(question)))
        self.weight = {
            term: weights[term] * (1.5 if term in named else 0.25 if term in faint else 1.0)
            for term in self.order
        }
        self.total = sum(self.weight.values())
        self.names = tuple(names(question))
        self.missing = tuple(name for name in self.names if stem(name) not in weights)


def score_sentences(
    question: str, passages: Sequence[str], titles: Sequence[str] = ()
) -> list[ScoredSentence]:
    """Return every sentence of the passages, the one that speaks best to the question first.

    A term counts fully in the sentence itself, less when it stands beside it, in the passage's title, in the rest
    of the passage or elsewhere in the passages, so that "It costs $10" answers for the sentence before it.
    """
    return Field(passages, titles).score(question)


class Field:
    """Passages cut into stemmed sentences once, to be asked several questions."""

    def __init__(self, passages: Sequence[str], titles: Sequence[str] = ()) -> None:
        self.sentences = [split_sentences(passage) for passage in passages]
        self._ordered = [[content_stems(s.text) for s in row] for row in self.sentences]
        self._stems = [[frozenset(stems) for stems in row] for row in self._ordered]
        self._titles = [frozenset(content_stems(title)) for title in titles] or [frozenset()] * len(passages)
        self.weights = Weights(
            [stems for row in self._stems for stems in row]
            + [frozenset(title) for title in set(self._titles)]
        )

    def query(self, question: str) -> Query:
        """Weigh the words of a question by how rare they are here."""
        return Query(question, self.weights)

    def score(self, question: str) -> list[ScoredSentence]:
        """Return every sentence, best first; ties keep the order of the text."""
        query = self.query(question)
        scored = [
            one for passage in range(len(self.sentences)) for one in self._score_passage(query, passage)
        ]
        return sorted(scored, key=lambda one: (-one.score, one.passage, one.place))

    def names_in(self, query: Query, passage: int) -> bool:
        """Whether a passage or its title holds any name of the question; true when it has none."""
        here = self._titles[passage].union(*self._stems[passage])
        return not query.names or any(stem(name) in here for name in query.names)

    def title(self, passage: int) -> frozenset[Stem]:
        """The stems of a passage's title."""
        return self._titles[passage]

    def _score_passage(self, query: Query, passage: int) -> Iterator[ScoredSentence]:
        rows = self._stems[passage]
        whole = frozenset().union(*rows) if rows else frozenset()
        for index, stems in enumerate(rows):
            before = rows[index - 1] if index else frozenset()
            after = rows[index + 1] if index + 1 < len(rows) else frozenset()
            lately = frozenset().union(*rows[max(0, index - 3) : index])
            coverage = self._coverage(query, (stems, self._titles[passage], before, lately, after, whole))
            sentence = self.sentences[passage][index]
            bonus = 0.15 * _in_order(query.order, self._ordered[passage][index]) + 0.03 / (1 + passage)
            score = coverage + bonus - (0.08 if is_cut_off(sentence.text) else 0)
            yield ScoredSentence(sentence, passage, index, coverage, score)

    def _coverage(self, query: Query, rings: tuple[frozenset[Stem], ...]) -> float:
        if not query.total:
            return 0.0
        gained = 0.0
        for term, weight in query.weight.items():
            share = next((s for ring, s in zip(rings, _SHARES, strict=True) if term in ring), 0)
            gained += weight * (share or (0.2 if term in self.weights else 0))
        return gained / query.total


def is_cut_off(text: str) -> bool:
    """Whether a sentence begins or ends in the middle, as at the edge of a passage."""
    return text[:1].islower() or not _ENDS.search(text)


def _in_order(query: Sequence[Stem], stems: Sequence[Stem]) -> float:
    wanted = set(pairwise(query))
    return len(wanted & set(pairwise(stems))) / len(wanted) if wanted else 0.0


def _is_name(word: Word, *, opens: bool) -> bool:
    if word.text[0].isdigit():
        return True
    return word.text[1:2].isupper() if opens else word.text[0].isupper()


def _bare(word: str) -> str:
    plain = word.lower()
    return plain.replace(".", "") if plain[:1].isalpha() else plain


@cache
def _families() -> dict[Stem, Stem]:
    return {snowball(word): snowball(row.split()[0]) for row in _KINDRED for word in row.split()}


def _boundaries(text: str) -> Iterator[tuple[int, int]]:
    import sentencex  # type: ignore[import-untyped]

    at = 0
    for stretch in _stretches(text):
        # A lone surrogate cannot cross into the segmenter; the stand-in has the same length.
        segments: Any = sentencex.segment("en", _LONE_SURROGATE.sub("\ufffd", stretch))
        for segment in segments:
            yield at, at + len(segment)
            at += len(segment)


def _stretches(text: str) -> Iterator[str]:
    """Cut a text around its headings, which end without a stop, and where it is long."""
    at = 0
    for heading in _HEADING.finditer(text):
        yield from _short(text[at : heading.start()])
        yield heading[0]
        at = heading.end()
    yield from _short(text[at:])


def _short(text: str) -> Iterator[str]:
    """Cut a long text between paragraphs: the segmenter's time is quadratic in quotation marks left open."""
    at = 0
    while len(text) - at > _STRETCH:
        cut = text.rfind("\n\n", at + 1, at + _STRETCH) + 2
        if cut < at + _STRETCH // 4:
            cut = _white_space_before(text, at, at + _STRETCH)
        yield text[at:cut]
        at = cut
    if at < len(text):
        yield text[at:]


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    while start < end:
        cut = end if end - start <= LONGEST else _white_space_before(text, start, start + LONGEST)
        body = text[start:cut]
        left = len(body) - len(body.lstrip())
        if body := body.strip():
            yield Sentence(body, start + left, start + left + len(body))
        start = cut


def _white_space_before(text: str, start: int, limit: int) -> int:
    newline = text.rfind("\n", start + 1, limit)
    space = newline if newline > start else text.rfind(" ", start + 1, limit)
    return space if space > start else limit
