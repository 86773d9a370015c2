"""Whether a sentence says outright what a yes-or-no question asks: "Is Karsk a harbour town?" - "Karsk is a harbour town."

Only a yes is read off a sentence. That nothing affirms something does not deny it.
"""

import re
from itertools import pairwise

from agent_graph.solver.extractive.life import Told
from agent_graph.solver.extractive.quotes import Page
from retrieval import sentences
from tools.question import answer_type

_DENIES = re.compile(
    r"\b(?:not|never|no|nor|neither|without|hardly|barely|unless|if|would|could|might|may)\b|n[’']t\b",
    re.IGNORECASE,
)
_NEAR = 3
"""Words two neighbouring words of the question may be apart in the sentence."""


def read(question: str, page: Page) -> Told | None:
    """Return "Yes" with the sentence that holds the question's words in its order and close together; None without one."""
    if answer_type(question) != "yes_no" or _DENIES.search(question):
        return None
    wanted = sentences.content_stems(question)
    for one in page.field.score(question):
        spoken = list(sentences.words(one.sentence.text))
        places = {word.stem: n for n, word in reversed(list(enumerate(spoken)))}
        inside = [stem for stem in wanted if stem in places]
        above = page.field.title(one.passage)
        if len(inside) < 2 or not all(stem in places or stem in above for stem in wanted):
            continue
        asked = [stem for stem in inside if stem not in above] or inside
        near = all(0 < places[right] - places[left] <= _NEAR for left, right in pairwise(asked))
        if near and not _DENIES.search(one.sentence.text):
            return Told("Yes", one)
    return None
