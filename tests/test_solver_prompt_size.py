"""How much a run's models read: the six steps on which agents were compared, with 10,000 characters a result.

Two searches feed two more, and two short comparisons join them (E1 -> E2, E3; E2, E3 -> E4; E3 -> E5;
E4, E5 -> E6): four results are long, two are short. So evidence alone is 40,000 characters; what repeats it in
every filled argument reads 100,000 and more, and a loop that reads all results again in every turn 126,000.
"""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool, tool

from agent_graph import Context, build_agent, tokens
from agent_graph.evidence import Evidence
from agent_graph.references import StepId
from agent_graph.solver import prompt
from agent_graph.testing import ScriptedModel
from retrieval import open_knowledge

LENGTH = 10_000
TASK = "Which of the two harbours was deepened first, and did the treaty of the first mention the second?"
PLAN = """\
Plan: find the treaty, then both harbours, then compare.
#E1 = search(query="treaty on the harbours")  # the treaty
#E2 = read(text="#E1", about="first harbour")  # when it was deepened
#E3 = read(text="#E1", about="second harbour")  # when it was deepened
#E4 = compare(left="#E2", right="#E3")  # which was first
#E5 = read(text="#E3", about="mention of the treaty")  # whether it is mentioned
#E6 = compare(left="#E4", right="#E5")  # both together
"""
ANSWER = "The first one was deepened first [E4][E6]."


def long_text(name: str) -> str:
    """Return 10,000 characters in sentences, no two texts or sentences alike."""
    sentences = (
        f"The {name} report says in part {n} that the water stood {n} feet high." for n in range(200)
    )
    return " ".join(sentences)[:LENGTH].rstrip()


TEXTS = {
    "": long_text("treaty"),
    "first harbour": long_text("northern"),
    "second harbour": long_text("southern"),
    "mention of the treaty": long_text("later"),
}


@pytest.fixture
def six_steps() -> list[BaseTool]:
    """A search and a reader that return 10,000 characters, a comparison that returns one word."""

    @tool
    async def search(query: str) -> str:
        """Search."""
        return TEXTS[""]

    @tool
    async def read(text: str, about: str) -> str:
        """Read what a text leads to."""
        return TEXTS[about]

    @tool
    async def compare(left: str, right: str) -> str:
        """Compare two texts."""
        return "left"

    for one in (search, read, compare):
        one.metadata = {"effects": "reads"}
    return [search, read, compare]


def run(tools: list[BaseTool], evidence_tokens: int) -> tuple[list[list[BaseMessage]], dict[str, Any]]:
    """Run the six steps and return what every model call read, and the result."""
    model = ScriptedModel([PLAN, ANSWER])
    agent = build_agent(models=model, tools=tools)
    result = agent.invoke({"task": TASK}, context=Context(evidence_tokens=evidence_tokens))
    assert all(one.ok for one in result["evidence"].values())
    return model.prompts, result


def characters(messages: list[BaseMessage]) -> int:
    return sum(len(str(message.content)) for message in messages)


def test_without_a_budget_planner_and_solver_read_little_more_than_the_evidence(
    six_steps: list[BaseTool],
) -> None:
    """Four long results are 40,000 characters; everything else in both prompts is at most 5,000."""
    prompts, _ = run(six_steps, evidence_tokens=500_000)
    assert len(prompts) == 2
    assert 4 * LENGTH < sum(map(characters, prompts)) <= 45_000


def test_each_result_is_read_once_in_all_prompts_of_a_run(six_steps: list[BaseTool]) -> None:
    """Neither the planner nor filled arguments show a result again: every one of the long texts occurs once."""
    prompts, _ = run(six_steps, evidence_tokens=500_000)
    read = "\n".join(str(message.content) for messages in prompts for message in messages)
    assert [read.count(text) for text in TEXTS.values()] == [1, 1, 1, 1]


@pytest.mark.parametrize("budget", [200, 1000, 6000])
def test_with_a_budget_the_solver_reads_the_budget_and_the_fixed_part(
    six_steps: list[BaseTool], budget: int
) -> None:
    """What is fixed is the same prompt with empty results; the evidence adds no more than its budget."""
    prompts, result = run(six_steps, budget)
    empty = {
        StepId(step): Evidence(step=StepId(step), tool="t", status="ok", value="")
        for step in result["evidence"]
    }
    fixed = prompt.build(TASK, result["plan"], empty).messages
    read, least = (sum(tokens.estimate(str(m.content)) for m in each) for each in (prompts[1], fixed))
    assert budget // 2 < read - least <= budget
    assert "characters left out]" in str(prompts[1][-1].content)
    assert "[E4] left" in str(prompts[1][-1].content)


def test_an_extract_step_reads_its_argument_and_nothing_else_reads_it_again(tmp_path: Path) -> None:
    """With the default tools, a passage is in the extract step's filled argument and once in the solver's prompt."""
    late = "The harbour of Aalborg was deepened in 1894."
    document = tmp_path / "harbour.txt"
    document.write_text(
        f"Much was written about the town and its people in those days. {'It rained. ' * 20}{late}"
    )
    plan = (
        '#E1 = search_documents(query="when the harbour of Aalborg was deepened", k=1)\n'
        '#E2 = extract(question="In which year was the harbour deepened?", text="#E1")\n'
    )
    script = {"<evidence": "In 1894 [E1.1][E2].", "Value:": "1894", "Question: ": plan}
    with open_knowledge(tmp_path / "knowledge") as knowledge:
        knowledge.ingest([document])
        model = ScriptedModel(script)
        result = build_agent(models=model, knowledge=knowledge).invoke({"task": "When was it deepened?"})
    assert result["evidence"]["E2"].value == 1894
    planner, extract, solver = ("\n".join(str(m.content) for m in messages) for messages in model.prompts)
    assert [read.count(late) for read in (planner, extract, solver)] == [0, 1, 1]
