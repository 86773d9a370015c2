"""Where the roles are, what each process may know, and what is refused before anything is served."""

import json
import subprocess
import sys

import httpx
import pytest
from role_services import closed_port, served
from starlette.applications import Starlette

from agent_graph import build_agent
from agent_graph.bootstrap import build_role
from agent_graph.cli import main
from agent_graph.errors import SettingsError
from agent_graph.services import cards_of, catalog_of
from agent_graph.settings import read_settings
from agent_graph.testing import OpenAIServer
from tools.catalog import Catalog, signature
from tools.offer import default_tools

SECRETS = {
    "OPENAI_API_KEY": "key-of-the-model",
    "AGENT_GRAPH_KNOWLEDGE_TOKEN": "token-of-the-documents",
    "AGENT_GRAPH_SERVICE_TOKEN": "token-of-the-services",
}
LOOK_INSIDE = """
import gc, json, re, sys
from agent_graph.bootstrap import build_role
app = build_role(sys.argv[1])
held = set()
for one in gc.get_objects():
    for part in gc.get_referents(one):
        if type(part) is str and re.fullmatch("(key|token)-of-the-[a-z]+", part):
            held.add(part)
print(json.dumps([sorted(held), sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    "urls",
    [
        *("planner:8101", "ftp://planner", "http://", "http://user:hunter2@planner", "http://planner:port"),
        *("http://planner?x=1", "http://planner#x", "http://one,two", "http://planner:0"),
    ],
)
def test_an_address_that_cannot_be_one_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, urls: str
) -> None:
    """The sentence says what to write, and repeats no password."""
    monkeypatch.setenv("AGENT_GRAPH_PLANNER_URLS", urls)
    with pytest.raises(SettingsError, match=r"AGENT_GRAPH_PLANNER_URLS.*write http://host:port") as caught:
        read_settings()
    assert "hunter2" not in str(caught.value)


def test_replicas_are_listed_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks do not matter, twice counts once, and a role without addresses stays here."""
    monkeypatch.setenv("AGENT_GRAPH_SOLVER_URLS", "http://a:1, https://[::1]:2/base,http://a:1,")
    assert read_settings().urls == {
        "planner": (),
        "worker": (),
        "solver": ("http://a:1", "https://[::1]:2/base"),
    }


def test_a_blank_secret_protects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused rather than used."""
    monkeypatch.setenv("AGENT_GRAPH_SERVICE_TOKEN", "  ")
    with pytest.raises(SettingsError, match="AGENT_GRAPH_SERVICE_TOKEN"):
        read_settings()


def test_each_role_keeps_its_own_secrets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when one environment holds them all."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for role, known in (("planner", False), ("worker", True), ("solver", False)):
        settings = read_settings().of_role(role)  # type: ignore[arg-type]
        assert (settings.knowledge_token is not None) is known
        assert settings.token == "token-of-the-services"


@pytest.mark.parametrize("role", ["planner", "solver"])
def test_planner_and_solver_hold_no_credentials_of_tools(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose environment has everything builds the role without the documents, their token, or any tool."""
    for name, value in {**SECRETS, "AGENT_GRAPH_KNOWLEDGE": "http://documents:8000"}.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", LOOK_INSIDE, role], capture_output=True, text=True, check=True
    )
    held, loaded = json.loads(done.stdout)
    assert held == ["key-of-the-model", "token-of-the-services"]
    assert "langchain_openai" in loaded
    for unwanted in ("chromadb", "wordllama", "wikipedia", "ddgs", "langchain_community"):
        assert unwanted not in loaded


def test_a_worker_needs_no_model_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tools are offered, `extract` by rules, while the planner's model is not even constructed."""
    monkeypatch.setenv("AGENT_GRAPH_PLANNER_MODEL", "openai:needs-a-key")
    monkeypatch.setenv("AGENT_GRAPH_WORKER_MODEL", "extractive")
    done = subprocess.run(
        [sys.executable, "-c", LOOK_INSIDE, "worker"], capture_output=True, text=True, check=True
    )
    assert '"langchain_openai"' not in done.stdout


def test_a_graph_over_services_needs_no_model_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are asked elsewhere are not constructed here."""
    for role in ("PLANNER", "SOLVER"):
        monkeypatch.setenv(f"AGENT_GRAPH_{role}_URLS", "http://127.0.0.1:9")
        monkeypatch.setenv(f"AGENT_GRAPH_{role}_MODEL", "openai:needs-a-key")
    monkeypatch.setenv("AGENT_GRAPH_WORKER_MODEL", "extractive")
    assert build_agent() is not None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "planner.example"])
def test_a_service_for_others_needs_a_secret(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is bound to an address that others reach before there is a token."""
    assert main(["role", "planner", "--host", host, "--port", "0"]) == 1
    assert "set AGENT_GRAPH_SERVICE_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["planner", "--tools", "somewhere:TOOLS"], "Only the worker has tools"),
        (["worker", "--tools", "not_there:TOOLS"], "cannot be loaded"),
        (["worker", "--tools", "worker_tools:NONE"], "cannot be loaded"),
        (["worker", "--tools", "worker_tools"], "cannot be loaded"),
        (["worker", "--host", "host.invalid."], "needs a secret"),
    ],
)
def test_a_role_that_cannot_be_served_says_why(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, exit code 1, nothing served."""
    assert main(["role", *arguments, *(["--port", "0"] if "--host" not in arguments else [])]) == 1
    assert says in capsys.readouterr().err


def test_a_card_says_all_that_a_plan_needs() -> None:
    """Tools that were sent as cards are shown to the planner in the same words, and checked by the same schema."""
    catalog = Catalog(default_tools(web="off").tools)
    learnt = catalog_of(cards_of(catalog))
    assert [signature(spec) for spec in learnt.values()] == [signature(spec) for spec in catalog.values()]
    assert cards_of(learnt) == cards_of(catalog)


def ready(app: Starlette) -> httpx.Response:
    with served(app) as url:
        return httpx.get(f"{url}/ready", trust_env=False)


def test_a_model_that_does_not_answer_is_named_and_extractive_mode_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service is ready all the same, because it answers; what with, it says."""
    monkeypatch.setenv("OPENAI_BASE_URL", closed_port())
    monkeypatch.setenv("AGENT_GRAPH_MODEL", "openai:away")
    for role in ("planner", "solver"):
        found = ready(build_role(role))  # type: ignore[arg-type]
        assert (found.status_code, found.json()["mode"]) == (200, "extractive mode")
        assert "does not answer" in found.json()["models"]["openai:away"]


def test_a_worker_without_tools_is_not_ready() -> None:
    """Nothing could be called there."""
    found = ready(build_role("worker", tools=[]))
    assert (found.status_code, found.json()["ready"]) == (503, False)


def test_anyone_may_ask_often_and_the_model_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/ready` keeps its answer for some seconds: it cannot be used to load the model's server."""
    with OpenAIServer(models=["near"]) as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
        monkeypatch.setenv("AGENT_GRAPH_MODEL", "openai:near")
        with served(build_role("planner")) as url:
            for _ in range(5):
                assert httpx.get(f"{url}/ready", trust_env=False).json()["mode"] == "openai:near"
        assert len(model.requests) == 1
