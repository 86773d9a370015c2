"""Between the graph and its services TLS proves whose service answers, with the CA of the installation."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import trustme
from pydantic import SecretStr
from role_services import ANSWER, ASK, PLAN, TOKEN, diamond, served

from agent_graph import Agent, Context, build_agent
from agent_graph.errors import ServiceUnavailable, SettingsError
from agent_graph.models import choose
from agent_graph.services import RemoteSolver, planner_app, solver_app, worker_app
from agent_graph.services.trust import trusted
from agent_graph.settings import read_settings
from agent_graph.testing import ScriptedModel

Urls = dict[str, str]


class Certificates(NamedTuple):
    """Files in PEM."""

    ca: Path
    other_ca: Path
    ours: tuple[Path, Path]
    """A certificate for 127.0.0.1, and its key."""
    elsewhere: tuple[Path, Path]
    """One of the same CA for another host."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA, and what it signed; and another CA."""
    folder = tmp_path_factory.mktemp("certificates")
    ca, other = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    other.cert_pem.write_to_path(str(folder / "other.pem"))
    made = []
    for host in ("127.0.0.1", "planner.example"):
        signed, cert, key = ca.issue_cert(host), folder / f"{host}.pem", folder / f"{host}.key"
        signed.cert_chain_pems[0].write_to_path(str(cert))
        signed.private_key_pem.write_to_path(str(key))
        made.append((cert, key))
    return Certificates(folder / "ca.pem", folder / "other.pem", *made)


@pytest.fixture
def urls(certificates: Certificates) -> Iterator[Urls]:
    """The three services, each with the right certificate."""
    models = choose(ScriptedModel([PLAN, ANSWER]))
    apps = {
        "planner_urls": planner_app(models.planner, token=TOKEN),
        "worker_urls": worker_app(diamond(), token=TOKEN),
        "solver_urls": solver_app(models.solver, token=TOKEN),
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(served(app, tls=certificates.ours)) for name, app in apps.items()}


def agent(urls: Urls, ca: Path | None, **options: Any) -> Agent:
    """Build a graph that has neither models nor tools of its own."""
    update = {**urls, "service_ca": ca, "service_token": SecretStr(TOKEN)}
    return build_agent(settings=read_settings().model_copy(update=update), **options)


async def test_a_run_over_tls(certificates: Certificates, urls: Urls) -> None:
    """With the CA's file all three services are believed, and asked."""
    assert all(url.startswith("https://") for url in urls.values())
    result = await agent(urls, certificates.ca).ainvoke(ASK)
    assert result["answer"].text == "It is done [E4]. Nobody found it."
    assert result["evidence"]["E4"].value == 42


def test_a_worker_that_is_not_trusted_is_no_worker(certificates: Certificates, urls: Urls) -> None:
    """The graph is not built, at once, and the sentence names the setting."""
    began = time.monotonic()
    for ca in (certificates.other_ca, None):
        with pytest.raises(SettingsError, match=r"not trusted here .*; set AGENT_GRAPH_SERVICE_CA"):
            agent(urls, ca)
    assert time.monotonic() - began < 20, "a wrong certificate does not pass by waiting"


async def test_a_planner_that_is_not_trusted_ends_the_run(certificates: Certificates, urls: Urls) -> None:
    """Nothing stands in for it: it is there, and somebody has to mend the setting."""
    told = {"planner_urls": urls["planner_urls"]}
    with pytest.raises(ServiceUnavailable, match=r"planner service .* set AGENT_GRAPH_SERVICE_CA"):
        await agent(told, certificates.other_ca, models=ScriptedModel([]), tools=[]).ainvoke(ASK)


async def test_a_worker_that_is_not_trusted_any_more_fails_the_step(certificates: Certificates) -> None:
    """The step says why it has no value, and is not tried until its time is over."""
    catalog = diamond()
    with served(worker_app(catalog, token=TOKEN), tls=certificates.elsewhere) as url:
        tools = [spec.tool for spec in catalog.values()]
        model = ScriptedModel(['#E1 = first(query="go")', "Nothing."])
        apart = agent({"worker_urls": url}, certificates.ca, models=model, tools=tools)
        result = await apart.ainvoke(ASK, context=Context(max_replans=0))
    failed = result["evidence"]["E1"]
    assert (failed.status, failed.failure) == ("failed", "tool_error")
    assert "use a name in its address that the certificate is for" in failed.error


async def test_of_two_replicas_the_trusted_one_answers(certificates: Certificates, urls: Urls) -> None:
    """One whose certificate has gone wrong is passed over, like one that is lost."""
    models = choose(ScriptedModel([]))
    with served(solver_app(models.solver, token=TOKEN), tls=certificates.elsewhere) as wrong:
        both = f"{wrong},{urls['solver_urls']}"
        result = await agent({**urls, "solver_urls": both}, certificates.ca).ainvoke(ASK)
    assert result["answer"].text == "It is done [E4]. Nobody found it."


async def test_a_service_without_tls_is_named(certificates: Certificates) -> None:
    """An https:// address of a service that speaks plain HTTP says which of both to change."""
    with served(planner_app(None, token=TOKEN)) as url:
        told = {"planner_urls": url.replace("http://", "https://")}
        with pytest.raises(ServiceUnavailable, match=r"does not speak TLS .*; write http://"):
            await agent(told, certificates.ca, models=ScriptedModel([]), tools=[]).ainvoke(ASK)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_no_certificates_is_refused_at_once(tmp_path: Path, content: str | None) -> None:
    """The sentence names the setting and the file."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"AGENT_GRAPH_SERVICE_CA is not usable: .*ca\.pem"):
        RemoteSolver("https://solver:8103", ca=str(file))


def role(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a role as an operator does."""
    command = [sys.executable, "-m", "agent_graph", "role", *arguments, "--port", "0"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=pipe, stderr=pipe, text=True)


def test_the_command_serves_https(certificates: Certificates) -> None:
    """A role that is given certificate and key says an https:// address, and is believed by the CA's file."""
    cert, key = map(str, certificates.ours)
    with role("solver", AGENT_GRAPH_SERVICE_CERT=cert, AGENT_GRAPH_SERVICE_KEY=key) as process:
        try:
            assert process.stdout is not None
            name, url = process.stdout.readline().split()
            assert (name, url.partition(":")[0]) == ("solver", "https")
            with httpx.Client(verify=trusted(str(certificates.ca)), trust_env=False) as client:
                assert client.get(f"{url}/ok").json()["ok"] is True
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.mark.parametrize("key", ["none", "of another"])
def test_the_command_refuses_a_key_that_does_not_fit(certificates: Certificates, key: str) -> None:
    """It ends with a sentence that names both settings, not with a traceback."""
    settings = {"AGENT_GRAPH_SERVICE_CERT": str(certificates.ours[0])}
    if key == "of another":
        settings["AGENT_GRAPH_SERVICE_KEY"] = str(certificates.elsewhere[1])
    with role("solver", **settings) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "AGENT_GRAPH_SERVICE_CERT and AGENT_GRAPH_SERVICE_KEY" in " ".join(said.split())
    assert "Traceback" not in said
