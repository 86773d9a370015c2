"""Tools that leave a line for all they do, which outlives their process: `role worker --tools benchmarks.serving.notes:tools`."""

import asyncio
import os
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool, tool

NOTES = "NOTES_FILE"
"""Names the file in the environment."""
PACE = "NOTES_PACE_S"
"""Says in the environment how long each tool takes."""


def leave(line: str) -> None:
    """Write down a line and which process did it."""
    with Path(os.environ[NOTES]).open("a") as notes:
        notes.write(f"{line} {os.getpid()}\n")


async def _take_a_while() -> None:
    await asyncio.sleep(float(os.environ.get(PACE, "0.2")))


@tool
async def look(name: str) -> dict[str, Any]:
    """Look up a word."""
    leave(f"looked {name}")
    await _take_a_while()
    return {"name": name, "length": len(name)}


@tool
async def note(text: str) -> str:
    """Write down a word."""
    leave(f"noted {text}")
    await _take_a_while()
    leave(f"kept {text}")
    return f"noted {text}"


look.metadata = {"effects": "reads"}
note.metadata = {"effects": "writes"}


def tools() -> list[BaseTool]:
    """Return the two, and the search of the documents that the settings name."""
    from agent_graph.bootstrap import served_knowledge
    from agent_graph.settings import read_settings
    from tools.documents import make_search_documents

    knowledge = served_knowledge(read_settings())
    return [look, note] + ([make_search_documents(knowledge)] if knowledge else [])
