"""Whom a question speaks of: the names in it, which passages mention them, and which are about them."""

import re
from collections.abc import Sequence

from agent_graph.solver.extractive.quotes import Page
from retrieval import sentences
from tools import values

MENTIONED = 0.75
"""More than this share of a name's words must stand in a text that mentions it: all of up to four words."""

_ARTICLES = frozenset(("a", "an", "the"))
_HONORIFICS = frozenset(
    sentences.word_list(
        "mr mrs ms miss dr prof professor president senator governor mayor minister king queen prince princess sir lord lady"
    )
)
"""Words before a name that a text may leave out or change."""

_QUALIFIER = re.compile(r"\s*\([^()]*\)$")
_QUOTED = re.compile(r"[\"“]([^\"“”]{2,80})[\"”]")
_OPENING_WORDS = 4
"""Words that may stand in or before a name with which a passage opens."""
_ABOUT_EXACTLY, _ABOUT_NEARLY, _OPENS_WITH = 3, 2, 1


def name_stems(name: str) -> frozenset[str]:
    """Return the stems of a name without articles and the bracket that only tells it from another: "(1936 film)"."""
    spoken = sentences.words(_QUALIFIER.sub("", name) or name)
    return frozenset(word.stem for word in spoken if word.text.lower() not in _ARTICLES)


def mentions(text: str, name: str) -> bool:
    """Whether a text holds a name: all its words, or nearly all of a long one."""
    wanted = name_stems(name)
    wanted = frozenset(stem for stem in wanted if len(stem) > 1 and stem not in _HONORIFICS) or wanted
    there = {word.stem for word in sentences.words(text)}
    return bool(wanted) and len(wanted & there) > MENTIONED * len(wanted)


def named(question: str) -> list[str]:
    """Return the names a question holds, and what it puts in quotation marks."""
    quoted = [match[1] for match in _QUOTED.finditer(question)]
    plain = _QUOTED.sub(" ", question)
    return [*quoted, *(name.text for name in values.names(plain))]


def passages_about(name: str, page: Page) -> list[int]:
    """Return the indexes of the passages that are about the one named: by title, else by their opening.

    Those that fit best come first, and of one document its beginning.
    """
    found = [(_aboutness(name, title, text), n) for n, (title, text) in enumerate(_pairs(page))]

    def order(one: tuple[int, int]) -> tuple[int, int, int]:
        return -one[0], page.passages[one[1]].source.start, one[1]

    return [n for fits, n in sorted(found, key=order) if fits]


def _pairs(page: Page) -> Sequence[tuple[str, str]]:
    return list(zip(page.titles, page.texts, strict=True))


def _aboutness(name: str, title: str, text: str) -> int:
    wanted, titled = name_stems(name), name_stems(title) if title else frozenset()
    if not wanted:
        return 0
    if wanted == titled:
        return _ABOUT_EXACTLY
    if wanted < titled and len(wanted) > 1:
        return _ABOUT_NEARLY
    opening = " ".join(text.split()[: len(wanted) + _OPENING_WORDS])
    return _OPENS_WITH if mentions(opening, name) else 0


def unmentioned(question: str, page: Page) -> list[str]:
    """Return the names of a question that no passage mentions, in its title or its text."""
    texts = [f"{title} {text}" for title, text in _pairs(page)]
    return [name for name in named(question) if not any(mentions(text, name) for text in texts)]
