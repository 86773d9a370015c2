"""The agent that is measured on Aegra: one tool reads, one writes, and both leave a line that outlives the process."""

import asyncio
import os
from pathlib import Path
from typing import Any

from langchain_core.tools import tool

from agent_graph import build_agent
from agent_graph.gateway.redelivered import redelivered
from deploy.aegra.running import is_active

_NOTES = Path(os.environ["AEGRA_NOTES"])
_PACE_S = float(os.environ.get("AEGRA_PACE_S", "0.2"))
"""How long each tool takes."""


def _leave(line: str) -> None:
    with _NOTES.open("a") as notes:
        notes.write(f"{line} {os.getpid()}\n")


@tool
async def look(name: str) -> dict[str, Any]:
    """Look up a word."""
    _leave(f"looked {name}")
    await asyncio.sleep(_PACE_S)
    return {"name": name, "length": len(name)}


@tool
async def note(text: str) -> str:
    """Write down a word."""
    _leave(f"noted {text}")
    await asyncio.sleep(_PACE_S)
    _leave(f"kept {text}")
    return f"noted {text}"


look.metadata = {"effects": "reads"}
note.metadata = {"effects": "writes"}
agent = redelivered(build_agent(tools=[look, note]), is_active)
