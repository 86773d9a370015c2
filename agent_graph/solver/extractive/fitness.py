"""Whether a value can be what a question asks for: a person is no film, and the sentence speaks of what is asked."""

import re

from agent_graph.solver.extractive import nationality
from agent_graph.solver.extractive.definition import definition
from agent_graph.solver.extractive.quotes import Page
from agent_graph.solver.extractive.subject import mentions, name_stems, named, passages_about
from retrieval import sentences
from retrieval.sentences import ScoredSentence, word_list
from tools import values
from tools.question import ROLES, AnswerType

_NO_PERSON = frozenset(
    map(
        sentences.stem,
        word_list(
            """film movie novel book album song single band series show episode game magazine newspaper company corporation
            university college school academy award prize championship league cup club team party congress parliament
            senate house universe island river lake mountain city town village county state province country museum
            church cathedral theatre station railway airport bridge street war battle treaty convention olympics
            renaissance lady manifesto act law festival orchestra choir network channel"""
        ),
    )
)
"""Words that say of a name that no person bears it."""
_PEOPLE = frozenset(
    (*ROLES, *word_list("singer politician footballer novelist poet player person man woman"))
)
"""Words that say what a person is."""
_KIN = frozenset(
    map(
        sentences.stem,
        word_list(
            "father mother son daughter child parent sibling brother sister spouse wife husband married"
        ),
    )
)
_MOST = 0.6
"""Share of the words of a question without a name that the sentence of its value holds."""
_LIFE = frozenset(map(sentences.stem, word_list("born died")))
_COUNTED = re.compile(
    r"\bhow many\s+((?:(?!(?:is|are|was|were|do|does|did|has|have|had|will|can|in|of|on|at|that|who|which)\b)[\w’'-]+\s*){1,6})",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"(?<=[\w,(])\s[A-Z][\w’'-]+\s$")


def fits(
    text: str, kind: AnswerType, question: str, one: ScoredSentence, page: Page, *, about: bool = False
) -> bool:
    """Whether a value of a sentence may be said first: of the right sort, and read where the question's matter is told.

    `about`: the passage is known to be about the one the question asks about.
    """
    if kind == "person" and not _is_person(text, page):
        return False
    if kind in ("place", "name") and _kind(text, page) & _PEOPLE:
        return False
    if kind in ("person", "place", "name") and _opens(text, one, page):
        return False
    if kind == "number" and not (_is_count(text, one.sentence.text) and _counts(question, one)):
        return False
    if kind in ("date", "year"):
        if not about and not _names_someone(question, one, page):
            return False
        return _speaks_of(question, one, page, alone=about or _titled(question, one, page))
    return _speaks_of(question, one, page, alone=about)


def _opens(text: str, one: ScoredSentence, page: Page) -> bool:
    """Whether a word is capital only because it opens its sentence: "Joining us tonight is ..."."""
    if " " in text or not one.sentence.text.startswith(text) or text in page.titles[one.passage]:
        return False
    inside = re.compile(rf"(?<=[\w,;] ){re.escape(text)}\b")
    return not any(inside.search(other) for other in page.texts)


def _is_count(text: str, sentence: str) -> bool:
    """Whether a number counts or measures: it is no year, and no part of a name such as "Peak 29"."""
    year = any(one.text == text for one in values.dates(sentence))
    before = sentence[: max(sentence.find(text), 0)]
    return not year and _NAME_BEFORE.search(before) is None


def _counts(question: str, one: ScoredSentence) -> bool:
    """Whether a sentence names what is counted: the "members" of "how many members"."""
    asked = _COUNTED.search(question)
    counted = sentences.content_stems(asked[1])[-1:] if asked else []
    faint = {sentences.stem(word) for word in sentences.FAINT_WORDS}
    return set(counted) <= faint.union(sentences.content_stems(one.sentence.text))


def _names_someone(question: str, one: ScoredSentence, page: Page) -> bool:
    """Whether a sentence, or the title above it, names anyone of those a question names in several words."""
    asked = [name for name in named(question) if " " in name]
    said = f"{page.titles[one.passage]} {one.sentence.text}"
    return not asked or any(mentions(said, name) for name in asked)


def _is_person(text: str, page: Page) -> bool:
    stems = name_stems(text)
    if stems & _NO_PERSON or nationality.countries(text):
        return False
    kind = _kind(text, page)
    return bool(kind & _PEOPLE) or not _NO_PERSON & {sentences.stem(word) for word in kind}


def _kind(text: str, page: Page) -> frozenset[str]:
    """Return the words in which the passage of that title says what its subject is: "a 1990 film"."""
    for place in passages_about(text, page)[:1]:
        if name_stems(page.titles[place]) == name_stems(text) and (told := definition(page, place)):
            return frozenset(re.findall(r"\w+", told.head.lower()))
    return frozenset()


def _titled(question: str, one: ScoredSentence, page: Page) -> bool:
    """Whether the passage bears a name of the question as its title."""
    title = name_stems(page.titles[one.passage])
    return any(name_stems(name) == title for name in named(question))


def _speaks_of(question: str, one: ScoredSentence, page: Page, *, alone: bool) -> bool:
    """Whether a sentence holds a word of what is asked, beside the names of whom it is asked about.

    `alone`: the passage is about them, so that no further word is needed ("X is a 1948 film"); a birth or a death
    has to be named all the same.
    """
    known = {sentences.stem(name) for name in sentences.names(question)}
    faint = {sentences.stem(word) for word in sentences.FAINT_WORDS}
    asked = {stem for stem in sentences.content_stems(question) if stem not in known | faint}
    there = set(sentences.content_stems(one.sentence.text))
    if asked & _LIFE:
        told = bool(asked & _LIFE & there)
        if not told or known:
            return told
    if not known:
        # A question without a name is about what its words say, so most of them have to stand there.
        here = there | page.field.title(one.passage)
        return len(asked & here) >= _MOST * len(asked)
    return alone or not asked or bool(asked & there) or bool(asked & _KIN and there & _KIN)
