"""The doctor: every check tries the real thing, and says what to do."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent_graph.cli import main
from agent_graph.testing import OpenAIServer


def checks(capsys: pytest.CaptureFixture[str], *, code: int = 0) -> dict[str, dict[str, Any]]:
    """Return what the doctor found, by name; of several of one name the last."""
    assert main(["doctor", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is (code == 0)
    return {check["name"]: check for check in document["checks"]}


def test_a_healthy_installation(capsys: pytest.CaptureFixture[str]) -> None:
    """Chroma writes, text is embedded, our packages are ours; what is optional is a warning with a remedy."""
    found = checks(capsys)
    for name in (
        "python",
        "packages",
        "our packages",
        "user data",
        "sqlite",
        "embeddings",
        "chroma",
        "server",
    ):
        assert found[name]["outcome"] == "ok", found[name]
    assert found["embeddings"]["found"] == "wordllama, 256 dimensions"
    assert found["user data"]["found"] == os.environ["AGENT_GRAPH_HOME"]
    assert "OPENAI_API_KEY" in found["models"]["todo"]
    assert "agent-graph ingest PATH" in found["knowledge"]["todo"]
    assert not list(Path(os.environ["AGENT_GRAPH_HOME"]).glob("doctor-*"))


def test_the_table_says_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without --json the checks are a table; what was ingested is counted."""
    (tmp_path / "a.txt").write_text("Apples are red.")
    assert main(["ingest", str(tmp_path / "a.txt")]) == 0
    capsys.readouterr()
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "'default': 1 document, 1 passage" in shown
    assert "switched off" in shown


def test_a_model_that_answers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is asked which models it has; one it does not list is a warning."""
    with OpenAIServer([], models=["small", "large"]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert checks(capsys)["models"]["outcome"] == "ok"
        monkeypatch.setenv("AGENT_GRAPH_MODEL", "openai:middle")
        models = checks(capsys)["models"]
    assert models["outcome"] == "warn"
    assert "it lists small, large" in models["todo"]


def test_a_model_that_is_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer fails the check and the command."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("AGENT_GRAPH_MODEL", "openai:any")
    models = checks(capsys, code=1)["models"]
    assert models["outcome"] == "fail"
    assert "does not answer" in models["todo"]


def test_unknown_embeddings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong embedding model fails its own check and not the others."""
    monkeypatch.setenv("AGENT_GRAPH_EMBEDDING_MODEL", "word2vec")
    found = checks(capsys, code=1)
    assert found["embeddings"]["outcome"] == "fail"
    assert "wordllama:256" in found["embeddings"]["todo"]
    assert found["chroma"]["outcome"] == "ok"
