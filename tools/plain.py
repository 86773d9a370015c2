"""Any value a tool may return, as plain JSON-like data, or a clear refusal.

Plain data is what a checkpoint, a prompt and a later step's argument can all hold: None, bool, int,
float, str, and lists and string-keyed dicts of these.
"""

import dataclasses
import json
import math
from collections import deque
from collections.abc import Iterator, KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from tools.errors import NotPlain

MAX_DEPTH = 100
"""Levels of nesting a value may have."""
MAX_VALUES = 2_000_000
"""Values a structure may hold in all; text counts once, whatever its length."""

_INT64 = range(-(2**63), 2**64)


def jsonable(value: Any) -> Any:
    """Return the value as plain data: models and dataclasses become dicts, tuples and sets lists.

    Integers beyond 64 bits become their digits as text, since no checkpoint can hold them as numbers.
    Raises NotPlain for bytes, NaN and infinities, generators, cycles and objects with no plain form.
    """
    return _Plain().convert(value, 0)


def as_text(value: Any) -> str:
    """Render plain data as text: strings as they are, structures as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, default=str)


class _Plain:
    def __init__(self) -> None:
        self._left = MAX_VALUES
        self._open: set[int] = set()

    def convert(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NotPlain(f"returned more than {MAX_VALUES:,} values; return fewer, or the path of a file")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.convert(value.value, depth)
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, int | float | Decimal | Fraction):
            return _number(value)
        scalar = _scalar(value)
        return self._structure(value, depth) if scalar is None else scalar

    def _structure(self, value: Any, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            raise NotPlain(f"returned data nested more than {MAX_DEPTH} levels deep; return it flatter")
        if id(value) in self._open:
            raise NotPlain("returned data that contains itself; return it without the cycle")
        self._open.add(id(value))
        try:
            return self._children(value, depth + 1)
        finally:
            self._open.discard(id(value))

    def _children(self, value: Any, depth: int) -> Any:
        fields = _fields(value)
        if fields is not None:
            return self._object(fields, depth)
        if isinstance(value, AbstractSet) and not isinstance(value, KeysView):
            return _sorted([self.convert(item, depth) for item in value])
        if _is_list(value):
            return [self.convert(item, depth) for item in value]
        if _is_array(value):
            inner = value.item() if value.ndim == 0 else value.tolist()
            return self.convert(inner, depth)
        raise NotPlain(_refusal(value))

    def _object(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, item in fields.items():
            name = _key(key)
            if name in plain:
                raise NotPlain(f"returned an object with two keys that both read {name!r}; rename one")
            plain[name] = self.convert(item, depth)
        return plain


def _text(value: str) -> str:
    plain = str.__str__(value)
    if plain.isascii():
        return plain
    # half a surrogate pair cannot be stored or sent as UTF-8
    return plain.encode("utf-8", "replace").decode() if _has_surrogate(plain) else plain


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _number(value: int | float | Decimal | Fraction) -> int | float | str:
    if isinstance(value, int):
        return int(value) if value in _INT64 else _digits(value)
    if not math.isfinite(value):
        raise NotPlain(
            f"returned {value}, which is not a number JSON can hold; return null or a text instead"
        )
    if isinstance(value, float):
        return float(value)
    if value == int(value):
        return _number(int(value))
    if isinstance(value, Decimal) and Decimal(repr(float(value))) != value:
        return str(value)  # more digits than a float holds
    return float(value)


def _digits(value: int) -> str:
    if value.bit_length() > 12_000:
        raise NotPlain(
            f"returned a whole number of {value.bit_length():,} bits; return a smaller one, or a text"
        )
    return str(value)


def _scalar(value: Any) -> str | float | None:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath | UUID):
        return str(value)
    return None


def _fields(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if hasattr(type(value), "model_dump"):
        return _dumped(value.model_dump())
    if hasattr(type(value), "__fields__") and hasattr(value, "dict"):
        return _dumped(value.dict())
    if dataclasses.is_dataclass(value) and not _is_command(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _dumped(value._asdict())
    return None


def _dumped(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {"root": value}


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        return _key(key.value)
    if isinstance(key, str):
        return _text(key)
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    if isinstance(key, int | float | date | time | UUID | PurePath):
        return str(key)
    raise NotPlain(f"returned an object with a {type(key).__name__} as a key; use texts as keys")


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=as_text)


def _is_list(value: Any) -> bool:
    if isinstance(value, bytes | bytearray | memoryview):
        return False
    return isinstance(value, Sequence | KeysView | ValuesView | AbstractSet | deque)


def _is_array(value: Any) -> bool:
    # numpy, jax, torch: recognised by shape, so that none of them has to be imported
    return all(hasattr(type(value), name) for name in ("ndim", "item", "tolist"))


def _is_command(value: Any) -> bool:
    return type(value).__module__.startswith("langgraph.")


def _refusal(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, bytes | bytearray | memoryview):
        return f"returned {len(value):,} bytes, not text or JSON; decode them, or return the path of a file"
    if isinstance(value, Iterator) or hasattr(value, "__anext__"):
        return f"returned a {kind}, which yields its values only once; return a list"
    if _is_command(value):
        return f"returned a {kind}, which steers a graph; a plan's step takes only values"
    return f"returned a {kind} object, not text or JSON; return plain data"
