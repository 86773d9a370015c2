"""How a run is put into few words: calls, seconds, modes, cut to the space there is."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from agent_graph.evidence import Evidence, StepStatus
from agent_graph.guardrails import printable
from agent_graph.references import as_text

SIGNS: dict[StepStatus, str] = {"ok": "✓", "failed": "✕", "skipped": "–"}
"""One character per status, for who cannot tell the colours apart."""


def outcome(found: Evidence) -> str:
    """Return how a step ended: `✓ 0.42 s`, `✕ failed`, `– skipped`."""
    return f"{SIGNS[found.status]} {short_seconds(found.seconds) if found.ok else found.status}"


def one_line(value: str) -> str:
    """Return the text's printable characters on one line."""
    return " ".join(printable(value).split())


def brief_args(args: Mapping[str, Any]) -> str:
    """Return the arguments on one line, for a person; the names are left out when there is only one."""
    if len(args) == 1:
        return one_line(as_text(next(iter(args.values()))))
    return one_line(", ".join(f"{name}: {as_text(value)}" for name, value in args.items()))


def cut(value: str, columns: int) -> str:
    """Return the beginning that fits; wide characters take two columns."""
    used = 0
    for at, character in enumerate(value):
        used += _columns(character)
        if used > columns:
            return value[: max(at - 1, 0)].rstrip() + "…"
    return value


def wrapped(value: str, columns: int, lines: int) -> list[str]:
    """Return at most so many lines, broken at spaces where there are any; the last one is cut."""
    rows: list[str] = []
    rest = value
    while rest and len(rows) < lines - 1:
        if cut(rest, columns) == rest:
            break
        room = len(cut(rest, columns)) - 1
        space = rest.rfind(" ", room // 2, room + 1)
        at = space if space > 0 else max(room, 1)
        rows.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return [*rows, cut(rest, columns)] if rest else rows


def short_seconds(seconds: float) -> str:
    """Return a duration a person can take in: `3 ms`, `0.42 s`, `12.3 s`, `2 min 5 s`."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def counted(number: int, noun: str) -> str:
    """Return `1 step`, `2 steps`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
