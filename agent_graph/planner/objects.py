"""Plans written as JSON: one object per step, in the several spellings that models use."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import json_repair

from agent_graph.planner.arguments import read_arguments

_ID_KEYS = ("id", "step_id", "placeholder", "step", "step_number", "number", "idx", "index", "name")
_TOOL_KEYS = ("tool", "tool_name", "tool_use", "action", "function", "api", "name", "task")
_ARGS_KEYS = (
    "args",
    "arguments",
    "tool_input",
    "input",
    "inputs",
    "parameters",
    "params",
    "kwargs",
    "action_input",
)
_REASON_KEYS = ("reason", "thought", "plan", "why", "message", "description", "explanation")
_AFTER_KEYS = ("after", "depends_on", "dependencies", "dep", "deps")
_STRATEGY_KEYS = ("strategy", "plan", "thought", "reasoning")
_LIST_KEYS = ("steps", "plan", "plans", "tasks", "calls", "tool_calls")
_NUMBERED_REFERENCE = re.compile(
    r"\$\{(\d{1,4})\}|<node[-_ ]?(\d{1,4})>|\$(\d{1,4})(?![\w,.]*\d)(?!\w)", re.IGNORECASE
)
_AMOUNT = re.compile(r"[ \t]*(?:thousand|million|billion|trillion|k|m|mn|bn|per|each|a|dollars?|usd)\b", re.I)


_BRACKETS = re.compile(r"[\[{}\]]")

MAX_NESTING = 40
"""Deepest nesting that is worth repairing; a plan's is about six."""


class Remark(NamedTuple):
    """A step that says of itself that it calls no tool: a thought, kept with the strategy."""

    text: str


class Unread(NamedTuple):
    """What should be a step and names no tool."""

    text: str


class Written(NamedTuple):
    """A step as a model wrote it, before its references are put in canonical form."""

    id: str | None
    tool: str
    args: dict[str, Any]
    reason: str = ""
    after: tuple[str, ...] = ()
    label: str = ""
    """What the writer calls the step's evidence when that is not `#E<n>`, for example `#A`."""


def load(text: str) -> Any:
    """Parse JSON, repairing what models break: fences, single quotes, trailing commas, cut ends.

    Returns None for nesting that no plan has.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return None
    except ValueError:
        if _deepest(text) > MAX_NESTING:
            return None
        try:
            return json_repair.loads(text)
        except (RecursionError, ValueError):
            return None


def _deepest(text: str) -> int:
    """Return the deepest bracket nesting, brackets in quoted text included: repairing costs time in it."""
    depth = deepest = 0
    for mark in _BRACKETS.findall(text):
        depth += 1 if mark in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def read_object(value: Any, parameters: Mapping[str, Sequence[str]]) -> Iterator[Written | Remark | Unread]:
    """Yield the steps in a JSON value: a list of steps, an object holding such a list, or one step."""
    if isinstance(value, list):
        for item in value:
            yield from read_object(item, parameters)
    elif isinstance(value, Mapping):
        inner = next((value[key] for key in _LIST_KEYS if isinstance(value.get(key), list)), None)
        if inner is not None:
            strategy = next((value[key] for key in _STRATEGY_KEYS if isinstance(value.get(key), str)), "")
            if strategy:
                yield Remark(strategy)
            yield from read_object(inner, parameters)
        else:
            yield from _step(value, parameters)


def canonical(value: Any, known: int) -> Any:
    """Rewrite `$1`, `${1}` and `<node-0>` as `#E1` where a step of that number may be meant.

    `known` is the number of the last step that may be referred to. "$2 million", "$2.50" and "$20" with
    only three steps stay text.
    """
    if isinstance(value, str):
        return _NUMBERED_REFERENCE.sub(lambda match: _reference(match, known), value)
    if isinstance(value, Mapping):
        return {key: canonical(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item, known) for item in value]
    return value


def renamed(value: Any, labels: Mapping[str, str]) -> Any:
    """Rewrite the writer's own placeholders, such as `#A`, as the references they stand for."""
    if not labels:
        return value
    if isinstance(value, str):
        known = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
        return re.sub(rf"(?:{known})(?!\w)", lambda match: labels[match[0]], value)
    if isinstance(value, Mapping):
        return {key: renamed(item, labels) for key, item in value.items()}
    return [renamed(item, labels) for item in value] if isinstance(value, list) else value


def step_id(value: Any) -> str | None:
    """Return `E<n>` for any way of naming a step: 3, "3", "#E3", "E3", "step 3"; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    match = re.fullmatch(r"(?:#?E|step[ _-]?|\$)?(\d{1,4})", str(value).strip(), re.I)
    return f"E{int(match[1])}" if match and int(match[1]) > 0 else None


def _step(
    value: Mapping[str, Any], parameters: Mapping[str, Sequence[str]]
) -> Iterator[Written | Remark | Unread]:
    evidence = value.get("evidence")
    if isinstance(evidence, Mapping):  # {"plan": reason, "evidence": {"placeholder", "tool", "tool_input"}}
        value = {**value, **evidence}
    function = value.get("function")
    if isinstance(function, Mapping):  # OpenAI's {"type": "function", "function": {"name", "arguments"}}
        value = {**value, **function}
    tools = next(
        (value[key] for key in _TOOL_KEYS if value.get(key) and not isinstance(value[key], Mapping)), None
    )
    reason = next((str(value[key]) for key in _REASON_KEYS if isinstance(value.get(key), str)), "")
    if tools is None:
        if any(key in value for key in _TOOL_KEYS):
            yield Remark(reason)
        elif value:
            yield Unread(reason or json.dumps(value, ensure_ascii=False, default=str))
        return
    number = next((found for key in _ID_KEYS if (found := step_id(value.get(key)))), None)
    after: list[Any] = next((value[key] for key in _AFTER_KEYS if isinstance(value.get(key), list)), [])
    raw: Any = next((value[key] for key in _ARGS_KEYS if value.get(key) is not None), {})
    order = tuple(found for one in after if (found := step_id(one)))
    for position, tool in enumerate(tools if isinstance(tools, list) else [tools]):
        name = str(tool.get("name", "")) if isinstance(tool, Mapping) else str(tool)
        args = _arguments(raw, parameters.get(name, ())) or _instructed(value, parameters.get(name, ()))
        yield Written(number if position == 0 else None, name, args, reason, order, _label(value))


def _arguments(raw: Any, parameters: Sequence[str]) -> dict[str, Any]:
    if isinstance(raw, Mapping):
        return {str(key): value for key, value in raw.items()}
    if isinstance(raw, str):
        opened = load(raw) if raw.lstrip().startswith("{") else None
        if isinstance(opened, Mapping):
            return {str(key): value for key, value in opened.items()}
        return {parameters[0] if parameters else "argument_1": raw}
    if isinstance(raw, list):
        return dict(zip([*parameters, *(f"argument_{n}" for n in range(1, len(raw) + 1))], raw, strict=False))
    return read_arguments(json.dumps(raw), parameters)


def _label(value: Mapping[str, Any]) -> str:
    label = value.get("placeholder")
    return label.strip() if isinstance(label, str) and step_id(label) is None else ""


def _instructed(value: Mapping[str, Any], parameters: Sequence[str]) -> dict[str, Any]:
    """Return the step's message as the argument of a tool that takes one text and was given none."""
    message = value.get("message")
    return {parameters[0]: message} if isinstance(message, str) and len(parameters) == 1 else {}


def _reference(match: re.Match[str], known: int) -> str:
    if match[2] is not None:  # TaskBench counts its nodes from 0
        return f"#E{min(int(match[2]) + 1, 9999)}"
    number = int(match[1] or match[3])
    bare = match[3] is not None
    if bare and (not 0 < number <= known or _AMOUNT.match(match.string, match.end())):
        return match[0]
    return f"#E{number}"
