"""The files of real plans read a second time, by other means than the reader and the check under test."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FAULTS = (
    "unknown_tool",
    "self_reference",
    "forward_reference",
    "dangling_reference",
    "cycle",
    "duplicate_step",
)
SEEN_OFTEN = 5
"""Times a tool must be named in the file to be taken for one that exists: models invent the others."""
_NODE = re.compile(r"(?i:<node[-_ ]?(\d+)>)")
_NAME = re.compile(r"[A-Za-z_][\w-]*")


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file with one JSON object per line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def listed_tools(raws: Iterable[str]) -> list[str]:
    """Return every identifier-like name that any output puts into a "tool_use" list."""
    lists = [inside for raw in raws for inside in re.findall(r'"tool_use":\s*\[([^\]]*)\]', raw)]
    return sorted({name for inside in lists for name in re.findall(rf'"({_NAME.pattern})"', inside)})


def strict_json(raw: str) -> list[Any] | dict[str, Any] | None:
    """Return the JSON that the whole text is, or that its outermost brackets hold; None when there is none."""
    spans = sorted((raw.find(opening), raw.rfind(closing) + 1) for opening, closing in ("[]", "{}"))
    for begin, end in [(0, len(raw)), *spans]:
        try:
            value = json.loads(raw[max(begin, 0) : end])
        except ValueError:
            continue
        if isinstance(value, list | dict):
            return value
    return None


def steps_in(reading: Any) -> list[Any]:
    """Return the steps of a list of steps, or the one step that a lone object is."""
    return reading if isinstance(reading, list) else [] if reading is None else [reading]


def tools_in(step: Any) -> list[str]:
    """Return what one step names in "tool_use"."""
    named = step.get("tool_use") if isinstance(step, dict) else None
    return [str(one) for one in (named if isinstance(named, list) else [named] if named else [])]


def is_recoverable(reading: Any, names: Collection[str]) -> bool:
    """Whether every step puts at least one existing tool into "tool_use", so that a person sees the plan."""
    steps = steps_in(reading)
    return bool(steps) and all(set(tools_in(step)) & set(names) for step in steps)


def mentions_tools(reading: Any, names: Collection[str]) -> bool:
    """Whether every step at least mentions an existing tool anywhere, prose included."""
    steps = steps_in(reading)
    return bool(steps) and all(set(_NAME.findall(json.dumps(step))) & set(names) for step in steps)


def identifier(name: str) -> str:
    """Return a tool's name as a plan can write it."""
    return re.sub(r"\W+", "_", name).strip("_")


def seen_tools(graphs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the tools that the file names at least `SEEN_OFTEN` times."""
    count = Counter(identifier(node["task"]) for row in graphs for node in row["task_nodes"])
    return sorted(name for name, times in count.items() if times >= SEEN_OFTEN)


def json_steps(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a tool graph as the JSON plan it stands for, `<node-k>` references as they are."""
    return [
        {"id": number, "tool": identifier(node["task"]), "args": _arguments(node.get("arguments") or [])}
        for number, node in enumerate(nodes, start=1)
    ]


def _arguments(listed: Sequence[Any]) -> dict[str, Any]:
    args: dict[str, Any] = {}
    for position, one in enumerate(listed, start=1):
        named = isinstance(one, dict) and "value" in one
        name = one["name"] if named else f"arg_{position}"
        value = one["value"] if named else one["name"] if isinstance(one, dict) else one
        args[f"{name}_{position}" if name in args else name] = value
    return args


def faults(steps: Sequence[Mapping[str, Any]], names: Collection[str]) -> Counter[str]:
    """Count the faults of one plan: steps for tools, cycles and repetitions, (step, target) pairs for references."""
    count: Counter[str] = Counter()
    targets = [_targets(step["args"]) for step in steps]
    for at, step in enumerate(steps):
        count["unknown_tool"] += step["tool"] not in names
        count["self_reference"] += at in targets[at]
        count["forward_reference"] += sum(at < target < len(steps) for target in targets[at])
        count["dangling_reference"] += sum(target >= len(steps) for target in targets[at])
        count["cycle"] += _returns(at, targets)
        alike = [(other["tool"], other["args"]) for other in steps[:at]]
        count["duplicate_step"] += (step["tool"], step["args"]) in alike
    return +count


def _targets(args: Mapping[str, Any]) -> set[int]:
    """Return the positions that the values refer to, counted from 0 as the file does."""
    return {int(found) for value in args.values() for found in _NODE.findall(json.dumps(value))}


def _returns(start: int, targets: Sequence[set[int]]) -> bool:
    """Whether following references from a step comes back to it by way of another step."""
    ahead, seen = list(targets[start] - {start}), set[int]()
    while ahead:
        at = ahead.pop()
        if at == start:
            return True
        if at < len(targets) and at not in seen:
            seen.add(at)
            ahead += targets[at] - {at}
    return False
