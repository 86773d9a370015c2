"""A conversation: follow-ups see what was said, and long ones stay small."""

from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from agent_graph import Context, build_agent
from agent_graph.testing import ScriptedModel

THREAD = {"configurable": {"thread_id": "1"}}


@tool
async def look(name: str) -> dict[str, Any]:
    """Look up a person."""
    return {
        "name": name,
        "age": len(name),
        "about": f"{name} has lived in the north since {1900 + len(name)}.",
    }


look.metadata = {"effects": "reads"}


def reads(prompt: list[BaseMessage]) -> str:
    return "\n".join(str(message.text) for message in prompt)


async def test_a_follow_up_may_cite_what_an_earlier_answer_rested_on() -> None:
    """The solver is shown it under an id of its own, apart from this turn's, and a citation of it resolves."""
    replies = ['#E1 = look(name="Ann")', "Ann is 3 [E1].", "Plan: no tool.", "As said, Ann is 3 [E9001]."]
    model = ScriptedModel(replies)
    agent = build_agent(models=model, tools=[look], checkpointer=InMemorySaver())
    await agent.ainvoke({"task": "How old is Ann?"}, THREAD)
    result = await agent.ainvoke({"task": "Say it again?"}, THREAD)
    assert "[E9001]" in reads(model.prompts[3])
    assert result["answer"].text == "As said, Ann is 3 [E9001]."
    assert result["answer"].forged == ()
    assert "Ann" in result["answer"].citations[0].quote
    assert result["evidence"] == {}


async def test_what_was_not_cited_is_not_carried_over() -> None:
    """Only the sentences an answer rests on stay; an id of the earlier turn itself is forged."""
    plan = '#E1 = look(name="Ann")\n#E2 = look(name="Bob")'
    replies = [plan, "Ann is 3 [E1].", "Plan: no tool.", "Bob too [E2], and [E9002]."]
    model = ScriptedModel(replies)
    agent = build_agent(models=model, tools=[look], checkpointer=InMemorySaver())
    await agent.ainvoke({"task": "How old is Ann?"}, THREAD)
    result = await agent.ainvoke({"task": "And Bob?"}, THREAD)
    assert "Bob has lived" not in reads(model.prompts[3])
    assert set(result["answer"].forged) == {"E2", "E9002"}


async def test_planner_and_solver_read_the_conversation() -> None:
    """ "And the second one?" can only be understood with what came before."""
    model = ScriptedModel(["Plan: none.", "The first is Ryswick.", "Plan: none.", "Aachen."])
    agent = build_agent(models=model, tools=[look], checkpointer=InMemorySaver())
    await agent.ainvoke({"task": "Which treaty was first?"}, THREAD)
    await agent.ainvoke({"task": "And the second one?"}, THREAD)
    for prompt in model.prompts[2:]:
        assert "The first is Ryswick." in reads(prompt)
        assert "Which treaty was first?" in reads(prompt)


async def test_a_hundred_turns_stay_small() -> None:
    """Neither prompts nor checkpoints grow with the length of the conversation, once it is long."""

    def reply(messages: list[BaseMessage]) -> str:
        if "The plan that was run" in reads(messages):
            return "She lives in the north [E1]. " + "It is well known, and was said before. " * 10
        return '#E1 = look(name="Ann")'

    saver = InMemorySaver()
    model = ScriptedModel(reply)
    agent = build_agent(models=model, tools=[look], checkpointer=saver)
    prompts, checkpoints = [], []
    for turn in range(100):
        question = f"Question {turn}: where does Ann live? " + "Please be exact. " * 10
        result = await agent.ainvoke({"task": question}, THREAD, context=Context(history_messages=20))
        kept = await saver.aget_tuple(THREAD)
        assert kept is not None
        prompts.append(sum(len(reads(prompt)) for prompt in model.prompts[-2:]))
        checkpoints.append(len(saver.serde.dumps_typed(kept.checkpoint)[1]))
    assert len(result["messages"]) <= 22
    assert max(prompts[50:]) <= 1.05 * max(prompts[20:50])
    assert max(checkpoints[50:]) <= 1.05 * max(checkpoints[20:50])
