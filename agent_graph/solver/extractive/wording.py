"""How an extractive answer words values and quotes: on one line, with nothing in them that reads as ours."""

import re
from typing import Any

from agent_graph import guardrails, references

_BRACKETED_ID = re.compile(r"([\[(【][^\[\]()\n]{0,60}?\b)E(\d)", re.IGNORECASE)
_LONGEST_VALUE = 300
_GROUPED_FROM = 10_000


def plain(text: str) -> str:
    """Return text of a document or a person on one line, in which nothing reads as a citation or reference of ours."""
    bent = " ".join(guardrails.neutralise(text).text.split())
    return _BRACKETED_ID.sub(r"\1E \2", bent)


def shown(value: Any) -> str:
    """Return a tool's value as it is printed: large numbers in groups, whole ones without decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(references.as_text(value))[:_LONGEST_VALUE]
    whole = int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
    if isinstance(whole, int):
        return f"{whole:,}" if abs(whole) >= _GROUPED_FROM else str(whole)
    return f"{whole:,.10g}"
