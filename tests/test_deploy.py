"""The files under deploy/ hold: schemas, commands, ports, names of settings, who knows which secret."""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from agent_graph.cli.app import app
from agent_graph.cli.role import PORTS
from agent_graph.settings import Settings
from retrieval import Document, open_knowledge
from retrieval.errors import PlaceUnusable

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
MANIFESTS = [path for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) if path.stem != "kustomization"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETTINGS = {
    str(field.validation_alias or f"AGENT_GRAPH_{name.upper()}")
    for name, field in Settings.model_fields.items()
}
PROXY = {"CHROMA_TOKEN", "CHROMA_ADDRESS", "PROXY_PORT"}
DATABASE = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
BY_HAND = ("ingest", "jobs")
"""Containers that are started for one command, whose arguments a person gives."""


class Container(NamedTuple):
    """One container, of either kind of deployment."""

    where: str
    name: str
    image: str
    arguments: list[str]
    environment: set[str]
    probes: set[tuple[str, int]]


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def of_compose() -> Iterator[Container]:
    (composed,) = documents(DEPLOY / "compose.yaml")
    for name, one in composed["services"].items():
        test = " ".join(one.get("healthcheck", {}).get("test", []))
        probes = {(path, int(port)) for port, path in re.findall(r"127\.0\.0\.1:(\d+)(/\w+)", test)}
        yield Container(
            "compose", name, one["image"], one.get("command", []), set(one.get("environment", {})), probes
        )


def of_kubernetes() -> Iterator[Container]:
    for one in (one for path in MANIFESTS for one in documents(path)):
        for held in one.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            ports = {port["name"]: port["containerPort"] for port in held.get("ports", [])}
            kinds = ("livenessProbe", "readinessProbe", "startupProbe")
            gets = [held[kind]["httpGet"] for kind in kinds if kind in held]
            yield Container(
                "kubernetes",
                held["name"],
                held["image"],
                held.get("args", []),
                {variable["name"] for variable in held.get("env", [])},
                {(get["path"], ports[get["port"]]) for get in gets},
            )


CONTAINERS = [*of_compose(), *of_kubernetes()]
OURS = [one for one in CONTAINERS if one.image.startswith("agent-graph:")]


def test_compose_is_valid() -> None:
    """The Compose specification's own schema accepts the file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run([*command, str(DEPLOY / "compose.yaml")], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_valid(path: Path) -> None:
    """Kubernetes' own schemas accept it, without a single unknown field."""
    for one in documents(path):
        kubernetes_validate.validate(one, "1.30", strict=True)


def test_every_manifest_is_applied() -> None:
    """What kustomize names is what is there, the example of secrets apart."""
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    assert sorted(kustomization["resources"]) == [
        path.name for path in MANIFESTS if path.name != "secrets.example.yaml"
    ]
    generated = kustomization["configMapGenerator"][0]["files"][0].partition("=")[2]
    assert (DEPLOY / "kubernetes" / generated).resolve() == (DEPLOY / "chroma" / "Caddyfile").resolve()


@pytest.mark.parametrize("one", OURS, ids=lambda one: f"{one.where}-{one.name}")
def test_our_command_line_takes_the_arguments(one: Container) -> None:
    """The container's arguments are read by today's command line, and its port is the probes'."""
    if one.name in BY_HAND:
        return
    chosen: Any = get_command(app)
    name, rest, context = "agent-graph", list(one.arguments), None
    while hasattr(chosen, "resolve_command"):
        context = chosen.make_context(name, rest[:1], parent=context, resilient_parsing=True)
        name, chosen, rest = chosen.resolve_command(context, rest)
        assert chosen is not None
    given = chosen.make_context(name, rest, parent=context).params
    assert given["host"] == "0.0.0.0"
    assert {port for _, port in one.probes} == {given["port"]}
    if one.name in PORTS:
        assert (given["role"], given["port"]) == (one.name, PORTS[given["role"]])


@pytest.mark.parametrize("one", CONTAINERS, ids=lambda one: f"{one.where}-{one.name}")
def test_every_variable_is_read_by_somebody(one: Container) -> None:
    """No setting is misspelt: each is one of ours, the proxy's or PostgreSQL's, and the example file names no other."""
    assert one.environment <= (SETTINGS if one in OURS else PROXY | DATABASE)
    named = set(re.findall(r"^(\w+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))
    assert named <= SETTINGS | DATABASE
    assert set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())) == named


@pytest.mark.parametrize("one", OURS, ids=lambda one: f"{one.where}-{one.name}")
def test_a_role_knows_its_own_secrets_only(one: Container) -> None:
    """Only planner and solver have the model's key, only background work has the database, and they no more than that."""
    names = {
        "model": "OPENAI_API_KEY",
        "documents": "AGENT_GRAPH_KNOWLEDGE_TOKEN",
        "jobs": "AGENT_GRAPH_JOBS",
    }
    known = {secret for secret, name in names.items() if name in one.environment}
    others = {
        "planner": {"model"},
        "solver": {"model"},
        "background": {"documents", "jobs"},
        "jobs": {"jobs"},
    }
    assert known == others.get(one.name, {"documents"})


def test_images_are_of_this_version() -> None:
    """The image is named after the project's version and Chroma's is the one that the project is tested with."""
    (agent,) = {one.image for one in OURS}
    assert agent == f"agent-graph:{PROJECT['version']}"
    pinned = re.search(r"^chromadb==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert {one.image for one in CONTAINERS if "chromadb" in one.image} == {f"chromadb/chroma:{pinned[1]}"}


def test_the_image_is_built_from_what_is_there() -> None:
    """Its extras exist and it copies every package of the wheel."""
    built = (DEPLOY / "Dockerfile").read_text()
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", built)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert {"agent_graph", "tools", "retrieval"} <= set(re.findall(r"^COPY (\w+) \w+$", built, re.MULTILINE))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(command: list[str], url: str, **variables: str) -> Iterator[None]:
    """A server that has answered once."""
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=30) as client:
                client.get(url)
            yield
        finally:
            process.terminate()


@pytest.mark.server
@pytest.mark.skipif(not shutil.which("caddy"), reason="the proxy's story needs Caddy: apt-get install caddy")
def test_the_proxy_lets_in_who_knows_the_token(tmp_path: Path) -> None:
    """A real Chroma server behind the real Caddyfile: with the token it works, without and without any set it does not."""
    chroma, proxy, shut = free_port(), free_port(), free_port()
    program = str(Path(sys.executable).with_name("chroma"))
    caddy = [
        str(shutil.which("caddy")),
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        str(DEPLOY / "chroma/Caddyfile"),
    ]
    places = {"HOME": str(tmp_path), "CHROMA_ADDRESS": f"127.0.0.1:{chroma}"}
    with (
        started(
            [program, "run", "--path", str(tmp_path), "--port", str(chroma)],
            f"http://127.0.0.1:{chroma}/api/v2/heartbeat",
        ),
        started(caddy, f"http://127.0.0.1:{proxy}", PROXY_PORT=str(proxy), CHROMA_TOKEN="right", **places),
        started(caddy, f"http://127.0.0.1:{shut}", PROXY_PORT=str(shut), **places),
    ):
        with open_knowledge(f"http://127.0.0.1:{proxy}", token="right") as knowledge:
            knowledge.add([Document("a.txt", "Apples are red.")])
            assert knowledge.search("apples")[0].passage.text == "Apples are red."
        assert httpx.get(f"http://127.0.0.1:{proxy}/ok").is_success
        for port, token in ((proxy, "wrong"), (proxy, None), (shut, "right"), (shut, None)):
            with (
                pytest.raises(PlaceUnusable, match="token"),
                open_knowledge(f"http://127.0.0.1:{port}", token=token) as refused,
            ):
                refused.search("apples")
