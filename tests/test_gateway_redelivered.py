"""The agent on a server that may begin a run twice: cut off, begun again, overtaken, stopped."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from agent_graph import build_agent
from agent_graph.gateway.redelivered import Redelivered, redelivered
from agent_graph.testing import ScriptedModel

CONTEXT: Any = {"approval": "never", "max_replans": 0, "eager": False}
ANN = ["Find Ann", "Found Ann [E2]."]
BOB = ["Find Bob", "Found Bob [E2]."]


def _reply(messages: list[BaseMessage]) -> str:
    """Play planner and solver for whoever is asked for last."""
    prompt = "\n".join(str(message.content) for message in messages)
    name = re.findall(r"Question: Find (\w+)", prompt)[-1]
    if "The plan that was run" in prompt:
        return f"Found {name} [E2]."
    return f'#E1 = look(name="{name}")\n#E2 = stay(name="#E1")'


class Server:
    """What a server does to a run: begin it, cut it off while its tool is at work, begin it again."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.at_work = asyncio.Event()
        self.let_go = asyncio.Event()
        self.active: set[str] = set()
        self.agent = self._agent().copy({"checkpointer": InMemorySaver()})

    def _agent(self) -> Redelivered:
        @tool
        async def look(name: str) -> str:
            """Look up a person."""
            self.called.append(f"look {name}")
            return f"{name} Lee"

        @tool
        async def stay(name: str) -> str:
            """Stay with a person."""
            self.called.append(f"stay {name}")
            self.at_work.set()
            await self.let_go.wait()
            return name

        look.metadata = stay.metadata = {"effects": "reads"}
        return redelivered(build_agent(models=ScriptedModel(_reply), tools=[look, stay]), self._is_active)

    async def _is_active(self, run: str) -> bool:
        return run in self.active

    def parts(self, name: str, modes: Any) -> AsyncIterator[Any]:
        """Begin the run that finds somebody; the run's id is their name."""
        self.active.add(name)
        config: Any = {"configurable": {"thread_id": "one", "run_id": name}}
        return self.agent.astream({"task": f"Find {name}"}, config, context=CONTEXT, stream_mode=modes)

    async def answer(self, name: str) -> str:
        """Return the answer of the run as the server would keep it."""
        parts = [part async for part in self.parts(name, ["values", "custom"])]
        return str([values for mode, values in parts if mode == "values"][-1]["answer"].text)

    async def cut_off(self, name: str) -> None:
        """Begin a run and let its process die while its second tool is at work."""
        running = asyncio.create_task(self.answer(name))
        await self.at_work.wait()
        running.cancel()
        await asyncio.wait([running])
        self.at_work.clear()
        self.let_go.set()

    async def said(self) -> list[str]:
        state = await self.agent.aget_state({"configurable": {"thread_id": "one"}})
        return [str(message.content) for message in state.values["messages"]]


async def test_a_run_goes_on_where_it_was() -> None:
    """Begun a second time, a run repeats no finished step and asks its question once."""
    server = Server()
    await server.cut_off("Ann")
    assert await server.answer("Ann") == ANN[1]
    assert server.called == ["look Ann", "stay Ann Lee", "stay Ann Lee"]
    assert await server.said() == ANN


async def test_a_run_that_had_ended_only_tells_its_answer() -> None:
    """Killed between the last checkpoint and the server's note of it, a run is not done again."""
    server = Server()
    server.let_go.set()
    assert [await server.answer("Ann") for _ in range(2)] == [ANN[1]] * 2
    assert server.called == ["look Ann", "stay Ann Lee"]
    assert await server.said() == ANN


async def test_the_next_run_ends_the_one_that_was_cut_off() -> None:
    """A run that comes before the cut-off one is brought back makes its end; both are answered, in order."""
    server = Server()
    await server.cut_off("Ann")
    assert await server.answer("Bob") == BOB[1]
    assert await server.answer("Ann") == ANN[1]
    assert server.called == ["look Ann", "stay Ann Lee", "stay Ann Lee", "look Bob", "stay Bob Lee"]
    assert await server.said() == ANN + BOB


async def test_a_run_that_was_only_asked_is_asked_again() -> None:
    """Cut off before its knobs were stored, a run is not ended by the next with other knobs: it begins anew."""
    server = Server()
    place: Any = {"configurable": {"thread_id": "one", "run_id": "Ann"}}
    await server.agent.aupdate_state(place, {"task": "Find Ann"}, as_node="__start__")
    server.active.add("Ann")
    server.let_go.set()
    assert await server.answer("Bob") == BOB[1]
    assert await server.answer("Ann") == ANN[1]
    assert server.called == ["look Bob", "stay Bob Lee", "look Ann", "stay Ann Lee"]
    assert await server.said() == BOB + ANN


async def test_a_run_that_was_stopped_stays_stopped() -> None:
    """What the server has ended, because a person wanted it so, the next run does not go on with."""
    server = Server()
    await server.cut_off("Ann")
    server.active.clear()
    assert await server.answer("Bob") == BOB[1]
    assert server.called == ["look Ann", "stay Ann Lee", "look Bob", "stay Bob Lee"]


async def test_two_runs_of_a_thread_wait_for_each_other() -> None:
    """Two runs at once on one thread both end, one after the other, and neither loses a message."""
    server = Server()
    ann = asyncio.create_task(server.answer("Ann"))
    await server.at_work.wait()
    bob = asyncio.create_task(server.answer("Bob"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(bob), 0.5)
    assert server.called == ["look Ann", "stay Ann Lee"]
    server.let_go.set()
    assert [await ann, await bob] == [ANN[1], BOB[1]]
    assert await server.said() == ANN + BOB
