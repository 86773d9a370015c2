"""Any value a tool may return, as plain JSON-like data, or a clear refusal.

Plain data is what a checkpoint, a prompt and a later step's argument can all hold: None, bool, int,
float, str, and lists and string-keyed dicts of these.
"""

import dataclasses
import inspect
import json
import math
from collections import deque
from collections.abc import Collection, Iterator, KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from tools.errors import NotPlain
from tools.faults import one_line

MAX_VALUE = 10_000_000
"""Bytes of JSON text a value may take, escapes not counted."""
MAX_ITEMS = 2_000_000
"""Values a structure may hold in all; text counts once, whatever its length."""
MAX_DEPTH = 100
"""Levels of nesting a value may have."""

_INT64 = range(-(2**63), 2**64)


def jsonable(value: Any) -> Any:
    """Return the value as plain data of its own: models and dataclasses become dicts, tuples and sets lists.

    Integers beyond 64 bits become their digits as text, since no checkpoint can hold them as numbers.
    Raises NotPlain for bytes, NaN and infinities, generators, cycles, objects with no plain form, and
    values beyond `MAX_VALUE`, `MAX_ITEMS` or `MAX_DEPTH`.
    """
    try:
        return _Plain().convert(value, 0)
    except NotPlain:
        raise
    except _Full:
        raise NotPlain(
            f"returned {_extent(value)}, too large for a value, which may hold {MAX_VALUE // 10**6} MB as "
            f"JSON and {MAX_ITEMS:,} values; return a part of it, or the path of a file"
        ) from None
    except Exception as error:  # code of the value's own class ran
        raise NotPlain(
            f"returned {_a(type(value).__name__)} that could not be read: {one_line(error)}"
        ) from error


def fresh(value: Any) -> Any:
    """Return plain data with every list and dict made anew, so that changing it in place changes no other."""
    if isinstance(value, dict):
        return {key: fresh(item) for key, item in value.items()}
    if isinstance(value, list):
        return [fresh(item) for item in value]
    return value


def as_text(value: Any) -> str:
    """Render plain data as text: strings as they are, structures as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, default=str)


class _Full(Exception):
    """There is no room for more."""


class _Plain:
    """One conversion; it stops at the first value for which there is no room."""

    def __init__(self) -> None:
        self._bytes = MAX_VALUE
        self._items = MAX_ITEMS
        self._open: set[int] = set()

    def convert(self, value: Any, depth: int) -> Any:
        self._items -= 1
        if self._items < 0:
            raise _Full
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is dict or kind is list:  # most values are one of these: asked first
            return self._structure(value, depth)
        if kind is int or kind is float:
            return self._number(value)
        if value is None or kind is bool:
            self._take(6)
            return value
        return self._other(value, depth)

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return self.convert(value.value, depth)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int | float | Decimal | Fraction):
            return self._number(value)
        scalar = _scalar(value)
        if scalar is not None:
            return self.convert(scalar, depth)
        return self._structure(value, depth)

    def _take(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise _Full

    def _text(self, value: str) -> str:
        plain = str.__str__(value)
        self._take(len(plain) + 4)  # two quotes, a comma, a space
        if plain.isascii():
            return plain
        try:
            self._take(len(plain.encode()) - len(plain))
        except UnicodeEncodeError:  # half a surrogate pair cannot be stored or sent as UTF-8
            return plain.encode("utf-8", "replace").decode()
        return plain

    def _number(self, value: int | float | Decimal | Fraction) -> int | float | str:
        number = _plain_number(value)
        self._take(len(repr(number)) + 2)
        return number

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
        self._take(4)
        if type(value) is list:
            return self._list(value, depth)
        fields = value if type(value) is dict else _fields(value)
        if fields is not None:
            return self._object(fields, depth)
        if isinstance(value, AbstractSet) and not isinstance(value, KeysView):
            return _sorted(self._list(value, depth))
        if _is_list(value):
            return self._list(value, depth)
        if _is_array(value):
            return self._array(value, depth)
        raise NotPlain(_refusal(value))

    def _list(self, value: Collection[Any], depth: int) -> list[Any]:
        self._announce(len(value))
        return [self.convert(item, depth) for item in value]

    def _object(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        self._announce(len(fields))
        plain: dict[str, Any] = {}
        for key, item in fields.items():
            name = self._text(_key(key))
            if name in plain:
                raise NotPlain(f"returned an object with two keys that both read {_cut(name)!r}; rename one")
            plain[name] = self.convert(item, depth)
        return plain

    def _array(self, value: Any, depth: int) -> Any:
        self._announce(math.prod(value.shape))  # an array may claim more than memory holds
        return self.convert(value.item() if value.ndim == 0 else value.tolist(), depth)

    def _announce(self, count: int) -> None:
        """Refuse what says itself that it holds too much, before the first item is looked at."""
        if count > self._items:
            raise _Full


def _extent(value: Any) -> str:
    if isinstance(value, str):
        return f"a text of {len(value):,} characters"
    kind = _a(type(value).__name__)
    try:
        return f"{kind} of {len(value):,} items"
    except Exception:  # no length, or one beyond any memory
        return kind


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _plain_number(value: int | float | Decimal | Fraction) -> int | float | str:
    # what a subclass makes of conversion and comparison is not asked: `in` alone would search a range for ever
    if isinstance(value, int):
        whole = int.__index__(value)
        return whole if whole in _INT64 else _digits(whole)
    if isinstance(value, float):
        number = float.__float__(value)
        if not math.isfinite(number):
            raise NotPlain(_no_number(number))
        return number
    return _exact_number(value)


def _exact_number(value: Decimal | Fraction) -> int | float | str:
    if isinstance(value, Decimal) and not value.is_finite():
        raise NotPlain(_no_number(value))
    number = float(value)
    if not math.isfinite(number):
        raise NotPlain(_no_number(value))
    if value == int(value):
        return _plain_number(int(value))
    if isinstance(value, Decimal) and Decimal(repr(number)) != value:
        return str(value)  # more digits than a float holds
    return number


def _no_number(value: float | Decimal | Fraction) -> str:
    return f"returned {_cut(str(value))}, which is not a number JSON can hold; return null or a text instead"


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
        return key
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    if isinstance(key, int | float | date | time | UUID | PurePath):
        return str(key)
    raise NotPlain(f"returned an object with {_a(type(key).__name__)} as a key; use texts as keys")


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
    kind = _a(type(value).__name__)
    if inspect.iscoroutine(value):
        value.close()  # nobody will await it, which Python would complain of
    if inspect.isawaitable(value) or hasattr(value, "add_done_callback"):
        return f"returned {kind}, which was not awaited; await it in the tool"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"returned {len(value):,} bytes, not text or JSON; decode them, or return the path of a file"
    if isinstance(value, Iterator) or hasattr(value, "__anext__"):
        return f"returned {kind}, which yields its values only once; return a list"
    if _is_command(value):
        return f"returned {kind}, which steers a graph; a plan's step takes only values"
    return f"returned {kind} object, not text or JSON; return plain data"


def _a(kind: str) -> str:
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
