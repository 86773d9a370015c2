"""What someone or something is also called: nicknames, other names, as the text introduces them."""

import re
from collections.abc import Sequence

from agent_graph.solver.extractive.life import Told
from agent_graph.solver.extractive.quotes import Page

_ASKS = re.compile(
    r"\bnick ?name\b|\b(?:commonly|also|better|otherwise)\s(?:known|referred to|called)\b|\b(?:known|referred to)\s(?:\w+\s)?as\W*$",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\b(?:nicknamed|dubbed|nickname(?:\swas|\sis)?|(?:also|better|commonly|often|simply|professionally)?\s?(?:known|referred to)\s"
    r"(?:simply\s|commonly\s|collectively\s)?as|also called)\s"
    r"(?:[\"“]+(?P<quoted>[^\"“”]{2,60})[\"”]|(?P<name>(?:[A-Z][\w’'-]*\s?){1,5}))"
)


def read(question: str, about: Sequence[int], page: Page) -> Told | None:
    """Return the other name a question asks for, from the passages on the one it asks about, else from any."""
    if not _ASKS.search(question):
        return None
    ranked = page.field.score(question)
    for one in [*(one for one in ranked if one.passage in about), *ranked]:
        if (match := _SAID.search(one.sentence.text)) is not None:
            return Told((match["quoted"] or match["name"]).strip(" ,"), one)
    return None
