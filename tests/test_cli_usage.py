"""The command line: what it offers, how it refuses, and what it costs to ask for help."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_terminal import piped

from agent_graph.cli import main

COMMANDS = ("demo", "ingest", "search", "plan", "ask", "explain", "eval", "serve", "doctor")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for help learns of all commands."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help works for each command without opening anything."""
    assert main([command, "--help"]) == 0
    assert f"agent-graph {command}" in capsys.readouterr().out
    assert not Path(os.environ["AGENT_GRAPH_HOME"]).exists()


def test_asking_for_help_imports_nothing_heavy() -> None:
    """The command line is there at once because frameworks and databases are imported when a command needs them."""
    heavy = ("langchain_core", "langgraph", "chromadb", "pydantic_settings", "numpy", "wordllama", "httpx")
    script = (
        "import sys\nfrom agent_graph.cli import main\nassert main(['--help']) == 0\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dance"], "No such command 'dance'"),
        (["ask"], "Missing argument 'question'"),
        (["ask", "  "], "ask in a sentence"),
        (["ask", "why?", "--passages", "900"], "less than or equal to 50"),
        (["ask", "why?", "--approval", "sometimes"], "'side_effects', 'always', 'never'"),
        (["search", "jobs", "--colour", "red"], "No such option: --colour"),
    ],
)
def test_wrong_usage_ends_with_two(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was typed wrongly is said in one sentence on stderr, with exit code 2."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "--help" in captured.err
    assert not captured.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ingest", "nowhere.txt"], "nowhere.txt"),
        (["search", "jobs"], "agent-graph ingest PATH"),
        (["ask", "why?", "--collection", "letters"], "agent-graph ingest PATH"),
        (["explain"], 'agent-graph ask "..." --thread NAME'),
        (["explain", "--thread", "budget"], "'budget' is not known"),
        (["ask", "why?", "--thread", "a\nb"], "printable characters"),
        (["ingest", ".", "--collection", "?"], "3 to 63 letters"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error says what to do, shows no traceback, and leaves stdout empty; exit code 1."""
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out


def test_debug_shows_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    """`--debug` adds the traceback, wherever on the line it stands."""
    assert main(["ingest", "nowhere.txt", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_wrong_setting_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that cannot be read is named with what it should be."""
    monkeypatch.setenv("AGENT_GRAPH_WEB", "maybe")
    assert main(["ask", "why?"]) == 1
    assert "AGENT_GRAPH_WEB is not usable" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When the user data folder is unusable the sentence names it."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("AGENT_GRAPH_HOME", str(tmp_path / "file"))
    assert main(["ask", "why?", "--thread", "t"]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_keys_never_reach_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that quotes an address or a key shows neither password nor key."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:hunter2secret@127.0.0.1:9/v1")
    assert main(["ask", "why?"]) == 1
    assert main(["ingest", "sk-abcdefghijklmnopqrstuv", "--debug"]) == 1
    shown = capsys.readouterr().err
    assert "OPENAI_BASE_URL is set but" in shown
    assert "hunter2secret" not in shown
    assert "abcdefghijklmnopqrstuv" not in shown


def test_a_damaged_conversation_file_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no database is named, with the way out."""
    home = Path(os.environ["AGENT_GRAPH_HOME"])
    home.mkdir()
    (home / "threads.sqlite").write_text("this is no database, it only has its name" * 100)
    assert main(["explain"]) == 1
    assert "Move that file away" in capsys.readouterr().err


def test_what_nobody_foresaw_is_called_a_bug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An unexpected exception becomes one line that asks for --debug."""
    broken: Callable[[], object] = lambda: 1 // 0  # noqa: E731
    monkeypatch.setattr("agent_graph.settings.read_settings", broken)
    assert main(["ingest", str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("This is a bug in agent-graph (ZeroDivisionError")
    assert "--debug" in shown
    assert "Traceback" not in shown


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`agent-graph ... | head` ends without a traceback."""
    (tmp_path / "note.txt").write_text("The harbour was deepened in 1894. " * 200)
    assert piped(["ingest", str(tmp_path / "note.txt")]).returncode == 0
    search = f"{sys.executable} -m agent_graph search harbour -k 50 --json"
    ended = subprocess.run(f"{search} | head -c 10", shell=True, capture_output=True, text=True)
    assert ended.stdout == '{\n  "query'
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_a_strangers_tools_package_is_named(tmp_path: Path) -> None:
    """`tools` is a common name: another package of that name is found out by every command, and by doctor."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("")
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from agent_graph.cli import main; sys.exit(main())"
    )
    run = [sys.executable, "-P", "-c", script, str(tmp_path)]
    asked = subprocess.run([*run, "ask", "why?"], capture_output=True, text=True)
    assert asked.returncode == 1
    assert "a package 'tools' at" in asked.stderr
    assert "Traceback" not in asked.stderr
    looked = subprocess.run([*run, "doctor", "--json"], capture_output=True, text=True)
    assert looked.returncode == 1
    checks = json.loads(looked.stdout)["checks"]
    assert [one["outcome"] for one in checks if one["name"] == "our packages"] == ["fail"]
