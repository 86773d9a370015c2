"""What a run keeps beside its checkpoints: marks of steps about to act, and values too large for the state."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command, interrupt

from agent_graph import Context, build_agent
from agent_graph.errors import UserError
from agent_graph.journal import MARKS
from agent_graph.testing import ScriptedModel

THREAD = {"configurable": {"thread_id": "1"}}
NEVER = Context(approval="never")


@tool
async def page(name: str) -> list[dict[str, str]]:
    """Return a page, too large for a checkpoint."""
    return [{"name": name, "text": f"{number} " + "word " * 1000} for number in range(60)]


@tool
async def measure(rows: list[dict[str, str]], text: str = "") -> dict[str, int]:
    """Return the size of what came."""
    return {"rows": len(rows), "characters": sum(len(row["text"]) for row in rows), "text": len(text)}


def reading() -> list[BaseTool]:
    """The two tools above, marked as reads."""
    for one in (page, measure):
        one.metadata = {"effects": "reads"}
    return [page, measure]


PLAN = '#E1 = page(name="a")\n#E2 = measure(rows="#E1", text="#E1[0].text")\n#E3 = measure(rows="#E1")'


@pytest.mark.parametrize("eager", [True, False])
async def test_a_large_value_reaches_later_steps_whole_and_checkpoints_not_at_all(
    tmp_path: Path, eager: bool
) -> None:
    """The value is stored once, whatever refers to it, and brought back for whoever asks."""
    file = tmp_path / "threads.sqlite"
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        agent = build_agent(models=ScriptedModel([PLAN, "Many [E2]."]), tools=reading(), checkpointer=saver)
        result = await agent.ainvoke({"task": "How many?"}, THREAD, context=Context(eager=eager))
        sizes = [len(str(one.checkpoint)) async for one in saver.alist(THREAD)]
        whole = await agent.avalue(THREAD, "E1")
    characters = sum(len(row["text"]) for row in whole)
    assert result["evidence"]["E2"].value == {
        "rows": 60,
        "characters": characters,
        "text": len(whole[0]["text"]),
    }
    assert result["evidence"]["E3"].value["rows"] == 60
    assert max(sizes) < 30_000
    assert file.stat().st_size < 2 * characters
    assert whole == await page.ainvoke({"name": "a"})
    first = result["evidence"]["E1"]
    assert (first.ok, first.value) == (True, None)
    assert first.text.startswith('[{"name": "a"')
    assert result["evidence"]["E2"].args["rows"] == "#E1"


async def test_without_a_checkpointer_a_large_value_stays_where_it_is() -> None:
    """Nothing is stored, so nothing has to be kept small."""
    agent = build_agent(models=ScriptedModel([PLAN, "Many [E2]."]), tools=reading())
    result = await agent.ainvoke({"task": "How many?"})
    assert len(result["evidence"]["E1"].value) == 60


async def test_a_later_plan_may_use_a_large_value_of_an_earlier_one() -> None:
    """What a first plan found large is whole again for the plan after it."""
    replies = ['#E1 = page(name="a")', "INSUFFICIENT: the size", '#E2 = measure(rows="#E1")', "60 [E2]."]
    agent = build_agent(models=ScriptedModel(replies), tools=reading(), checkpointer=InMemorySaver())
    result = await agent.ainvoke({"task": "How many?"}, THREAD)
    assert result["evidence"]["E2"].value["rows"] == 60


async def test_a_value_that_is_not_there_says_so() -> None:
    """Asking for the value of a step that has none names the step."""
    agent = build_agent(models=ScriptedModel(["Plan: none.", "Hi."]), tools=[], checkpointer=InMemorySaver())
    await agent.ainvoke({"task": "hi"}, THREAD)
    with pytest.raises(UserError, match="#E1 has no value"):
        await agent.avalue(THREAD, "E1")


async def test_a_writing_tool_may_ask_a_person() -> None:
    """Its pause is no crash: after the answer it runs, once."""
    sent: list[str] = []

    @tool
    async def send(to: str) -> str:
        """Send, after asking."""
        sure = interrupt(f"send to {to}?")
        also = interrupt("really?")
        sent.append(f"{to} {sure} {also}")
        return "sent"

    agent: Any = build_agent(
        models=ScriptedModel(['#E1 = send(to="Ann")', "Sent [E1]."]),
        tools=[send],
        effects={"send": "writes"},
        checkpointer=InMemorySaver(),
    )
    first = await agent.ainvoke({"task": "go"}, THREAD, context=NEVER)
    assert first["__interrupt__"][0].value == "send to Ann?"
    second = await agent.ainvoke(Command(resume="yes"), THREAD)
    assert (second["__interrupt__"][0].value, sent) == ("really?", [])
    result = await agent.ainvoke(Command(resume="truly"), THREAD)
    assert (result["answer"].text, sent) == ("Sent [E1].", ["Ann yes truly"])


async def test_several_tools_may_ask_at_once() -> None:
    """Every question of parallel steps is asked in the same pause."""

    @tool
    async def ask(what: str) -> str:
        """Ask a person."""
        return str(interrupt(what))

    ask.metadata = {"effects": "reads"}
    plan = '#E1 = ask(what="left?")\n#E2 = ask(what="right?")'
    agent: Any = build_agent(
        models=ScriptedModel([plan, "Both [E1][E2]."]), tools=[ask], checkpointer=InMemorySaver()
    )
    paused = await agent.ainvoke({"task": "go"}, THREAD)
    asked = {one.id: one.value for one in paused["__interrupt__"]}
    assert sorted(asked.values()) == ["left?", "right?"]
    answers = {one: f"yes, {what}" for one, what in asked.items()}
    result = await agent.ainvoke(Command(resume=answers), THREAD)
    assert [one.value for one in result["evidence"].values()] == ["yes, left?", "yes, right?"]


class Broken(InMemorySaver):
    """A checkpointer whose connection breaks when the first mark is to be stored."""

    breaks = True

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        if self.breaks and any(channel == MARKS for channel, _ in writes):
            self.breaks = False
            raise ConnectionError("the server went away")
        await super().aput_writes(config, writes, task_id, task_path)


async def test_a_write_that_could_not_be_marked_is_done_when_the_run_is_resumed() -> None:
    """A checkpointer that breaks before a tool acts ends the run, not the step; resumed, the tool acts once."""
    sent: list[str] = []

    @tool
    async def send(text: str) -> str:
        """Send a text."""
        sent.append(text)
        return "sent"

    send.metadata = {"effects": "writes"}
    model = ScriptedModel(['#E1 = send(text="hello")', "It was sent [E1]."])
    agent = build_agent(models=model, tools=[send], checkpointer=Broken())
    with pytest.raises(ConnectionError):
        await agent.ainvoke({"task": "Send hello"}, THREAD, context=NEVER)
    assert sent == []
    result = await agent.ainvoke(None, THREAD, context=NEVER)
    assert result["answer"].text == "It was sent [E1]."
    assert sent == ["hello"]
