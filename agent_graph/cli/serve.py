"""`agent-graph serve`: the LangGraph server over this agent, offline; for this machine only until there are keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import subprocess

    from agent_graph.settings import Settings

_STARTING_S = 120.0
_STOPPING_S = 30.0

GRAPHS = {
    "agent": {
        "path": "agent_graph.apps.agent:graph",
        "description": "Answers questions over your documents: plans once, runs the plan as a dataflow, "
        "answers with checked citations.",
    },
    "ingest": {
        "path": "agent_graph.apps.ingest:graph",
        "description": "Reads a folder that the operator allowed into your collection, and reports on every document.",
    },
}
"""The same as in langgraph.json, which an installed package does not carry."""

AUTH = {"path": "agent_graph.apps.auth:auth", "disable_studio_auth": True}
"""Who may do what; without the second entry a header that says "I am Studio" would open the server."""

HTTP = {"app": "agent_graph.apps.http:app", "disable_mcp": True, "disable_webhooks": True}
"""The page, the ways in beside LangGraph's own, and the gate; LangGraph's `/mcp` gives way to ours."""

WEBHOOKS = {"url": {"allowed_domains": ["webhooks.invalid"]}}
"""None: the server is not even to look up a host that a request names."""


def command(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535)] = 2024,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=1000, help="Runs at the same time.")] = 10,
    log_level: Annotated[str, typer.Option("--log-level", help="Of the server's own log.")] = "WARNING",
) -> None:
    """Start the LangGraph server with the page at /ui, the API and Studio; stop it with Ctrl-C."""
    import signal

    from agent_graph.settings import read_settings

    settings = read_settings()
    _check_installed()
    _check_host(host, settings)
    _check_port(host, port)
    home = settings.home.expanduser().resolve() / "server"
    home.mkdir(parents=True, exist_ok=True)
    config = write_config(home)
    signal.signal(signal.SIGTERM, _terminated)  # or the server would outlive this process
    process = _start(settings, home, [*_command(config, host, port, jobs), "--server-log-level", log_level])
    try:
        _announce(process, host, port)
        code = process.wait()
    finally:
        _stop(process)
    if code:
        typer.echo(f"The server ended with code {code}; what it printed above says why.", err=True)
        raise typer.Exit(1)


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def write_config(home: Path) -> Path:
    """Write the server's configuration into a folder and return its path."""
    import json

    path = home / "langgraph.json"
    config = {"dependencies": ["."], "graphs": GRAPHS, "auth": AUTH, "http": HTTP, "webhooks": WEBHOOKS}
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return path


def environment(settings: "Settings", inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the server: offline, and with nothing in it relative to this directory."""
    import json
    import os

    from dotenv import dotenv_values

    from agent_graph.cli.packages import HOME

    ours = {
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",  # without it, stopping takes 30 s behind a network that swallows packets
        "AGENT_GRAPH_HOME": str(settings.home.expanduser().resolve()),
    }
    if settings.knowledge:
        ours["AGENT_GRAPH_KNOWLEDGE"] = _places(settings)
    ours |= {name: str(path.expanduser().resolve()) for name, path in _files(settings)}
    if settings.ingest_folders:
        folders = {name: str(path.expanduser().resolve()) for name, path in settings.ingest_folders.items()}
        ours["AGENT_GRAPH_INGEST_FOLDERS"] = json.dumps(folders)
    places = [entry for entry in inherited.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if not any(part in ("site-packages", "dist-packages") for part in HOME.parts):
        places.insert(0, str(HOME))  # a checkout that is run in place
    if places:
        ours["PYTHONPATH"] = os.pathsep.join(str(Path(place).resolve()) for place in places)
    here = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return {**here, **inherited, **ours}


def _places(settings: "Settings") -> str:
    """Return where the index is, as the setting is written, with every folder absolute."""
    places = settings.places
    if isinstance(places, str):
        return _absolute(places)
    return ",".join(f"{name}={_absolute(place)}" for name, place in places.items())


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).expanduser().resolve())


def _files(settings: "Settings") -> "list[tuple[str, Path]]":
    named = {"AGENT_GRAPH_KEYS_FILE": settings.keys_file, "AGENT_GRAPH_JWT_JWKS": settings.jwt_jwks}
    return [(name, path) for name, path in named.items() if path is not None]


def _check_host(host: str, settings: "Settings") -> None:
    """Refuse an address that others can reach while nobody is asked for a key, and warn on any other."""
    from agent_graph.errors import UserError
    from agent_graph.gateway.door import OPEN_WARNING, door_from, is_loopback

    if not door_from(settings).open:
        return
    if not is_loopback(host):
        raise UserError(
            f"There is no authentication, so the server only listens on this machine: not on {host!r}. Make a key "
            "for each user first (agent-graph keys new USER), or use --host 127.0.0.1."
        )
    typer.echo(OPEN_WARNING, err=True)


def _check_installed() -> None:
    from importlib.util import find_spec

    from agent_graph.errors import MissingExtra

    for module in ("langgraph_cli", "langgraph_api", "langgraph_runtime_inmem"):
        if find_spec(module) is None:
            raise MissingExtra("langgraph-cli[inmem]", "server")


def _check_port(host: str, port: int) -> None:
    """Refuse a port that is taken: the server would silently take another one."""
    import socket

    from agent_graph.errors import UserError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                f"Port {port} cannot be used ({error.strerror}). Stop what listens there, or choose another: "
                f"agent-graph serve --port {port + 1 if port < 65535 else port - 1}"
            ) from error


def _command(config: Path, host: str, port: int, jobs: int) -> list[str]:
    import sys

    return [
        *(sys.executable, "-m", "langgraph_cli", "dev", "--config", str(config)),
        *("--host", host, "--port", str(port), "--n-jobs-per-worker", str(jobs)),
        *("--no-browser", "--no-reload"),
    ]


def _start(settings: "Settings", home: Path, arguments: list[str]) -> "subprocess.Popen[bytes]":
    import os
    import subprocess
    import sys

    return subprocess.Popen(  # noqa: S603  # our own interpreter
        arguments,
        cwd=home,  # the server keeps its threads in the folder it runs in
        env=environment(settings, os.environ),
        stdout=sys.stderr.fileno(),
    )


def _announce(process: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    typer.echo(f"Starting the LangGraph server on {url} ...", err=True)
    if not _answers(process, url):
        return
    typer.echo(f"page    {url}/ui")
    typer.echo(f"API     {url}")
    typer.echo(f"docs    {url}/docs")
    typer.echo(f"Studio  https://smith.langchain.com/studio/?baseUrl={url}")
    typer.echo("Ctrl-C stops it.", err=True)


def _answers(process: "subprocess.Popen[bytes]", url: str) -> bool:
    import time

    import httpx

    deadline = time.monotonic() + _STARTING_S
    with httpx.Client(trust_env=False, timeout=2) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.get(f"{url}/ok").is_success:
                    return True
            except httpx.HTTPError:
                time.sleep(0.2)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    import subprocess

    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOPPING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
