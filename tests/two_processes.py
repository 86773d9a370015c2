"""Runs that stay, here or in a process of their own, and what must hold between them and other runs."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from held_run import REPLIES, tools
from langchain_core.tools import tool
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph import Agent, build_agent
from agent_graph.errors import ThreadBusy
from agent_graph.testing import ScriptedModel

SCRIPT = Path(__file__).with_name("held_run.py")
ONE: Any = {"configurable": {"thread_id": "one"}}
OTHER: Any = {"configurable": {"thread_id": "other"}}


def agent_over(saver: Any) -> Agent:
    return build_agent(models=ScriptedModel(REPLIES), tools=tools(), checkpointer=saver)


class Doorway:
    """A tool that says when it was entered and stays until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.let_go = asyncio.Event()

    def agent(self, saver: Any) -> Agent:
        @tool
        async def stay() -> str:
            """Stay."""
            self.entered.set()
            await self.let_go.wait()
            return "gone"

        stay.metadata = {"effects": "reads"}
        model = ScriptedModel({"The plan that was run": "Done [E1].", "Question: ": "#E1 = stay()"})
        return build_agent(models=model, tools=[stay], checkpointer=saver)


freed = AsyncRetrying(
    retry=retry_if_exception_type(ThreadBusy),
    stop=stop_after_delay(10),
    wait=wait_fixed(0.01),
    reraise=True,
)
"""Calls again while the thread is busy, for as long as a server takes to miss a client that was killed."""


@contextmanager
def started(url: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Start the script on thread `one` and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), url, "one", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent.parent)},
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() in ("running", "ready")
            yield process
        finally:
            process.kill()


async def check_second_run_is_refused(url: str, saver: Any) -> None:
    """A thread that another process runs on is refused, others are not; a killed process lets go of it."""
    agent = agent_over(saver)
    with started(url, "hold") as holder:
        with pytest.raises(ThreadBusy, match="'one'"):
            await agent.ainvoke({"task": "me too"}, ONE)
        assert (await agent.ainvoke({"task": "elsewhere"}, OTHER))["answer"].text == "Done."
        holder.kill()
        holder.wait()
        assert [task.name for task in (await agent.aget_state(ONE)).tasks] != []
        # A server needs a moment to see that its client is gone; a file is free at once.
        result = await freed(agent.ainvoke, {"task": "now me"}, ONE)
    assert result["answer"].text == "Done."


async def check_no_turn_is_lost(url: str, saver: Any) -> None:
    """Two processes that write to one thread as fast as they can leave every turn of both in it."""
    with started(url, "turns", "first", "6") as first, started(url, "turns", "second", "6") as second:
        for one in (first, second):
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        told = [json.loads(one.communicate()[0]) for one in (first, second)]
    assert sum(one["refused"] for one in told) > 0, "the two never met"
    messages = (await agent_over(saver).aget_state(ONE)).values["messages"]
    asked = [str(one.content) for one in messages if one.type == "human"]
    assert sorted(asked) == sorted(f"{name} {number}" for name in ("first", "second") for number in range(6))
    assert [one.type for one in messages] == ["human", "ai"] * 12
