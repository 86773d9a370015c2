"""Asking from the command line: without a model, with one over real HTTP, in a conversation, with approval."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_terminal import piped, terminal

from agent_graph.cli import main
from agent_graph.testing import OpenAIServer

NOTES = (
    "The harbour of Ryswick was deepened in 1894 and the work cost 300 guilders.",
    "The lighthouse of Ryswick was built in 1871 by Anna de Vries.",
)
QUESTION = "How many years lie between the lighthouse and the deepening of the harbour?"
PLAN = (
    'Plan: find both years, then subtract.\n#E1 = search_documents(query="harbour deepened", k=2)\n'
    '#E2 = calculator(expression="1894 - 1871")  # the years between\n'
)
ANSWER = "They lie 23 years apart [E2]. The harbour came in 1894 [E1.1]. Cheese is made on 17 moons. It is so [E9]."
REPLIES = {"The plan that was run": ANSWER, "Question: ": PLAN}


@pytest.fixture
def notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Two ingested notes."""
    for number, text in enumerate(NOTES):
        (tmp_path / f"note{number}.txt").write_text(text)
    assert main(["ingest", *(str(path) for path in sorted(tmp_path.glob("note*.txt")))]) == 0
    capsys.readouterr()
    return tmp_path


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    """A model that plans and answers from a script, over HTTP."""
    with OpenAIServer(REPLIES, models=["gpt-5-mini"]) as server:
        yield server


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return what `ask --json` printed on stdout, which is one document."""
    assert main(["ask", "--json", *arguments]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_an_answer_without_a_model(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Extractive mode answers with the sentence, its source and its place, and says that it is extractive mode."""
    assert main(["ask", "When was the harbour of Ryswick deepened?"]) == 0
    captured = capsys.readouterr()
    assert "deepened in 1894" in captured.out
    assert "[E1.1] note0, line 1" in captured.out
    assert "no language model is configured; answers are quoted sentences" in captured.out
    assert "#E1 = search_documents(" in captured.err
    assert "#E1 ok" in captured.err


def test_the_json_of_a_run(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine gets task, mode, plan, evidence, answer with citations, usage and seconds."""
    run = asked(capsys, "When was the harbour of Ryswick deepened?")
    assert set(run) >= {"task", "mode", "plan", "evidence", "answer", "usage", "seconds", "thread", "replans"}
    assert run["mode"] == "extractive mode"
    assert run["plan"]["steps"][0] | {"args": {}} == {
        "id": "E1",
        "tool": "search_documents",
        "args": {},
        "reason": "",
        "needs": [],
        "after": [],
        "wave": 1,
    }
    assert run["evidence"]["E1"]["status"] == "ok"
    value, sentence = run["answer"]["citations"]
    assert (value["document"], value["quote"]) == (sentence["document"], sentence["quote"])
    assert sentence["document"].endswith("note0.txt")
    assert sentence["quote"] == NOTES[0]
    assert (sentence["title"], sentence["location"]) == ("note0", "line 1")
    assert run["usage"]["tools"]["calls"] == 1


def test_a_pipe_gets_the_answer_alone(notes: Path, model: OpenAIServer) -> None:
    """In a pipe stdout holds answer, sources, doubts and cost; how it went is on stderr."""
    ended = piped(["ask", QUESTION], OPENAI_BASE_URL=model.base_url)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.lstrip().startswith(
        "solver   They lie 23 years apart [E2]. The harbour came in 1894 [E1.1]."
    )
    assert "[E2] calculator(1894 - 1871) = 23" in ended.stdout
    assert "not supported by any evidence: Cheese is made on 17 moons." in ended.stdout
    assert "numbers that stand in no evidence and that no step calculated: 17" in ended.stdout
    assert "citations that lead nowhere were removed: E9" in ended.stdout
    assert "2 model calls" in ended.stdout
    assert "openai:gpt-5-mini" in ended.stdout
    assert "\x1b" not in ended.stdout + ended.stderr
    assert "planner  find both years, then subtract." in ended.stderr


def test_a_terminal_sees_the_run_and_then_the_answer(notes: Path, model: OpenAIServer) -> None:
    """On a terminal the steps are repainted, and what stays is one table and the checked answer."""
    with terminal(["ask", QUESTION], OPENAI_BASE_URL=model.base_url) as screen:
        assert screen.ended() == 0
    shown = screen.seen.decode()
    assert "✓" in shown
    assert "\x1b[38" in shown
    assert "2 passages" in shown
    assert "[E9]" not in shown.rpartition("sources")[2]


def test_no_colour_when_asked(notes: Path) -> None:
    """NO_COLOR is kept to on a terminal."""
    with terminal(["ask", "When was the harbour deepened?"], NO_COLOR="1") as screen:
        assert screen.ended() == 0
    assert "\x1b[38" not in screen.seen.decode()
    assert "1894" in screen.seen.decode()


def test_json_is_quiet(notes: Path) -> None:
    """With --json a script finds nothing on stderr and one document on stdout."""
    ended = piped(["ask", "--json", "When was the harbour deepened?"])
    assert ended.stderr == ""
    assert json.loads(ended.stdout)["answer"]["citations"]


def test_no_stream_tells_no_progress(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--no-stream leaves stderr empty."""
    assert main(["ask", "--no-stream", "When was the harbour deepened?"]) == 0
    assert capsys.readouterr().err == ""


def test_without_documents_it_says_so_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing ingested is said, with the command to mend it; what needs no document is answered."""
    assert main(["ask", "2 + 2"]) == 0
    captured = capsys.readouterr()
    assert "2 + 2 = 4" in captured.out
    assert "agent-graph ingest PATH" in captured.err


def test_a_thread_is_a_conversation(
    notes: Path, model: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second question on a thread, in another process, is asked with the first one in the prompt."""
    for question in (QUESTION, "And which came first?"):
        ended = piped(["ask", question, "--thread", "ryswick", "--json"], OPENAI_BASE_URL=model.base_url)
        assert ended.returncode == 0, ended.stderr
    prompts = [json.dumps(request.body.get("messages", [])) for request in model.requests]
    assert sum("And which came first?" in prompt and QUESTION in prompt for prompt in prompts) >= 1
    assert (Path(os.environ["AGENT_GRAPH_HOME"]) / "threads.sqlite").exists()


def test_a_kept_run_is_explained(notes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`explain` shows plan, evidence and what supports each claim of the last run, and writes the page."""
    question = "When was the lighthouse of Ryswick built?"
    first = asked(capsys, question, "--thread", "light")
    assert main(["explain"]) == 0
    shown = capsys.readouterr().out
    assert question in shown
    assert "claim    The lighthouse of Ryswick was built in 1871" in shown
    assert "search_documents" in shown
    page = tmp_path / "run.html"
    assert main(["explain", "--thread", "light", "--html", str(page), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["answer"] == first["answer"]
    assert run["mermaid"].count("search_documents") == 1
    assert "<html" in page.read_text()
    assert main(["explain", "--mermaid"]) == 0
    assert "flowchart" in capsys.readouterr().out


def test_approval_without_a_person_runs_nothing(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When a plan needs approval and nobody is there, it says how to give it beforehand and ends with 1."""
    ended = piped(["ask", "When was the harbour deepened?", "--approval", "always"])
    assert ended.returncode == 1
    assert "--yes" in ended.stderr
    assert "#E1 ok" not in ended.stderr
    assert ended.stdout == ""
    assert asked(capsys, "When was the harbour deepened?", "--approval", "always", "--yes")["answer"][
        "citations"
    ]


def test_a_person_approves(notes: Path, model: OpenAIServer) -> None:
    """The plan is shown and runs after the person's word; a key that means nothing is asked again."""
    with terminal(["ask", QUESTION, "--approval", "always"], OPENAI_BASE_URL=model.base_url) as screen:
        assert "#E2 = calculator(" in screen.until(r"a/e/r]: ")
        screen.type("?\n")
        screen.until(r"a/e/r]: ")
        screen.type("a\n")
        assert screen.ended() == 0
    assert "23 years apart" in screen.seen.decode()


def test_a_person_rejects_with_a_reason(notes: Path, model: OpenAIServer) -> None:
    """The planner reads the reason and plans again, and that plan is asked about too."""
    with terminal(["ask", QUESTION, "--approval", "always"], OPENAI_BASE_URL=model.base_url) as screen:
        screen.until(r"a/e/r]: ")
        screen.type("r\n")
        screen.until("why")
        screen.type("no sums on Sundays\n")
        screen.until(r"a/e/r]: ")
        screen.type("a\n")
        assert screen.ended() == 0
    assert any("no sums on Sundays" in json.dumps(request.body) for request in model.requests)


def test_a_person_edits_the_plan(notes: Path, model: OpenAIServer, tmp_path: Path) -> None:
    """What the person leaves in the editor is checked, and what they approved of is what runs."""
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, sys\nplan = pathlib.Path(sys.argv[1])\n"
        "plan.write_text(plan.read_text().replace('1894 - 1871', '1894 - 1872'))\n"
    )
    environment = {"OPENAI_BASE_URL": model.base_url, "EDITOR": f"{sys.executable} {editor}", "VISUAL": ""}
    with terminal(["ask", QUESTION, "--approval", "always"], **environment) as screen:
        screen.until(r"a/e/r]: ")
        screen.type("e\n")
        assert screen.ended() == 0
    assert "= 22" in screen.seen.decode()


def test_ctrl_c_at_the_question(notes: Path, model: OpenAIServer) -> None:
    """Ctrl-C while the plan waits for approval ends the command at once with 130."""
    with terminal(["ask", QUESTION, "--approval", "always"], OPENAI_BASE_URL=model.base_url) as screen:
        screen.until(r"a/e/r]: ")
        assert screen.interrupt() == 130
    assert "Stopped." in screen.seen.decode()


def test_ctrl_c_while_a_model_writes(notes: Path) -> None:
    """Ctrl-C in the middle of a slow plan ends with 130 and no traceback."""
    with (
        OpenAIServer(REPLIES, models=["m"], chunk_size=1, characters_per_second=20) as slow,
        terminal(["ask", QUESTION], OPENAI_BASE_URL=slow.base_url) as screen,
    ):
        screen.until("writes the plan")
        assert screen.interrupt() == 130
    assert "Traceback" not in screen.seen.decode()


def test_a_dead_provider_is_named_and_extractive_mode_answers(notes: Path) -> None:
    """When the configured model does not work the answer says that no model made it."""
    ended = piped(
        ["ask", "When was the harbour of Ryswick deepened?"],
        AGENT_GRAPH_MODEL="openai:gone",
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
    )
    assert ended.returncode == 0
    assert "deepened in 1894" in ended.stdout
    assert "no configured model could be used" in ended.stdout
    assert "openai:gone" in ended.stderr


def test_search_shows_scores(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each hit comes with its three scores and where it stands."""
    assert main(["search", "lighthouse", "-k", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (hit,) = document["hits"]
    assert set(hit) >= {"score", "dense", "lexical", "document", "title", "location", "text", "start", "end"}
    assert hit["text"] == NOTES[1]
    assert main(["search", "lighthouse"]) == 0
    assert "note1, line 1" in capsys.readouterr().out


def test_a_plan_is_shown_and_not_run(
    notes: Path, model: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """`plan` asks the planner only: steps, what they need, and the mermaid drawing."""
    environment = {"OPENAI_BASE_URL": model.base_url}
    run = json.loads(piped(["plan", QUESTION, "--json", "--mermaid"], **environment).stdout)
    assert [step["tool"] for step in run["plan"]["steps"]] == ["search_documents", "calculator"]
    assert run["mode"] == "openai:gpt-5-mini"
    assert run["usage"]["total"]["calls"] == 1
    assert run["mermaid"].count("calculator") == 1
    assert not any("The plan that was run" in json.dumps(request.body) for request in model.requests)
    assert main(["plan", "How many more ships than boats were built?"]) == 0
    shown = capsys.readouterr().out
    assert "E2, E4" in shown
    assert "extractive mode: no language model is configured" in shown
