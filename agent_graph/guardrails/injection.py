"""Text from tools and documents, made unable to act: no reference, citation, fence or control character.

What a tool returned is data. It is printed between fences with a random word, so it cannot close them;
what looks like our own notation in it is bent until it is only text.
"""

import re
import secrets
from typing import NamedTuple

_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_REFERENCE = re.compile(r"#(E\d)", re.IGNORECASE)
_GAP = r"[ \t]{0,3}"
_ONE = rf"#?E\d{{1,4}}(?:{_GAP}[.:]{_GAP}\d{{1,3}})?"
CITATION = re.compile(
    rf"[\[(【]{_GAP}(?:(?:evidence|source|see|step)s?:?{_GAP})?"
    rf"({_ONE}(?:{_GAP}(?:[,;&]|and|-|–|to){_GAP}{_ONE}){{0,40}}){_GAP}[\])】]",
    re.IGNORECASE,
)
"""A citation or group of citations in the ways models write them; group 1 holds the ids."""
_ID = re.compile(r"E(?=\d)", re.IGNORECASE)
_FENCE = re.compile(r"<(/?\s*(?:evidence|system|assistant|user|tool)\b)", re.IGNORECASE)


class Neutral(NamedTuple):
    """Text that only says something, and how much of it tried to do something."""

    text: str
    changes: int


def printable(text: str) -> str:
    """Return the text without escape sequences, control, invisible and direction-changing characters."""
    text = _ESCAPE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _INVISIBLE.sub("", _CONTROL.sub("", text))


def neutralise(text: str) -> Neutral:
    """Return evidence text in which our own notation is only text: `#E2`, `[E7]`, fences, roles."""
    clean, citations = CITATION.subn(lambda match: _ID.sub("E ", match[0]), printable(text))
    clean, references = _REFERENCE.subn(r"# \1", clean)
    clean, fences = _FENCE.subn(r"‹\1", clean)
    return Neutral(clean, citations + references + fences)


def fence() -> str:
    """Return a word that no text written before this call can contain."""
    return secrets.token_hex(6)
