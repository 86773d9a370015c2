"""Nothing is printed twice: a passage that two steps brought, an echo of an earlier value, an overlap of passages."""

import re
from typing import Any, NamedTuple

from agent_graph import references

LEAST = 60
"""Shorter texts are printed again: naming where they stand would be no shorter."""

_LONG = 200
_MOST = 200
_SHINGLE = 5
_ALIKE = 0.9
_WORD = re.compile(r"\w+")


class _Seen(NamedTuple):
    label: str
    text: str
    document: str
    words: str
    shingles: frozenset[tuple[str, ...]]


class Repeats:
    """What was printed so far, and under which label."""

    def __init__(self) -> None:
        self._seen: list[_Seen] = []
        self._labels: dict[str, str] = {}

    def passage(self, label: str, text: str, document: str) -> str:
        """Return the label of an earlier passage that says all that this one does; "" when there is none."""
        first = self._labels.setdefault(text, label)
        if first != label:
            return first
        one = _seen(label, text, document)
        for other in self._seen if len(text) >= LEAST else ():
            if f" {one.words} " in f" {other.words} " or _alike(one, other):
                return other.label
        self._remember(one)
        return ""

    def value(self, label: str, value: Any) -> Any:
        """Return a value in which every longer text that was printed before is only named."""
        text = references.as_text(value)
        first = self._labels.setdefault(text, label) if len(text) >= LEAST else label
        return f"(the same as {first})" if first != label else self._within(label, value)

    def trimmed(self, text: str, label: str, document: str) -> str:
        """Return a passage without the part that it shares with an earlier passage of the same document."""
        for other in self._seen:
            if other.document != document or not document or other.label == label:
                continue
            if (shared := _overlap(other.text, text)) >= LEAST:
                return f"(goes on from {other.label}) {text[shared:].lstrip()}"
            if (shared := _overlap(text, other.text)) >= LEAST:
                return f"{text[:-shared].rstrip()} (goes on in {other.label})"
        return text

    def _within(self, label: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._within(label, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._within(label, item) for item in value]
        if not isinstance(value, str) or len(value) < _LONG:
            return value
        for other in self._seen:
            if value in other.text and label != other.label:
                return f"(stands in {other.label})"
            if len(other.text) >= _LONG and other.text in value:
                value = value.replace(other.text, f"(the text of {other.label})")
        self._remember(_Seen(label, value, "", "", frozenset()))
        return value

    def _remember(self, one: _Seen) -> None:
        if len(self._seen) < _MOST:
            self._seen.append(one)


def _seen(label: str, text: str, document: str) -> _Seen:
    words = _WORD.findall(text.lower())
    shingles = frozenset(zip(*(words[n:] for n in range(_SHINGLE)), strict=False))
    return _Seen(label, text, document, " ".join(words), shingles)


def _alike(one: _Seen, other: _Seen) -> bool:
    """Whether a passage has hardly another order of words than one before, and no other word or figure at all."""
    if not one.shingles or not other.shingles:
        return False
    shared = len(one.shingles & other.shingles) / len(one.shingles)
    return shared >= _ALIKE and set(one.words.split()) <= set(other.words.split())


def _overlap(before: str, after: str) -> int:
    """Return how many characters at the end of one text begin the other."""
    at = before.rfind(after[:LEAST]) if len(after) > LEAST else -1
    return len(before) - at if at > 0 and after.startswith(before[at:]) else 0
