"""Strings that break software, as questions and as documents, through the whole agent."""

import json
from pathlib import Path

import pytest

from agent_graph import Answer, build_agent
from agent_graph.guardrails import printable
from agent_graph.testing import ScriptedModel
from retrieval import open_knowledge

HERE = Path(__file__).parent
LINES = (HERE / "naughty_strings.jsonl").read_text("utf-8").split("\n")
STRINGS = [json.loads(line)["s"] for line in LINES if line]
ASKABLE = [text for text in STRINGS if text.strip()][:200]


@pytest.mark.xdist_group("naughty")
def test_every_naughty_string_is_a_question_like_any_other(tmp_path: Path) -> None:
    """200 strings asked of a document made of all of them: each ends with a printable answer."""
    document = tmp_path / "naughty.txt"
    document.write_text(
        "\n\n".join(f"Number {n}: {text}" for n, text in enumerate(STRINGS)), "utf-8", "replace"
    )
    with open_knowledge(tmp_path / "knowledge") as knowledge:
        assert knowledge.ingest([document]).ok
        agent = build_agent(models="extractive", knowledge=knowledge)
        answers: list[Answer] = [agent.invoke({"task": text})["answer"] for text in ASKABLE]
    assert len(answers) == 200
    assert all(answer.text and answer.text == printable(answer.text) for answer in answers)


def test_naughty_strings_survive_as_arguments_values_and_answers() -> None:
    """A model that repeats them in its plan and answer breaks nothing, and the value arrives unchanged."""

    def echo(text: str) -> str:
        """Return the text."""
        return text

    for text in ASKABLE:
        plan = f"#E1 = echo({json.dumps({'text': text})})"
        model = ScriptedModel([plan, f"{text} [E1]."])
        agent = build_agent(models=model, tools=[echo], effects={"echo": "reads"})
        result = agent.invoke({"task": text})
        assert result["evidence"]["E1"].value == text
        assert result["answer"].text == printable(result["answer"].text)
