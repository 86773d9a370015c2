"""Tools for a worker in a process of its own: `agent-graph role worker --tools worker_tools:TOOLS`.

They write what they do into the log that ROLE_TEST_LOG names, and tell the test, which listens on ROLE_TEST_PORT,
what they are at.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool, tool
from langgraph.types import interrupt


def note(line: str) -> int:
    """Write a line into the log, and return how often it stands there."""
    path = Path(os.environ["ROLE_TEST_LOG"])
    with path.open("a") as log:
        log.write(f"{line}\n")
    return path.read_text().splitlines().count(line)


async def say(what: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Tell the test, with the number of this process, and return the open connection."""
    hears, says = await asyncio.open_connection("127.0.0.1", int(os.environ["ROLE_TEST_PORT"]))
    says.write(f"{what} {os.getpid()}".encode())
    return hears, says


@tool
async def look(name: str) -> dict[str, Any]:
    """Look up a person."""
    note(f"look {name}")
    return {"name": name, "age": len(name)}


@tool
async def held(name: str) -> str:
    """Look up a person; the first time, for ever."""
    if note(f"held {name}") == 1:
        await say("held")
        await asyncio.Event().wait()
    return f"{name} was found"


@tool
async def pay(to: str) -> str:
    """Pay a person, and never come back from it."""
    note(f"pay {to}")
    await say("paid")
    await asyncio.Event().wait()
    return "paid"


@tool
async def wait(name: str) -> str:
    """Wait until the test lets go."""
    hears, _kept_open = await say("waiting")
    try:
        await hears.readexactly(1)
    except asyncio.CancelledError:
        await say("cancelled")
        raise
    return f"waited for {name}"


@tool
async def sign(what: str) -> str:
    """Sign something, when a person agrees."""
    note(f"asked {what}")
    name = interrupt(f"Who signs {what}?")
    note(f"signed {what} {name}")
    return f"{what} was signed by {name}"


TOOLS: list[BaseTool] = [look, held, pay, wait, sign]
for one, effects in (
    *((look, "reads"), (held, "reads")),
    *((pay, "writes"), (wait, "writes"), (sign, "writes")),
):
    one.metadata = {"effects": effects}
