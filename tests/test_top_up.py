"""What is missing is looked for once more, within bounds, and what stays missing is said."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agent_graph import Context, build_agent
from agent_graph.testing import ScriptedModel
from retrieval.documents import Document
from retrieval.knowledge import Knowledge, open_knowledge

NOTHING = "Plan: no tool is needed."
MISSING = "INSUFFICIENT: the year of the charter of Aachen"


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    """Two short documents."""
    opened = open_knowledge(str(tmp_path / "index"))
    texts = {"aachen": "The charter of Aachen was granted in 1266.", "ships": "Ships sailed north in winter."}
    opened.add([Document(address=name, title=name, text=text) for name, text in texts.items()])
    yield opened
    opened.close()


async def test_the_documents_are_searched_once_more(
    knowledge: Knowledge, events_of: Callable[..., Any]
) -> None:
    """A plan that brought no passages and an answer that lacks something: one search, one more answer."""
    model = ScriptedModel([NOTHING, MISSING, "In 1266 [E1.1]."])
    agent = build_agent(models=model, knowledge=knowledge)
    events = await events_of(agent, "When was it granted?")
    answer = events[-1].answer
    assert (answer.text, answer.insufficient) == ("In 1266 [E1.1].", "")
    assert answer.citations[0].source.document == "aachen"
    kinds = [event.type for event in events if getattr(event, "step", None)]
    assert kinds == ["plan_step_written", "step_started", "step_finished"]


async def test_the_search_stands_in_plan_evidence_and_usage(knowledge: Knowledge) -> None:
    """Everything that shows a run shows the solver's own search as a step."""
    agent = build_agent(models=ScriptedModel([NOTHING, MISSING, "In 1266 [E1.1]."]), knowledge=knowledge)
    result = await agent.ainvoke({"task": "When was it granted?"})
    step = result["plan"].steps[0]
    assert (step.id, step.tool) == ("E1", "search_documents")
    assert "the year of the charter of Aachen" in step.args["query"]
    assert result["evidence"]["E1"].ok
    assert (result["usage"]["solver"].calls, result["usage"].steps["E1"].calls) == (2, 1)


async def test_a_search_that_brings_nothing_new_is_not_answered_twice(knowledge: Knowledge) -> None:
    """The passages are there already, so the solver is not asked again."""
    model = ScriptedModel(['#E1 = search_documents(query="charter of Aachen", k=6)', MISSING])
    agent = build_agent(models=model, knowledge=knowledge)
    result = await agent.ainvoke({"task": "When?"}, context=Context(max_replans=0))
    assert len(model.calls) == 2
    assert result["answer"].insufficient == "the year of the charter of Aachen"
    assert len(result["plan"].steps) == 1


async def test_with_passages_at_hand_a_new_plan_comes_first(knowledge: Knowledge) -> None:
    """A plan that searched and found something is replaced by another plan, not by the same search."""
    replies = [
        '#E1 = search_documents(query="ships", k=1)',
        MISSING,
        '#E2 = search_documents(query="charter of Aachen", k=1)',
        "In 1266 [E2.1].",
    ]
    agent = build_agent(models=ScriptedModel(replies), knowledge=knowledge)
    result = await agent.ainvoke({"task": "When?"})
    assert (result["answer"].text, len(result["replans"])) == ("In 1266 [E2.1].", 1)


async def test_nothing_is_searched_that_nobody_approved(knowledge: Knowledge) -> None:
    """Where every plan needs approval, the solver does not search by itself."""
    model = ScriptedModel([NOTHING, MISSING])
    agent = build_agent(models=model, knowledge=knowledge, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    result = await agent.ainvoke({"task": "When?"}, thread, context=Context(approval="always", max_replans=0))
    assert (len(model.calls), result["evidence"]) == (2, {})


async def test_after_the_last_search_the_answer_is_what_there_is(knowledge: Knowledge) -> None:
    """What stays missing is said beside what is known, and nothing is asked a third time."""
    partial = f"{MISSING}\nShips sailed north [E1.1]."
    model = ScriptedModel([NOTHING, MISSING, partial])
    agent = build_agent(models=model, knowledge=knowledge)
    result = await agent.ainvoke({"task": "When?"}, context=Context(max_replans=0))
    answer = result["answer"]
    assert answer.insufficient == "the year of the charter of Aachen"
    assert answer.text.startswith("Ships sailed north [E1.1].")
    assert "the year of the charter of Aachen" in answer.text
    assert len(model.calls) == 3
