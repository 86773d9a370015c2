"""What `agent-graph serve` refuses, and what it hands to the server; the server itself is in test_server."""

import json
import socket
from pathlib import Path

import pytest

from agent_graph.cli import main, serve
from agent_graph.settings import read_settings

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_only_this_machine(capsys: pytest.CaptureFixture[str], host: str) -> None:
    """Without keys the server does not listen to the network, and says how to make one."""
    assert main(["serve", "--host", host]) == 1
    said = capsys.readouterr().err
    assert "no authentication" in said
    assert "agent-graph keys new USER" in said


def test_this_machine_alone_is_served_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """An open server says that every program on the machine can use it (here the port is taken)."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "asks nobody for a key" in capsys.readouterr().err


def test_with_keys_any_address_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    """Once there is a key the address is no reason to refuse, and there is nothing to warn of."""
    assert main(["keys", "new", "alice"]) == 0
    with socket.create_server(("0.0.0.0", 0)) as taken:
        assert main(["serve", "--host", "0.0.0.0", "--port", str(taken.getsockname()[1])]) == 1
    said = capsys.readouterr().err
    assert "cannot be used" in said
    assert "asks nobody" not in said


def test_a_taken_port_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is an error; the server would silently take another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert f"Port {port} cannot be used" in capsys.readouterr().err


def test_an_installed_package_serves_what_the_repository_serves(tmp_path: Path) -> None:
    """The written configuration names the same graphs, authorization and routes as langgraph.json."""
    written = json.loads(serve.write_config(tmp_path).read_text())
    ours = json.loads((ROOT / "langgraph.json").read_text())
    shared = ("graphs", "auth", "http", "webhooks")
    assert {key: written[key] for key in shared} == {key: ours[key] for key in shared}


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


def test_every_path_of_the_settings_is_absolute_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map of collections, the keys' file, the published keys and the folders to ingest are found from anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_GRAPH_KNOWLEDGE", "handbook=http://one:8000,*=index")
    monkeypatch.setenv("AGENT_GRAPH_KEYS_FILE", "keys.json")
    monkeypatch.setenv("AGENT_GRAPH_JWT_JWKS", "jwks.json")
    monkeypatch.setenv("AGENT_GRAPH_INGEST_FOLDERS", '{"handbook": "docs"}')
    passed = serve.environment(read_settings(), {})
    assert passed["AGENT_GRAPH_KNOWLEDGE"] == f"handbook=http://one:8000,*={tmp_path / 'index'}"
    assert passed["AGENT_GRAPH_KEYS_FILE"] == str(tmp_path / "keys.json")
    assert passed["AGENT_GRAPH_JWT_JWKS"] == str(tmp_path / "jwks.json")
    assert json.loads(passed["AGENT_GRAPH_INGEST_FOLDERS"]) == {"handbook": str(tmp_path / "docs")}


def test_settings_that_are_no_json_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A map of folders that cannot be read is one sentence that names the variable."""
    monkeypatch.setenv("AGENT_GRAPH_INGEST_FOLDERS", "/srv/docs")
    assert main(["serve"]) == 1
    assert "AGENT_GRAPH_INGEST_FOLDERS is not usable" in capsys.readouterr().err
