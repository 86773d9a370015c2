"""Checking a plan written by hand from the command line: every problem with what would be right, nothing is run."""

import io
import json
from pathlib import Path

import pytest

from agent_graph.cli import main

GOOD = """\
Plan: count the years, then double them.
#E1 = calculator(expression="1894 - 1871")  # the years between
#E2 = calculator(expression="#E1 * 2")
"""
BAD = """\
Plan: find both years, then subtract.
#E1 = calculatr(expression="1894 - 1871")
#E2 = calculator(expression="#E9 - #E4")
#E3 = calculator(wrong="1")
#E4 = calculator(expression="#E2")
#E5 = then look at it
"""


def written(tmp_path: Path, text: str) -> str:
    """Return the path of a file that holds the plan."""
    path = tmp_path / "plan.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_good_plan_is_shown_and_nothing_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan that could run is listed step by step, and the command ends with 0."""
    assert main(["plan", "--check", written(tmp_path, GOOD)]) == 0
    shown = capsys.readouterr().out
    assert "count the years, then double them." in shown
    assert 'E2    calculator  expression="#E1 * 2"' in shown
    assert "2 steps: it can run" in shown
    assert "23" not in shown


def test_every_problem_is_listed_with_what_would_be_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All faults are told at once, each with its step and a hint, and the command ends with 1."""
    assert main(["plan", "--check", written(tmp_path, BAD)]) == 1
    table = capsys.readouterr().out.partition("what is wrong")[2]
    lines = [line.split(maxsplit=1) for line in table.split("\n")]
    assert [line[0] for line in lines if line and line[0][:1] == "E"] == [
        "E1",
        *["E2"] * 3,
        *["E3"] * 2,
        "E4",
        "E5",
    ]
    assert "There is no tool 'calculatr'." in table
    assert "Did you mean 'calculator'?" in table
    assert "There is no step #E9." in table
    assert "'then look at it' is not a call." in table
    assert "8 problems, so it cannot run" in table


def test_the_json_of_a_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine gets the plan as `plan --json` gives it and the problems with kind, step, message and hint."""
    assert main(["plan", "--json", "--check", written(tmp_path, BAD)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"plan", "problems"}
    assert [step["id"] for step in told["plan"]["steps"]] == ["E1", "E2", "E3", "E4"]
    assert told["plan"]["author"] == "person"
    assert told["problems"][0] == {
        "kind": "unknown_tool",
        "step": "E1",
        "message": "There is no tool 'calculatr'.",
        "hint": "Did you mean 'calculator'?",
    }
    assert main(["plan", "How many years?", "--json", "--check", written(tmp_path, GOOD)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["task"], told["problems"]) == ("How many years?", [])


def test_a_plan_comes_through_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With - the plan is read from stdin, in any form the planner's reader knows."""
    plan = '\ufeff[{"id": 1, "tool": "calculator", "args": {"expression": "6 * 7"}}]'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(plan.encode())))
    assert main(["plan", "--check", "-"]) == 0
    assert 'E1    calculator  expression="6 * 7"' in capsys.readouterr().out


def test_the_drawing_of_a_checked_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--mermaid draws the plan on stdout and leaves its problems to stderr, cycles included."""
    assert main(["plan", "--mermaid", "--check", written(tmp_path, BAD)]) == 1
    captured = capsys.readouterr()
    assert "flowchart" in captured.out
    assert "waits for itself" in captured.err
    assert "waits for itself" not in captured.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name a plan with --check FILE"),
        (["--check", "absent.txt"], 1, "Cannot use 'absent.txt': No such file or directory."),
        (["--check", "latin.txt"], 2, "'latin.txt' is not UTF-8 text"),
        (["--check", "empty.txt"], 1, ""),
    ],
)
def test_what_cannot_be_checked_is_said(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No plan, no file, no text, nothing in it: one sentence, and no plan passes."""
    monkeypatch.chdir(tmp_path)
    Path("latin.txt").write_bytes("#E1 = calculator(expression='é')".encode("latin-1"))
    Path("empty.txt").write_text("")
    assert main(["plan", *arguments]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "can run" not in captured.out.replace("cannot run", "")
    assert "Traceback" not in captured.err
