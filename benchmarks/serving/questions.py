"""What is asked of Aegra, and a model's part in it: every question holds a word that no other one has."""

import json
import re
from typing import Any

SEARCHING = " Then search the documents."
"""Ends a question whose plan has a third step, which asks Chroma."""

_WORD = re.compile(r"word-[0-9]+-[0-9]+-[0-9]+")
_ASKED = re.compile(r"Question: [^\n]*?(word-[0-9]+-[0-9]+-[0-9]+)")


def word(user: int, thread: int, turn: int) -> str:
    """Return the word of one turn of one thread of one user."""
    return f"word-{user}-{thread}-{turn}"


def question(of: str) -> str:
    """Return a question about a word."""
    return f"Please write down {of}."


def words(text: str) -> list[str]:
    """Return the words in a text, in order."""
    return _WORD.findall(text)


def reply(body: dict[str, Any]) -> str:
    """Play the planner and the solver for the word in the question that is being asked."""
    prompt = "\n".join(_text(message["content"]) for message in body["messages"])
    asked = _ASKED.findall(prompt)[-1]
    if "The plan that was run" in prompt:
        unsure = "outcome is unknown" in prompt
        return (
            f"Whether {asked} was written down is unknown."
            if unsure
            else f"I have written down {asked} [E2]."
        )
    search = '#E3 = search_documents(query="jobs created")\n' if SEARCHING in prompt else ""
    return f'#E1 = look(name="{asked}")\n#E2 = note(text="#E1.name")\n{search}'


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content)
