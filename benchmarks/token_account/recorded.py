"""The recorded runs as one shape: a question, the calls that were made with what they returned, the final answer."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

WORKBENCH = "workbench/gpt4_react_runs.jsonl"
OFFICE_TOOLS = "workbench/tools.json"
HOTPOTQA = "react_runs/hotpotqa_gpt4.jsonl"
MINT = "react_runs/mint.jsonl"

DATE = "Today is Thursday, 2023-11-30, 00:00."
"""WorkBench's tasks speak of "tomorrow"; everyone is told the date with the question."""

SEARCH = {
    "name": "search",
    "description": "Search the web and return a short snippet that may contain the answer.",
    "args": {"query": {"description": "What to look for"}},
}
PYTHON = {
    "name": "python",
    "description": "Run Python code and return its output. Variables stay from one call to the next.",
    "args": {"code": {"description": "The code"}},
}
"""HotpotQA's and MINT's one tool, as short as a real one would be."""


class Call(NamedTuple):
    """One recorded call of a tool."""

    tool: str
    args: dict[str, Any]
    observation: Any
    thought: str = ""
    log: str = ""
    """What the recorded model wrote for it, where that was kept."""


class Run(NamedTuple):
    """One recorded run."""

    question: str
    calls: tuple[Call, ...]
    final: str
    provider_tokens: int = 0
    """The provider's own count for the whole run, in its own tokens; 0 where it was not kept."""


def office_tools(data: Path) -> list[dict[str, Any]]:
    """Return WorkBench's tools; "." becomes "_", for neither a plan nor a provider takes it in a name."""
    described = json.loads((data / OFFICE_TOOLS).read_text(encoding="utf-8"))
    return [{**one, "name": _named(one["name"])} for one in described]


def workbench(data: Path, toolset: str) -> list[Run]:
    """Return WorkBench's runs that were given all tools ("all") or only those of the task's domains ("domains")."""
    rows = [row for row in _rows(data / WORKBENCH) if row["toolset"] == toolset]
    return [Run(f"{DATE}\n{row['query']}", _office_calls(row["steps"]), _text(row["final"])) for row in rows]


def hotpotqa(data: Path) -> list[Run]:
    """Return the runs on HotpotQA; the last recorded action, `finish`, is the answer."""
    return [
        Run(
            row["question"],
            tuple(
                Call("search", {"query": step["arg"]}, step["obs"], step["thought"])
                for step in row["steps"]
                if step["tool"] == "search"
            ),
            row["pred"],
        )
        for row in _rows(data / HOTPOTQA)
    ]


def mint(data: Path) -> list[Run]:
    """Return MINT's runs: the turns that ran code. Proposed solutions were not kept; the gold answer stands for them."""
    return [
        Run(
            row["question"].strip(),
            tuple(
                Call("python", {"code": step["action"]}, step["obs"], step["thought"])
                for step in row["steps"]
            ),
            f"The answer is {row['gold']}.",
            row["token_counter"]["total_tokens"],
        )
        for row in _rows(data / MINT)
    ]


def _office_calls(steps: Sequence[Mapping[str, Any]]) -> tuple[Call, ...]:
    return tuple(
        Call(
            _named(step["tool"]),
            dict(step["args"]),
            step["observation"],
            step["log"].partition("Action:")[0].strip(),
            step["log"],
        )
        for step in steps
    )


def _named(tool: str) -> str:
    return tool.replace(".", "_")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
