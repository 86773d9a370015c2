"""Tools for a worker in a process of its own: `agent-graph jobs work --tools jobs_tools:TOOLS`.

They write what they do, with the number of their process, into the log that JOBS_TEST_LOG names.
"""

import asyncio
import os
from pathlib import Path

from langchain_core.tools import BaseTool, tool


def note(what: str, name: str) -> int:
    """Write a line into the log, and return how often this was done."""
    path = Path(os.environ["JOBS_TEST_LOG"])
    with path.open("a") as log:
        log.write(f"{what} {name} {os.getpid()}\n")
    return sum(line.startswith(f"{what} {name} ") for line in path.read_text().splitlines())


@tool
async def look(name: str) -> str:
    """Look up a person."""
    note("look", name)
    return f"{name}@example.org"


@tool
async def send(to: str) -> str:
    """Send a message; the first one to cut@example.org never comes back from it."""
    if note("send", to) == 1 and to.startswith("cut"):
        await asyncio.Event().wait()
    return f"sent to {to}"


@tool
async def wait(name: str) -> str:
    """Wait for ever."""
    note("wait", name)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        note("cancelled", name)
        raise
    return name


TOOLS: list[BaseTool] = [look, send, wait]
for one, effects in ((look, "reads"), (send, "writes"), (wait, "reads")):
    one.metadata = {"effects": effects}
