"""Asking a real server from the command line: the same table, approval and JSON as on one's own machine."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from cli_terminal import piped, terminal
from served import Locked, free_port

from agent_graph.cli import main

pytestmark = pytest.mark.server

QUESTION = "How far apart are the charters?"
ANSWER = "They lie 51 years apart [E2]. One was granted in 1215 [E1.1]."


@pytest.fixture
def asked(either: Locked) -> Any:
    """Return a function that runs `ask --server` with Bob's key, in a pipe."""

    def run(*arguments: str, key: str = either.bob) -> Any:
        return piped(["ask", *arguments, "--server", either.url], AGENT_GRAPH_SERVER_KEY=key)

    return run


def test_a_pipe_gets_the_answer_and_its_sources(asked: Any) -> None:
    """stdout holds what `ask` would print here; the steps went by on stderr."""
    ended = asked(QUESTION)
    assert ended.returncode == 0, ended.stderr
    assert "They lie 51 years apart [E2]" in ended.stdout
    assert "[E1.1] charters, line 1" in ended.stdout
    assert "[E2] calculator(1266 - 1215) = 51" in ended.stdout
    assert "2 model calls" in ended.stdout
    assert "#E1 = search_documents(" in ended.stderr
    assert "#E2 ok" in ended.stderr


def test_the_json_is_the_same_document(asked: Any) -> None:
    """--json prints one run with the keys that a run here has, typed by the same values."""
    ended = asked(QUESTION, "--json")
    run = json.loads(ended.stdout)
    assert ended.stderr == ""
    assert set(run) >= {"task", "mode", "plan", "evidence", "answer", "usage", "seconds", "thread", "replans"}
    assert run["answer"]["text"] == ANSWER
    assert run["mode"] == "openai:test-model"
    assert run["plan"]["steps"][1]["tool"] == "calculator"
    assert run["evidence"]["E2"]["value"] == 51


def test_a_person_approves_on_a_terminal(either: Locked) -> None:
    """The plan of the server's run is shown here, edited or approved here, and goes on there."""
    arguments = ["ask", QUESTION, "--approval", "always", "--server", either.url]
    with terminal(arguments, AGENT_GRAPH_SERVER_KEY=either.bob) as screen:
        assert "#E2 = calculator(" in screen.until(r"a/e/r]: ")
        screen.type("a\n")
        assert screen.ended() == 0
    shown = screen.seen.decode()
    assert "✓" in shown
    assert "51 years apart" in shown


def test_nobody_to_approve(asked: Any) -> None:
    """In a pipe a plan that waits ends the command with what to do, and --yes approves beforehand."""
    ended = asked(QUESTION, "--assistant", "approve everything")
    assert ended.returncode == 1
    assert "--yes" in ended.stderr
    assert "51 years" in asked(QUESTION, "--assistant", "approve everything", "--yes").stdout


def test_a_conversation_on_the_server(asked: Any) -> None:
    """A named thread is the same one at the next command, and another user's name is another thread."""
    for question in (QUESTION, "And again?"):
        assert json.loads(asked(question, "--thread", "charters", "--json").stdout)["thread"] == "charters"


def test_nothing_stays_without_a_name(either: Locked, asked: Any) -> None:
    """A question without --thread leaves no thread on the server."""
    import httpx

    def threads() -> int:
        headers = {"x-api-key": either.bob}
        found = httpx.post(f"{either.url}/threads/search", json={"limit": 1000}, headers=headers).json()
        return len([one for one in found if one["status"] != "busy"])

    before = threads()
    assert asked(QUESTION).returncode == 0
    assert threads() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--assistant", "nobody"],
            "no assistant 'nobody'; it has: ",
        ),
        (["--collection", "mine"], "operator's affair"),
    ],
)
def test_what_a_server_does_not_take(asked: Any, arguments: list[str], told: str) -> None:
    """An assistant there is not, a collection of one's own choosing: one sentence, and no traceback."""
    ended = asked(QUESTION, *arguments)
    assert ended.returncode in (1, 2)
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_keys_and_limits_are_told(either: Locked, asked: Any) -> None:
    """Without a good key it says where to put one; a used-up day says when to come back."""
    for key in ("", "ag_00000000_00"):
        ended = asked(QUESTION, key=key)
        assert ended.returncode == 1
        assert "AGENT_GRAPH_SERVER_KEY" in ended.stderr
        assert "ag_" not in ended.stderr
    assert "after midnight UTC" in asked(QUESTION, key=either.carol).stderr


def test_ctrl_c_ends_the_run_there_too(either: Locked) -> None:
    """Ctrl-C ends the command with 130, and the server has no run left."""
    import httpx

    with terminal(["ask", "stall", "--server", either.url], AGENT_GRAPH_SERVER_KEY=either.alice) as screen:
        screen.until("search_documents")
        assert screen.interrupt() == 130
    busy = httpx.post(
        f"{either.url}/threads/search", json={"status": "busy"}, headers={"x-api-key": either.alice}
    )
    assert busy.json() == []


@pytest.mark.parametrize("url", ["127.0.0.1:2024", "ftp://host", "http://", "nonsense"])
def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str], url: str) -> None:
    """A wrong address is named, with how one looks."""
    assert main(["ask", QUESTION, "--server", url]) == 1
    assert "http://127.0.0.1:2024" in capsys.readouterr().err


def test_no_server(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """When nothing answers it says how to start a server; when something else answers, what it said."""
    del tmp_path
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["ask", QUESTION, "--server", url]) == 1
    assert f"No server answers at {url}. Start one with: agent-graph serve" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as mute:
        import threading

        def hang_up() -> None:
            for _ in range(8):
                try:
                    mute.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        assert main(["ask", QUESTION, "--server", f"http://127.0.0.1:{mute.getsockname()[1]}"]) == 1
    assert "was lost" in capsys.readouterr().err
