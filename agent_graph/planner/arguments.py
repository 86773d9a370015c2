"""The text between the brackets of one call, as keyword arguments.

Models write Python, JSON, bare words and mixtures of them; every form that has one reading is read.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import json_repair

CLOSING = {"(": ")", "[": "]", "{": "}"}
QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "‘": "’", "«": "»", "`": "`"}
"""Opening quote to the closing one."""

_KEYWORD = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:=(?!=)|:(?=\s))\s*")
_NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")
_ESCAPES = {"n": "\n", "t": "\t"}
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}


def read_arguments(text: str, parameters: Sequence[str]) -> dict[str, Any]:
    """Return the keyword arguments in `text`, positional ones named after `parameters` in order.

    A positional argument beyond the known parameters is named `argument_<n>`, so that the plan's
    check can report it: nothing is dropped.
    """
    text = text.strip()
    if not text:
        return {}
    if text[0] == "{" and end_of_bracket(text, 0) == len(text):
        whole = read_value(text)
        if isinstance(whole, dict) and _is_keywords(whole, parameters):
            return whole
    parts = list(_split(text))
    keywords = {match[1]: part[match.end() :] for part in parts if (match := _KEYWORD.match(part))}
    positional = [part for part in parts if not _KEYWORD.match(part)]
    if not keywords and len(positional) > max(len(parameters), 1) and not any(map(_is_quoted, positional)):
        positional = [text]  # bare words with commas: one sentence, not a list of arguments
    named = dict(zip(_names(parameters, skip=set(keywords)), map(read_value, positional), strict=False))
    return {**named, **{key: read_value(value) for key, value in keywords.items()}}


def read_free_text(text: str, parameters: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of the ReWOO paper's `Tool[free text]`: one argument, or a JSON object."""
    text = text.strip()
    if text.startswith("{") or _KEYWORD.match(text):
        arguments = read_arguments(text, parameters)
        if set(arguments) <= set(parameters):
            return arguments
    if not text:
        return {}
    return {parameters[0] if parameters else "argument_1": _unquoted(text) if _is_quoted(text) else text}


def read_value(text: str) -> Any:
    """Return one value: quoted text, a number, a constant, a list or object, or the bare text itself."""
    text = text.strip().rstrip(",").rstrip()
    if _is_quoted(text):
        return _unquoted(text)
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _NUMBER.fullmatch(text):
        return float(text) if any(mark in text for mark in ".eE") else int(text)
    if text[:1] in ("{", "["):
        return _structure(text)
    return text


def end_of_bracket(text: str, start: int) -> int | None:
    """Return the index after the bracket that closes the one at `start`, or None when it is not closed.

    Brackets inside quoted text do not count; an apostrophe inside a word opens no quotation.
    """
    expected = [CLOSING[text[start]]]
    at = start + 1
    while at < len(text):
        mark = text[at]
        if mark in QUOTES and _opens_quotation(text, at):
            closed = end_of_quotation(text, at)
            if closed is None:
                return None
            at = closed
            continue
        if mark in CLOSING:
            expected.append(CLOSING[mark])
        elif mark in ")]}":
            if mark == expected[-1]:
                expected.pop()
            if not expected:
                return at + 1
        at += 1
    return None


def end_of_quotation(text: str, start: int) -> int | None:
    """Return the index after the quotation mark that closes the one at `start`, or None."""
    opening = text[start]
    closing = QUOTES[opening]
    triple = opening * 3
    if text.startswith(triple, start):
        end = text.find(triple, start + 3)
        return None if end < 0 else end + 3
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == closing and (opening != closing or _closes_quotation(text, at)):
            return at + 1
        at += 1
    return None


def _opens_quotation(text: str, at: int) -> bool:
    return text[at] not in "'’`" or not (at and (text[at - 1].isalnum() or text[at - 1] in "'’"))


def _closes_quotation(text: str, at: int) -> bool:
    # An inner quote that the model did not escape, as in "the "best" film", is followed by a word.
    rest = text[at + 1 : at + 40].lstrip(" \t")
    return not rest or rest[0] in ",)]}\n\r:;#"


def _split(text: str) -> Iterator[str]:
    """Yield the parts between top-level commas; from a bracket that never closes on, all is one part."""
    start = at = 0
    unclosed: set[str] = set()  # a quotation that does not close here does not close further on
    while at < len(text):
        mark = text[at]
        end: int | None = None
        if mark in QUOTES and mark not in unclosed and _opens_quotation(text, at):
            end = end_of_quotation(text, at)
            unclosed |= set() if end else {mark}
        elif mark in CLOSING:
            end = end_of_bracket(text, at)
            if end is None:
                break
        elif mark == ",":
            yield text[start:at]
            start = at + 1
        at = end or at + 1
    if text[start:].strip():
        yield text[start:]


def _names(parameters: Sequence[str], *, skip: set[str]) -> Iterator[str]:
    yield from (name for name in parameters if name not in skip)
    yield from (f"argument_{number}" for number in range(1, 10_000))


def _is_keywords(value: dict[str, Any], parameters: Sequence[str]) -> bool:
    return not parameters or bool(set(value) & set(parameters)) or len(parameters) != 1


def _is_quoted(text: str) -> bool:
    text = text.strip()
    return len(text) > 1 and text[0] in QUOTES and end_of_quotation(text, 0) == len(text)


def _unquoted(text: str) -> str:
    text = text.strip()
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, str):
            return value
    width = 3 if len(text) >= 6 and text[:3] == text[0] * 3 else 1
    # Invalid as JSON and Python for an inner quote left bare: undo only what a writer escapes.
    return re.sub(r"\\(n|t|[\\\"'])", lambda match: _ESCAPES.get(match[1], match[1]), text[width:-width])


def _structure(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    if end_of_bracket(text, 0) != len(text):
        return text
    try:
        repaired = json_repair.loads(text)
    except (ValueError, RecursionError):  # nested deeper than any plan is: the check says so of the text
        return text
    return repaired if isinstance(repaired, dict | list) else text
