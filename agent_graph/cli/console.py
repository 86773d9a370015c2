"""What commands write on: stdout for what was asked, stderr for how it goes; and text made harmless."""

import json
import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from agent_graph.guardrails import printable
from agent_graph.usage import Role

ROLE_STYLE: dict[Role, str] = {"planner": "#8b6fe8", "worker": "#1593a8", "solver": "#d97a25"}
"""The three roles keep the hues they have in the report and on the page, readable on light and on dark."""

FAILED = "red"
QUIET = "bright_black"

PLAIN_WIDTH = 100
"""Columns of tables when nobody's terminal says how wide it is."""


def out() -> Console:
    """Return what the person asked for goes to."""
    return _console(stderr=False)


def err() -> Console:
    """Return where progress and remarks go."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # markup, emoji and highlighting would read meaning into documents
    return Console(
        stderr=stderr,
        markup=False,
        emoji=False,
        highlight=False,
        width=None if stream.isatty() else PLAIN_WIDTH,
    )


def lively(console: Console) -> bool:
    """Whether the console is a terminal that can be repainted."""
    return console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")


def text(said: object, style: str = "") -> Text:
    """Return text from documents, tools, models or people as it may reach a terminal."""
    return Text(printable(str(said)).expandtabs(4), style=style)


def line(said: object, *, most: int = 0) -> str:
    """Return the same on one line, cut after `most` characters when that is given."""
    flat = " ".join(printable(str(said)).split())
    return f"{flat[: most - 1]}…" if most and len(flat) > most else flat


def json_text(document: Any, *, indent: int | None = 2) -> str:
    """Return JSON in which every character that could steer a terminal is escaped; nothing is lost."""
    written = json.dumps(document, ensure_ascii=False, indent=indent, default=str)
    return re.sub(r"[^\n -~\xa1-\xac\xae-\u052f]", _escaped, written)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json_text(document) + "\n")
    sys.stdout.flush()


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


def seconds(number: float) -> str:
    """Return a duration as people read it."""
    return f"{number:.2f} s" if number < 10 else f"{number:.1f} s" if number < 100 else f"{number:.0f} s"


def counted(number: int, noun: str) -> str:
    """Return "1 passage", "2 passages"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
