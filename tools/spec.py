"""What a plan has to know about one tool, read off the LangChain tool once."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from jsonschema import Draft202012Validator, SchemaError
from langchain_core.tools import BaseTool, Tool
from langchain_core.tools import tool as make_tool
from pydantic import BaseModel

from tools.errors import CatalogError

Effects = Literal["reads", "writes", "unknown"]
"""reads: calling it changes nothing; writes: it may change something outside; unknown: it does not say."""

Returns = Literal["text", "number", "list", "object", "bool", "date"]
"""The type words a tool may put in its metadata instead of a JSON schema."""

_NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
_EMPTY: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, eq=False)
class ToolSpec:
    """One tool as a plan sees it."""

    tool: BaseTool
    name: str
    description: str
    """As the tool's author wrote it, all of it."""
    schema: Mapping[str, Any]
    """JSON schema of the arguments a plan may give; injected ones are not in it."""
    effects: Effects
    idempotent: bool
    """Whether a second call with the same arguments does no further harm."""
    returns: Returns | Mapping[str, Any] | None
    """A type word, a JSON schema, or None when the tool does not say."""
    fallback: str | None
    """Name of the tool to call when this one fails."""
    examples: tuple[str, ...]
    """Calls as a plan would write them."""
    injected: frozenset[str] = frozenset()
    """Arguments that the runtime fills in and a plan must never give."""
    key_argument: str | None = None
    """The one of these that takes an idempotency key: calls with the same key act once."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """The schema of each argument by name."""
        properties: Mapping[str, Any] = self.schema.get("properties", {})
        return properties

    @property
    def required(self) -> frozenset[str]:
        """Names of the arguments without a default."""
        return frozenset(self.schema.get("required", ()))

    @functools.cached_property
    def model(self) -> type[BaseModel] | None:
        """The pydantic class that checks the arguments; None for tools with only a JSON schema."""
        schema = self.tool.args_schema
        return schema if isinstance(schema, type) and issubclass(schema, BaseModel) else None


def as_tool(given: Any) -> BaseTool:
    """Return a LangChain tool: the one given, or one made of a function with a docstring.

    Raises CatalogError for anything else.
    """
    if isinstance(given, BaseTool):
        return given
    if isinstance(given, type) or not callable(given):
        raise CatalogError(f"{given!r} is no tool; give LangChain tools or functions with a docstring")
    try:
        made = make_tool(given)
    except (ValueError, TypeError) as error:
        raise CatalogError(f"the function {given!r} cannot become a tool: {error}") from error
    assert isinstance(made, BaseTool)
    return made


def read(tool: BaseTool, effects: Effects | None = None) -> ToolSpec:
    """Describe a tool; `effects` overrides what the tool says about itself.

    Raises CatalogError when its name, schema or metadata cannot be used.
    """
    if not _NAME.fullmatch(tool.name):
        raise CatalogError(f"{tool.name!r} is no tool name; use letters, digits, _ and -, and no digit first")
    metadata = tool.metadata or {}
    schema, injected = _schema(tool), _injected(tool)
    key = _key_argument(tool, schema, injected)
    marked = effects or _effects(tool)
    return ToolSpec(
        tool=tool,
        name=tool.name,
        description=tool.description,
        schema=_without(schema, key),
        effects=marked,
        idempotent=_idempotent(tool, marked, key),
        returns=_returns(tool.name, metadata.get("returns")),
        fallback=_fallback(tool.name, metadata.get("fallback")),
        examples=_examples(tool.name, metadata.get("examples", ())),
        injected=injected if key is None else injected | {key},
        key_argument=key,
    )


def check_effects(name: str, effects: object) -> Effects:
    """Return a valid mark; raises CatalogError for another word."""
    for word in get_args(Effects):
        if effects == word:
            return word  # type: ignore[no-any-return]
    raise CatalogError(f"{name!r} is marked {effects!r}; an effect is 'reads', 'writes' or 'unknown'")


def _effects(tool: BaseTool) -> Effects:
    metadata = tool.metadata or {}
    if "effects" in metadata:
        return check_effects(tool.name, metadata["effects"])
    if any(hint in metadata for hint in _HINTS) or _is_mcp(tool):
        # no hint means that it may write: so says the protocol
        return "reads" if metadata.get("readOnlyHint") is True else "writes"
    return "unknown"


def _idempotent(tool: BaseTool, effects: Effects, key: str | None) -> bool:
    metadata = tool.metadata or {}
    said = metadata.get("idempotent", metadata.get("idempotentHint"))
    if said is not None and not isinstance(said, bool):
        raise CatalogError(f"{tool.name!r} says idempotent={said!r}; say True or False")
    if key is not None:
        if metadata.get("idempotent") is False:
            raise CatalogError(f"{tool.name!r} names an idempotency key and says idempotent=False; drop one")
        return True
    return effects == "reads" if said is None else said


def _key_argument(tool: BaseTool, schema: Mapping[str, Any], injected: frozenset[str]) -> str | None:
    said = (tool.metadata or {}).get("idempotency_key")
    if said is None:
        return None
    if isinstance(said, str) and said in {*schema["properties"], *injected}:
        return said
    raise CatalogError(
        f"{tool.name!r} names the idempotency key {said!r}, which is none of its arguments: "
        f"{', '.join(map(repr, schema['properties'])) or 'it has none'}"
    )


def _without(schema: dict[str, Any], argument: str | None) -> dict[str, Any]:
    """Return the schema of all other arguments: what a plan is shown, and may give."""
    if argument is None:
        return schema
    properties = {name: about for name, about in schema["properties"].items() if name != argument}
    required = [name for name in schema.get("required", ()) if name != argument]
    return {**schema, "properties": properties, "required": required}


def _is_mcp(tool: BaseTool) -> bool:
    code: Callable[..., Any] | None = getattr(tool, "coroutine", None)
    return getattr(code, "__module__", "").startswith("langchain_mcp_adapters")


def _returns(name: str, said: Any) -> Returns | Mapping[str, Any] | None:
    if said is None or said in get_args(Returns):
        return said  # type: ignore[no-any-return]
    if isinstance(said, Mapping):
        return _checked(name, said)
    words = ", ".join(get_args(Returns))
    raise CatalogError(f"{name!r} says it returns {said!r}; say one of {words}, or a JSON schema")


def _fallback(name: str, said: Any) -> str | None:
    if said is not None and (not isinstance(said, str) or said == name):
        raise CatalogError(f"{name!r} has the fallback {said!r}; name another tool")
    return said


def _examples(name: str, said: Any) -> tuple[str, ...]:
    examples = (said,) if isinstance(said, str) else tuple(said)
    if not all(isinstance(example, str) for example in examples):
        raise CatalogError(f"the examples of {name!r} must be texts, each one a call")
    return examples


def _schema(tool: BaseTool) -> dict[str, Any]:
    if isinstance(tool, Tool) and tool.args_schema is None:
        return {
            "type": "object",
            "properties": {"tool_input": {"type": "string"}},
            "required": ["tool_input"],
        }
    try:
        shown: Any = tool.tool_call_schema
        if not isinstance(shown, dict):
            shown = shown.model_json_schema() if issubclass(shown, BaseModel) else shown.schema()
    except Exception as error:
        raise CatalogError(f"the arguments of {tool.name!r} have no JSON schema: {error}") from error
    return {**_EMPTY, **_checked(tool.name, shown)}


def _checked(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise CatalogError(f"the JSON schema of {name!r} is invalid: {error.message}") from error
    for target in _targets(schema):
        if not target.startswith("#"):
            raise CatalogError(f"the JSON schema of {name!r} refers to {target!r}; schemas are never fetched")
    return dict(schema)


def _targets(schema: Any) -> list[str]:
    if isinstance(schema, Mapping):
        here = [schema[key] for key in ("$ref", "$dynamicRef") if isinstance(schema.get(key), str)]
        return here + [target for item in schema.values() for target in _targets(item)]
    if isinstance(schema, list):
        return [target for item in schema for target in _targets(item)]
    return []


def _injected(tool: BaseTool) -> frozenset[str]:
    """Arguments of the tool's own code that its shown schema leaves out, less what the call provides."""
    if isinstance(tool.args_schema, dict):
        return frozenset({"runtime"}) if _is_mcp(tool) else frozenset()
    full = tool.get_input_schema()
    names = set(full.model_fields if hasattr(full, "model_fields") else getattr(full, "__fields__", {}))
    shown = set(_schema(tool)["properties"])
    return frozenset((names - _aliased(full, shown)) | set(tool._injected_args_keys)) - shown


def _aliased(model: Any, shown: set[str]) -> set[str]:
    fields = getattr(model, "model_fields", {})
    return {name for name, field in fields.items() if getattr(field, "alias", None) in shown}
