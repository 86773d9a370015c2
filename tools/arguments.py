"""The arguments a plan gives a tool: fitted to the tool's schema, and every fault found at once."""

import difflib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaFault
from pydantic import BaseModel, ValidationError
from referencing import Registry

from tools import faults
from tools.errors import BadArguments
from tools.plain import as_text
from tools.spec import ToolSpec

FaultKind = Literal["missing", "unexpected", "wrong"]
"""missing: required and not there; unexpected: the tool takes no such argument; wrong: of another type or range."""

_NUMBER = re.compile(
    r"[+-]?(?:\d{1,300}|\d{1,3}(?:,\d{3}){1,99})(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?", re.ASCII
)
_MAX_REF_DEPTH = 20


@dataclass(frozen=True)
class ArgumentFault:
    """One thing wrong with one argument."""

    kind: FaultKind
    argument: str
    """Its name, with the path inside it: `filters.year`."""
    message: str
    hint: str = ""
    """What would be right."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


def validate(spec: ToolSpec, args: Mapping[str, Any], *, skip: Collection[str] = ()) -> list[ArgumentFault]:
    """Return every fault of the arguments, none when the tool can be called with them.

    Arguments named in `skip` hold references whose values are not known yet: only their names are checked.
    """
    return _check(spec, fit(spec, args, skip=skip), skip)[0]


def coerce(spec: ToolSpec, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the tool will get them: "3" as 3 for an integer, a list as JSON for a text.

    Defaults are left to the tool. Raises BadArguments naming every fault.
    """
    fitted = fit(spec, args)
    wrong, coerced = _check(spec, fitted, ())
    if wrong:
        raise BadArguments(f"{spec.name} cannot take these arguments: {' '.join(map(str, wrong))}")
    return coerced


def fit(spec: ToolSpec, args: Mapping[str, Any], *, skip: Collection[str] = ()) -> dict[str, Any]:
    """Return the arguments with each value brought to its declared type where that has one reading only.

    A number or structure given to a text parameter is rendered as text; "1,234" given to a number
    parameter is read as 1234; JSON text given to a list or object parameter is opened.
    """
    properties = spec.properties
    return {
        name: value
        if name in skip or name not in properties
        else _fit(value, properties[name], spec.schema, 0)
        for name, value in args.items()
    }


def types_of(schema: Any, root: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """Return the JSON types a schema accepts; empty when it says nothing about types."""
    if not isinstance(schema, Mapping) or depth > _MAX_REF_DEPTH:
        return frozenset()
    if "$ref" in schema:
        return types_of(resolve(schema, root), root, depth + 1)
    if "type" in schema:
        said = schema["type"]
        return frozenset([said] if isinstance(said, str) else said)
    if "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        return frozenset(_type_of(value) for value in values)
    found = [types_of(option, root, depth + 1) for option in options_of(schema)]
    return frozenset().union(*found) if all(found) else frozenset()


def options_of(schema: Mapping[str, Any]) -> list[Any]:
    """Return the alternatives of a schema, none when it has a single form."""
    return list(schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or ())


def resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Follow a `$ref` inside the same schema; an unknown target is a schema that says nothing."""
    at: Any = root
    for part in str(schema["$ref"]).removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        at = at.get(name, {}) if isinstance(at, Mapping) else {}
    return at


def _fit(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    types = types_of(schema, root)
    if value is None or not types or depth > _MAX_REF_DEPTH:
        return value
    if not _accepts(types, value):
        value = _converted(value, types)
    if isinstance(value, list):
        inner = _part(schema, root, "items")
        return [_fit(item, inner, root, depth + 1) for item in value]
    if isinstance(value, Mapping):
        inner = _part(schema, root, "properties")
        return {key: _fit(item, inner.get(key, {}), root, depth + 1) for key, item in value.items()}
    return value


def _converted(value: Any, types: frozenset[str]) -> Any:
    if isinstance(value, str):
        return _read(value.strip(), types, value)
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return int(value)
    return as_text(value) if "string" in types else value


def _read(text: str, types: frozenset[str], given: str) -> Any:
    if types & {"number", "integer"} and _NUMBER.fullmatch(text):
        number = _number(text)
        return number if isinstance(number, int) or ("number" in types and math.isfinite(number)) else given
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind, start in (("array", "["), ("object", "{")):
        if kind in types and text.startswith(start):
            return _opened(text, given)
    return given


def _number(text: str) -> int | float:
    plain = text.replace(",", "")
    if plain.lstrip("+-").isdigit():
        return int(plain)
    number = float(plain)
    return int(number) if number.is_integer() else number


def _opened(text: str, given: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return given


def _part(schema: Any, root: Mapping[str, Any], key: str, depth: int = 0) -> Any:
    """Find `items` or `properties` in a schema, behind its references and alternatives."""
    if not isinstance(schema, Mapping) or depth > _MAX_REF_DEPTH:
        return {}
    if isinstance(schema.get(key), Mapping):
        return schema[key]
    if "$ref" in schema:
        return _part(resolve(schema, root), root, key, depth + 1)
    return next(
        (found for option in options_of(schema) if (found := _part(option, root, key, depth + 1))), {}
    )


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


def _accepts(types: frozenset[str], value: Any) -> bool:
    kind = _type_of(value)
    return kind in types or (kind == "integer" and "number" in types)


def _check(
    spec: ToolSpec, args: dict[str, Any], skip: Collection[str]
) -> tuple[list[ArgumentFault], dict[str, Any]]:
    found = [*_missing(spec, args), *_unexpected(spec, args)]
    if spec.model is not None:
        wrong, coerced = _by_model(spec, spec.model, args, skip)
    else:
        wrong, coerced = _by_schema(spec, args, skip), args
    return found + wrong, coerced


def _missing(spec: ToolSpec, args: Mapping[str, Any]) -> Iterator[ArgumentFault]:
    for name in spec.schema.get("required", ()):
        if name not in args:
            kind = _words(spec.properties.get(name, {}), spec.schema)
            yield ArgumentFault("missing", name, f"The argument {name!r} is missing.", f"It takes {kind}.")


def _unexpected(spec: ToolSpec, args: Mapping[str, Any]) -> Iterator[ArgumentFault]:
    open_ended = bool(spec.schema.get("additionalProperties") or spec.schema.get("patternProperties"))
    for name in args:
        if name in spec.injected:
            message = f"The argument {name!r} is filled in by the runtime."
            yield ArgumentFault("unexpected", name, message, "Leave it out.")
        elif name not in spec.properties and not open_ended:
            message = f"{spec.name} takes no argument {name!r}."
            yield ArgumentFault("unexpected", name, message, _nearest(name, spec, args))


def _nearest(name: str, spec: ToolSpec, args: Mapping[str, Any]) -> str:
    free = [known for known in spec.properties if known not in args]
    close = difflib.get_close_matches(name, free, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not spec.properties:
        return "It takes none."
    return f"It takes {', '.join(map(repr, spec.properties))}."


def _by_model(
    spec: ToolSpec, model: type[BaseModel], args: dict[str, Any], skip: Collection[str]
) -> tuple[list[ArgumentFault], dict[str, Any]]:
    known = {name: value for name, value in args.items() if name in spec.properties and name not in skip}
    try:
        received = _as_received(model.model_validate(known), known)
    except ValidationError as error:
        return [fault for item in error.errors() if (fault := _model_fault(item, spec, known, skip))], args
    except Exception as error:  # a validator of the tool's author may raise anything
        said = faults.one_line(error)
        return [ArgumentFault("wrong", spec.name, f"{spec.name} cannot check its arguments: {said}.")], args
    endless = [name for name, value in received.items() if _is_endless(value)]
    return [_endless(name) for name in endless], {**args, **received}


def _is_endless(value: Any) -> bool:
    """Whether NaN or an infinity is in it: pydantic reads them from text, JSON cannot hold them."""
    if isinstance(value, list):
        return any(map(_is_endless, value))
    if isinstance(value, dict):
        return any(map(_is_endless, value.values()))
    return isinstance(value, float) and not math.isfinite(value)


def _endless(name: str) -> ArgumentFault:
    return ArgumentFault("wrong", name, f"{name}: NaN and infinity are no numbers to call a tool with.")


def _model_fault(
    item: Any, spec: ToolSpec, args: Mapping[str, Any], skip: Collection[str]
) -> ArgumentFault | None:
    path = [str(part) for part in item["loc"]]
    about_whole = not path and bool(skip)  # a check of all values together, some of them not known yet
    if about_whole or (path and path[0] not in args):
        return None
    where = ".".join(path) or spec.name
    if item["type"] == "missing":
        return ArgumentFault("missing", where, f"{where} is missing.")
    shown = f", not {_shown(item['input'])}" if path else ""
    return ArgumentFault("wrong", where, f"{where}: {item['msg']}{shown}.")


def _as_received(checked: BaseModel, given: dict[str, Any]) -> dict[str, Any]:
    names = {field.alias or name: name for name, field in type(checked).model_fields.items()}
    received = {name: getattr(checked, names.get(name, name), value) for name, value in given.items()}
    # what is no plain data (dates, nested models) the tool makes of the given value by itself
    return {name: value if _is_plain(value) else given[name] for name, value in received.items()}


def _is_plain(value: Any) -> bool:
    if type(value) in (bool, int, float, str, type(None)):
        return True
    if type(value) is list:
        return all(map(_is_plain, value))
    return (
        type(value) is dict and all(type(key) is str for key in value) and all(map(_is_plain, value.values()))
    )


def _by_schema(spec: ToolSpec, args: dict[str, Any], skip: Collection[str]) -> list[ArgumentFault]:
    validator = Draft202012Validator(spec.schema, registry=Registry())
    found = (_schema_fault(error, spec, skip) for error in validator.iter_errors(args))
    return [fault for fault in found if fault]


def _schema_fault(error: SchemaFault, spec: ToolSpec, skip: Collection[str]) -> ArgumentFault | None:
    path = [str(part) for part in error.absolute_path]
    if not path and (skip or error.validator in ("required", "additionalProperties")):
        return None  # reported by name already, or not decidable before the references are filled
    if path and path[0] in skip:
        return None
    where = ".".join(path) or spec.name
    takes = f"It takes {_words(error.schema, spec.schema)}." if isinstance(error.schema, Mapping) else ""
    return ArgumentFault("wrong", where, f"{where}: {_shown(error.instance)} does not fit.", takes)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else f"{text[:79]}…"


_WORDS = {
    "string": "text",
    "integer": "int",
    "number": "number",
    "boolean": "bool",
    "array": "list",
    "object": "object",
    "null": "null",
}
_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minLength": "length at least",
    "maxLength": "length at most",
    "minItems": "items at least",
    "maxItems": "items at most",
    "pattern": "matching",
    "format": "as",
}


def _words(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        schema = resolve(schema, root)
    if "enum" in schema:
        return "one of " + ", ".join(_shown(value) for value in schema["enum"][:20])
    if "const" in schema:
        return _shown(schema["const"])
    types = " or ".join(sorted(_WORDS.get(kind, kind) for kind in types_of(schema, root))) or "any value"
    limits = "".join(f", {word} {schema[key]}" for key, word in _LIMITS.items() if key in schema)
    return types + limits
