"""Text from tools and documents, made unable to act: no reference, citation, fence or control character.

What a tool returned is data. It is printed between fences with a random word, so it cannot close them;
what looks like our own notation in it is bent until it is only text.
"""

import re
import secrets
from typing import NamedTuple

from agent_graph.guardrails import notation

# Tags, fillers and variation selectors too: text hidden in them reaches a model and no person.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]|(?<=[\x00-\x7f\ufe00-\ufe0f])[\ufe00-\ufe0f]+"
)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_REFERENCE = re.compile(rf"([#＃])(?=[{notation.LETTERS}]\d)")
_TAG = r"evidence|system|assistant|user|tool|human|s|bos|eos|think|start_of_turn|end_of_turn"
_FENCE = re.compile(rf"[<＜﹤](?=\s{{0,5}}/?\s{{0,5}}(?:{_TAG})\b(?!:)|[|｜]\w|/?</?SYS>)", re.IGNORECASE)
_TURN = re.compile(r"\[(?=/?(?:INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS)\])")
_HEADING = re.compile(
    rf"^([ \t]{{0,8}}(?:{'|'.join(re.escape(one[:-1]) for one in notation.HEADINGS)}))(?=[:：])",
    re.MULTILINE,
)
_REFUSAL = re.compile(rf"\b(IN)(?={notation.INSUFFICIENT[2:-1]}\b)")


class Neutral(NamedTuple):
    """Text that only says something, and how much of it tried to do something."""

    text: str
    changes: int


def printable(text: str) -> str:
    """Return the text without escape sequences, control, invisible and direction-changing characters."""
    text = _ESCAPE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _INVISIBLE.sub("", _CONTROL.sub("", text))


def neutralise(text: str) -> Neutral:
    """Return evidence text in which our own notation is only text: `#E2`, `[E7]`, fences, roles, headings."""
    clean, changes = notation.bend(_FENCE.sub("‹", text := printable(text)))
    for form, plain in ((_REFERENCE, r"\1 "), (_TURN, "("), (_HEADING, r"\1 "), (_REFUSAL, r"\1-")):
        clean, bent = form.subn(plain, clean)
        changes += bent
    return Neutral(clean, changes + len(_FENCE.findall(text)))


def fence() -> str:
    """Return a word that no text written before this call can contain, and that reads as no citation."""
    return "".join(secrets.choice(_CONSONANTS) for _ in range(8))


_CONSONANTS = "bcdfghjklmnpqrstvwxz"
