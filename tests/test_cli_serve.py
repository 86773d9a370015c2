"""What `agent-graph serve` refuses, and what it hands to the server; the server itself is in test_server."""

import json
import socket
from pathlib import Path

import pytest

from agent_graph.cli import main, serve
from agent_graph.settings import read_settings

ROOT = Path(__file__).parent.parent


def test_only_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """Without authentication the server does not listen to the network."""
    assert main(["serve", "--host", "0.0.0.0"]) == 1
    assert "no authentication" in capsys.readouterr().err


def test_a_taken_port_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is an error; the server would silently take another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert f"Port {port} cannot be used" in capsys.readouterr().err


def test_an_installed_package_serves_what_the_repository_serves(tmp_path: Path) -> None:
    """The written configuration names the same graphs and page as langgraph.json."""
    written = json.loads(serve.write_config(tmp_path).read_text())
    ours = json.loads((ROOT / "langgraph.json").read_text())
    assert {key: written[key] for key in ("graphs", "http")} == {key: ours[key] for key in ("graphs", "http")}


def test_relative_paths_mean_the_same_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server runs in another folder: what was relative here is absolute there, and .env is read here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_GRAPH_HOME", "home")
    monkeypatch.setenv("AGENT_GRAPH_KNOWLEDGE", "index")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-the-file\nLANG=overruled\n")
    passed = serve.environment(read_settings(), {"LANG": "C", "PYTHONPATH": "lib"})
    assert passed["AGENT_GRAPH_HOME"] == str(tmp_path / "home")
    assert passed["AGENT_GRAPH_KNOWLEDGE"] == str(tmp_path / "index")
    assert (passed["OPENAI_API_KEY"], passed["LANG"]) == ("from-the-file", "C")
    assert str(tmp_path / "lib") in passed["PYTHONPATH"].split(":")
    assert passed["LANGGRAPH_CLI_NO_ANALYTICS"] == "1"
