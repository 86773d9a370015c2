"""A tool in one line, for a planner's prompt: fewer tokens than its JSON schema, and safe to print."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tools.arguments import options_of, resolve, types_of
from tools.spec import ToolSpec

_MAX_DESCRIPTION = 200
_MAX_ENUM = 200
_MAX_DEFAULT = 60
_MAX_DEPTH = 4

_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_SENTENCE = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<!vs)[.!?](?=\s+[^a-z\s]|\s*$)")
_WORDS = {"string": "text", "integer": "int", "number": "number", "boolean": "bool", "object": "object"}
_FORMATS = {"date": "date", "date-time": "datetime"}


def signature(spec: ToolSpec) -> str:
    """Return one line: `name(argument: type = default, ...) -> type  [writes]  What it does.`

    Optional arguments without a default are marked `name?`. Only the first sentence of the description
    is kept, and nothing that could break the line or hide in it.
    """
    arguments = ", ".join(_argument(spec, name) for name in spec.properties)
    mark = f"  [{spec.effects}]" if spec.effects != "unknown" else ""
    returns = f" -> {_returns(spec)}" if spec.returns else ""
    return f"{spec.name}({arguments}){returns}{mark}  {first_sentence(spec.description)}".rstrip()


def first_sentence(text: str) -> str:
    """Return the first sentence on one line, cut at 200 characters."""
    line = _clean(text)
    end = _SENTENCE.search(line)
    sentence = line[: end.end()] if end else line
    return sentence if len(sentence) <= _MAX_DESCRIPTION else f"{sentence[: _MAX_DESCRIPTION - 1].rstrip()}…"


def _argument(spec: ToolSpec, name: str) -> str:
    schema = spec.properties[name]
    default = schema.get("default") if isinstance(schema, Mapping) else None
    optional = name not in spec.required
    shown = f" = {_cut(_json(default), _MAX_DEFAULT)}" if optional and default is not None else ""
    return f"{_clean(name)}{'?' if optional and not shown else ''}: {_type(schema, spec.schema, 0)}{shown}"


def _returns(spec: ToolSpec) -> str:
    said = spec.returns
    return said if isinstance(said, str) else _type(said, said or {}, 0)


def _type(schema: Any, root: Mapping[str, Any], depth: int) -> str:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return "any"
    if "$ref" in schema:
        return _type(resolve(schema, root), root, depth + 1)
    if "const" in schema or "enum" in schema:
        return _enum([schema["const"]] if "const" in schema else schema["enum"])
    if "type" not in schema and options_of(schema):
        return _union(
            [_type(option, root, depth + 1) for option in options_of(schema) if not _is_null(option)]
        )
    return _union([_single(kind, schema, root, depth) for kind in _kinds(schema, root)])


def _kinds(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    said = schema.get("type")
    kinds = said if isinstance(said, list) else sorted(types_of(schema, root))
    return [kind for kind in kinds if kind != "null"]


def _single(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    if kind == "array":
        inner = _type(schema.get("items", {}), root, depth + 1)
        return "list" if inner == "any" else f"list[{inner}]"
    if kind == "object":
        return _object(schema, root, depth)
    return _FORMATS.get(schema.get("format", ""), _WORDS.get(kind, kind))


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties or depth >= _MAX_DEPTH:
        return "object"
    required = schema.get("required", ())
    fields = (
        f"{_clean(name)}{'' if name in required else '?'}: {_type(inner, root, depth + 1)}"
        for name, inner in properties.items()
    )
    return f"{{{', '.join(fields)}}}"


def _enum(values: list[Any]) -> str:
    shown = [_json(value) for value in values if value is not None]
    text = "|".join(shown)
    while len(text) > _MAX_ENUM and len(shown) > 1:
        shown = shown[: len(shown) // 2]
        text = "|".join([*shown, "…"])
    return _cut(text, _MAX_ENUM)


def _union(kinds: list[str]) -> str:
    return "|".join(dict.fromkeys(kinds)) or "any"


def _is_null(option: Any) -> bool:
    return isinstance(option, Mapping) and option.get("type") == "null"


def _json(value: Any) -> str:
    return _clean(json.dumps(value, ensure_ascii=False, default=str))


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
