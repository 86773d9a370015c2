"""What two things have in common, by the words with which the passages on both say what they are."""

import re
from collections.abc import Sequence

from agent_graph.solver.extractive import nationality
from agent_graph.solver.extractive.definition import definition
from agent_graph.solver.extractive.life import Told
from agent_graph.solver.extractive.quotes import Page
from agent_graph.solver.extractive.subject import name_stems, named, passages_about
from retrieval import sentences

_ASKS = re.compile(
    r"\bin common\b|\bboth\s(?:which|what)\b|\b(?:what|which)\b.*\bboth\b|\bshare\b", re.IGNORECASE
)
_ORDERED = re.compile(r"\b(?:first|older|younger|earlier|later|more|most|same|who)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"\b(?:that|which|who|whose)\b")
_LONGEST = 14
"""Words of a definition that are compared."""


def read(question: str, page: Page) -> list[Told]:
    """Return the words that the definitions of the two things named share, once for each of the two; else nothing."""
    if not _ASKS.search(question) or _ORDERED.search(question):
        return []
    places = [place for name in named(question) for place in passages_about(name, page)[:1]]
    told = [(place, found) for place in dict.fromkeys(places) if (found := definition(page, place))]
    if len(told) != 2:
        return []
    said = [_CLAUSE.split(found.rest, maxsplit=1)[0].split()[:_LONGEST] for _, found in told]
    words = [list(sentences.words(" ".join(row))) for row in said]
    common = _longest(*([word.stem for word in row] for row in words))
    names = frozenset(stem for place, _ in told for stem in name_stems(page.titles[place]))
    for start, size in common:
        run = words[0][start : start + size]
        text = " ".join(word.text for word in run)
        if not _says_something([word.stem for word in run], names) or nationality.countries(text):
            continue
        return [Told(text, found.sentence) for _, found in told]
    return []


def _longest(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Return the runs of the left that stand in the right too, longest first, as start and length."""
    found = [
        (start, size)
        for start in range(len(left))
        for size in range(1, len(left) - start + 1)
        if any(left[start : start + size] == right[n : n + size] for n in range(len(right)))
    ]
    return sorted(found, key=lambda run: (-run[1], run[0]))


def _says_something(stems: Sequence[str], names: frozenset[str]) -> bool:
    """Whether a run begins and ends with words that carry meaning, and not the names themselves."""
    plain = sentences.STOP_WORDS
    return stems[0] not in plain and stems[-1] not in plain and not names & {*stems}
