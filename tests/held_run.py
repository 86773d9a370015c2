"""A run in a process of its own: `python held_run.py URL THREAD hold | turns NAME COUNT`.

`hold` says "running" once its only step has begun, and waits until it is killed or its standard input ends.
`turns` asks COUNT questions one after the other on the thread, again and again while it is busy.
"""

import asyncio
import json
import sys
from typing import Any

from langchain_core.tools import BaseTool, tool
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random

from agent_graph import build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.errors import ThreadBusy
from agent_graph.testing import ScriptedModel

REPLIES = {"The plan that was run": "Done.", "Question: wait": "#E1 = wait()", "Question: ": "Plan: no tool."}


@tool
async def wait() -> str:
    """Wait for the end of the standard input."""
    print("running", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return "over"


def tools() -> list[BaseTool]:
    wait.metadata = {"effects": "reads"}
    return [wait]


async def hold(url: str, thread: Any) -> None:
    async with open_checkpointer(url) as saver:
        agent = build_agent(models=ScriptedModel(REPLIES), tools=tools(), checkpointer=saver)
        result = await agent.ainvoke({"task": "wait"}, thread)
        print(json.dumps(result["answer"].text))


async def turns(url: str, thread: Any, name: str, count: int) -> None:
    refused = 0

    def count_refusal(_: Any) -> None:
        nonlocal refused
        refused += 1

    async with open_checkpointer(url) as saver:
        agent = build_agent(models=ScriptedModel(REPLIES), tools=tools(), checkpointer=saver)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for number in range(count):
            again = AsyncRetrying(
                retry=retry_if_exception_type(ThreadBusy),
                wait=wait_random(0.001, 0.01),
                after=count_refusal,
            )
            asked = {"messages": [{"role": "user", "content": f"{name} {number}"}]}
            await again(agent.ainvoke, asked, thread)
    print(json.dumps({"refused": refused}))


if __name__ == "__main__":
    url, thread, what, *rest = sys.argv[1:]
    config = {"configurable": {"thread_id": thread}}
    asyncio.run(hold(url, config) if what == "hold" else turns(url, config, rest[0], int(rest[1])))
