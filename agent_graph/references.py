"""References `#E1`, `#E1.items[0].name`: find them, fill them, in one pass and by value.

A string that is exactly one reference takes the value with its type; inside longer text the value is
rendered as text. What was filled in is never scanned again, so evidence cannot pull other evidence in.
"#E1" never matches inside "#E10"; "$2 million" and "#Eurovision" are text.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, NewType

from tools.plain import as_text

__all__ = ["Reference", "ReferenceMissing", "StepId", "as_text", "exact", "fill", "find", "follow"]

StepId = NewType("StepId", str)
"""Identifier of a step: the letter E and a positive number, for example `E1`."""

_KEY = r"""(?:\.[A-Za-z_][A-Za-z0-9_]*|\[-?\d{1,6}\]|\["[^"\]\n]{1,100}"\]|\['[^'\]\n]{1,100}'\])"""
_REFERENCE = re.compile(rf"(?<![\w#&])#(E[1-9]\d{{0,3}})(?!\w)((?:{_KEY}){{0,12}})")
_PATH_PART = re.compile(r"""\.([A-Za-z_]\w*)|\[(-?\d+)\]|\["([^"]+)"\]|\['([^']+)'\]""")

PathPart = str | int


class Reference(NamedTuple):
    """One occurrence of a reference in an argument."""

    step: StepId
    """The step whose evidence is meant."""
    path: tuple[PathPart, ...]
    """Keys and indexes to follow inside the value; empty for the whole value."""
    text: str
    """The reference as written, for example `#E1.items[0]`."""


class ReferenceMissing(LookupError):
    """A reference points at nothing; the message names the path and what was there instead."""


def find(value: Any) -> Iterator[Reference]:
    """Yield every reference in a string or, recursively, in the values of dicts and lists."""
    if isinstance(value, str):
        for match in _REFERENCE.finditer(value):
            yield _reference(match)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from find(item)


def exact(value: Any) -> Reference | None:
    """Return the reference when the value is a string that is exactly one reference."""
    if not isinstance(value, str):
        return None
    match = _REFERENCE.fullmatch(value.strip())
    return _reference(match) if match else None


def fill(value: Any, lookup: Callable[[StepId], Any]) -> Any:
    """Return `value` with every reference replaced, each by one call of `lookup` and a walk along its path.

    Raises ReferenceMissing when a path leads nowhere.
    """
    if isinstance(value, str):
        alone = exact(value)
        if alone is not None:
            return follow(lookup(alone.step), alone)
        return _REFERENCE.sub(lambda m: as_text(follow(lookup(StepId(m[1])), _reference(m))), value)
    if isinstance(value, Mapping):
        return {key: fill(item, lookup) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, lookup) for item in value]
    return value


def follow(value: Any, reference: Reference) -> Any:
    """Walk a reference's path through nested dicts and lists.

    A string that holds a JSON object or array is opened when the path goes on into it.
    Raises ReferenceMissing when a key or index is not there.
    """
    for part in reference.path:
        if isinstance(value, str):
            value = _opened(value)
        if isinstance(part, str) and isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(part, int) and isinstance(value, list | tuple) and -len(value) <= part < len(value):
            value = value[part]
        else:
            raise ReferenceMissing(f"{reference.text} leads nowhere: there is no {part!r} in {_shape(value)}")
    return value


def _reference(match: re.Match[str]) -> Reference:
    return Reference(StepId(match[1]), tuple(_parts(match[2])), match[0].strip())


def _parts(path: str) -> Iterator[PathPart]:
    for name, index, double, single in _PATH_PART.findall(path):
        yield int(index) if index else name or double or single


def _opened(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        keys = ", ".join(repr(str(key)) for key in list(value)[:8])
        return f"an object with the keys {keys}" if value else "an empty object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    return f"a {type(value).__name__}"
