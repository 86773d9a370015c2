import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agent_graph.bootstrap import open_default_knowledge
from agent_graph.cli import eval as eval_command
from agent_graph.settings import read_settings

QUESTIONS = (
    "question,answer\nWho built the Skerry lighthouse?,Ada Thorne\nWhich club did Leonard Francis join?,\n"
)

app = typer.Typer()
app.command("eval")(eval_command.command)


@pytest.fixture
def questions(tmp_path: Path) -> str:
    """Ingest a document where the settings say, and return a file of questions about it."""
    document = tmp_path / "lighthouse.txt"
    document.write_text("The Skerry lighthouse was built in 1811 by Ada Thorne.", encoding="utf-8")
    with open_default_knowledge(read_settings()) as knowledge:
        knowledge.ingest([document])
    file = tmp_path / "questions.csv"
    file.write_text(QUESTIONS, encoding="utf-8")
    return str(file)


def test_a_file_of_questions_is_scored_in_a_table(questions: str) -> None:
    """A person sees who answered and how often the right answer was found."""
    done = CliRunner().invoke(app, [questions])
    assert done.exit_code == 0
    assert "planner: extractive mode (2)" in done.stdout
    assert "right answer found in the cited passages" in done.stdout
    assert "100.0% of 1 (mean recall 1.000)" in done.stdout


def test_a_machine_gets_one_document_and_the_files(questions: str, tmp_path: Path) -> None:
    """--json prints every row and nothing else on stdout; --out keeps both reports."""
    done = CliRunner().invoke(app, [questions, "--json", "--limit", "1", "--out", str(tmp_path / "out")])
    printed = json.loads(done.stdout)
    assert [row["id"] for row in printed["rows"]] == ["1"]
    assert printed["summary"]["in_answer_found"] == 1.0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.json", "report.md"]


def test_a_collection_that_is_empty_is_said_before_anything_is_asked(questions: str) -> None:
    """The error is a sentence with the next command."""
    done = CliRunner().invoke(app, [questions, "--collection", "elsewhere"])
    assert "agent-graph ingest PATH --collection elsewhere" in str(done.exception)
