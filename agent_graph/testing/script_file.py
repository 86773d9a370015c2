"""Scripts as JSON files, for a stand-in that runs as a process of its own.

A file holds a list of replies, or an object from a model name or a substring of the prompt to a reply
or a list of replies. A reply is a string, or one of:

    {"text": "...", "tool_calls": [{"name": "search", "args": {"query": "x"}}]}
    {"fault": "status", "code": 429, "retry_after": 1}
    {"fault": "drop", "after_chars": 20, "text": "..."}

where a fault is named after a constructor of `Fault` and takes its arguments.
"""

import json
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from agent_graph.errors import UserError
from agent_graph.testing.fault import Fault, ServerReply

_FAULTS = {
    "status": Fault.status,
    "broken_json": Fault.broken_json,
    "empty": Fault.empty,
    "refusal": Fault.refusal,
    "wrong_content_type": Fault.wrong_content_type,
    "length": Fault.length,
    "stall": Fault.stall,
    "drop": Fault.drop,
}

ScriptFile = list[ServerReply] | dict[str, ServerReply | list[ServerReply]]


def read_script(path: Path) -> ScriptFile:
    """Read a script.

    Raises UserError when the file cannot be read or an entry is not a reply.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise UserError(f"The script {str(path)!r} cannot be read as JSON: {cause}.") from cause
    if isinstance(written, list):
        return [_reply(entry) for entry in written]
    if isinstance(written, dict):
        return {key: _entry(entry) for key, entry in written.items()}
    raise UserError(f"The script {str(path)!r} must be a JSON list or object, not {type(written).__name__}.")


def _entry(entry: Any) -> ServerReply | list[ServerReply]:
    return [_reply(item) for item in entry] if isinstance(entry, list) else _reply(entry)


def _reply(entry: Any) -> ServerReply:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict) and "fault" in entry:
        return _fault(**entry)
    if isinstance(entry, dict) and entry and set(entry) <= {"text", "tool_calls"}:
        calls = [
            {"name": call["name"], "args": call.get("args", {}), "id": call.get("id", f"call_{index}")}
            for index, call in enumerate(entry.get("tool_calls", []))
        ]
        return AIMessage(content=entry.get("text", ""), tool_calls=calls)
    raise UserError(
        f'A reply is a string, {{"text": ..., "tool_calls": [...]}} or {{"fault": ...}}, not {json.dumps(entry)[:100]}.'
    )


def _fault(fault: str, **arguments: Any) -> ServerReply:
    if fault not in _FAULTS:
        raise UserError(f"There is no fault {fault!r}; there are {', '.join(_FAULTS)}.")
    try:
        return _FAULTS[fault](**arguments)  # type: ignore[operator,no-any-return]
    except TypeError as cause:
        raise UserError(f"The fault {fault!r} was given wrong arguments: {cause}.") from cause
