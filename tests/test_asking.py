"""Tools that ask a person: paused, run again from their start with the answers so far, wherever they run."""

from typing import Any

import pytest
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from agent_graph import Agent, Context, build_agent
from agent_graph.testing import ScriptedModel

THREAD: Any = {"configurable": {"thread_id": "1"}}
NEVER = Context(approval="never", max_replans=0)


def asking(begun: list[str], done: list[str]) -> BaseTool:
    @tool
    async def move(to: str) -> str:
        """Move, after asking twice."""
        begun.append(to)
        when = interrupt({"question": "when?", "to": to})
        how = interrupt("how?")
        done.append(f"{to} {when} {how}")
        return f"moved to {to}"

    return move


def agent(plan: str, *tools: Any, effects: Any) -> Agent:
    model = ScriptedModel([plan, "Done [E1]."])
    return build_agent(models=model, tools=tools, effects=effects, checkpointer=InMemorySaver())


def questions(state: Any) -> list[Any]:
    return [one.value for one in state["__interrupt__"]]


@pytest.mark.parametrize("effects", ["reads", "writes"])
async def test_a_tool_begins_once_for_each_answer(effects: str) -> None:
    """Two questions are three beginnings and one deed, and the second beginning knows the first answer."""
    begun: list[str] = []
    done: list[str] = []
    mover = agent('#E1 = move(to="Aachen")', asking(begun, done), effects={"move": effects})
    first = await mover.ainvoke({"task": "go"}, THREAD, context=NEVER)
    assert questions(first) == [{"question": "when?", "to": "Aachen"}]
    second = await mover.ainvoke(Command(resume="today"), THREAD)
    assert (questions(second), len(begun), done) == (["how?"], 2, [])
    result = await mover.ainvoke(Command(resume={"by": "train", "cost": None}), THREAD)
    assert (len(begun), done) == (3, ["Aachen today {'by': 'train', 'cost': None}"])
    assert (result["evidence"]["E1"].value, result["evidence"]["E1"].attempts) == ("moved to Aachen", 1)


async def test_what_did_not_ask_gets_no_answer() -> None:
    """An answer is for the step that asked: a later one's question is put to the person."""
    begun: list[str] = []
    done: list[str] = []
    plan = '#E1 = move(to="Aachen")\n#E2 = move(to="Basel") after #E1\n'
    mover = agent(plan, asking(begun, done), effects={"move": "writes"})
    await mover.ainvoke({"task": "go"}, THREAD, context=NEVER)
    await mover.ainvoke(Command(resume="today"), THREAD)
    third = await mover.ainvoke(Command(resume="by train"), THREAD)
    assert (questions(third), done) == ([{"question": "when?", "to": "Basel"}], ["Aachen today by train"])
    await mover.ainvoke(Command(resume="tomorrow"), THREAD)
    await mover.ainvoke(Command(resume="on foot"), THREAD)
    assert done == ["Aachen today by train", "Basel tomorrow on foot"]
    assert begun == ["Aachen"] * 3 + ["Basel"] * 3


async def test_several_ask_twice_at_once() -> None:
    """Parallel steps keep their questions and answers apart, also when they are at different ones."""
    begun: list[str] = []
    done: list[str] = []
    plan = '#E1 = move(to="Aachen")\n#E2 = move(to="Basel")\n'
    mover = agent(plan, asking(begun, done), effects={"move": "reads"})
    state: Any = await mover.ainvoke({"task": "go"}, THREAD, context=NEVER)
    first, second = sorted(state["__interrupt__"], key=lambda one: str(one.value["to"]))
    state = await mover.ainvoke(Command(resume={first.id: "today"}), THREAD)
    asked = {one.id: one.value for one in state["__interrupt__"]}
    assert sorted(map(str, asked.values())) == ["how?", str(second.value)]
    answers = {one: "by train" if what == "how?" else "tomorrow" for one, what in asked.items()}
    state = await mover.ainvoke(Command(resume=answers), THREAD)
    assert (questions(state), done) == (["how?"], ["Aachen today by train"])
    await mover.ainvoke(Command(resume="on foot"), THREAD)
    assert done == ["Aachen today by train", "Basel tomorrow on foot"]


async def test_a_question_shows_what_its_answer_should_be() -> None:
    """The schema of a typed question is shown to whoever answers, and the tool gets the typed answer."""

    class Day(BaseModel):
        day: int

    @tool
    def book(to: str) -> int:
        """Book a day."""
        chosen = interrupt("which day?", response_schema=Day)
        assert isinstance(chosen, Day)
        return chosen.day

    booker = agent('#E1 = book(to="Aachen")', book, effects={"book": "reads"})
    state: Any = await booker.ainvoke({"task": "go"}, THREAD, context=NEVER)
    assert state["__interrupt__"][0].response_schema["properties"]["day"]["type"] == "integer"
    result = await booker.ainvoke(Command(resume={"day": 12}), THREAD)
    assert result["evidence"]["E1"].value == 12
