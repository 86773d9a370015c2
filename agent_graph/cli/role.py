"""`agent-graph role`: one of the three roles as a service of its own, to be run in replicas."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    import uvicorn
    from starlette.applications import Starlette

    from agent_graph.settings import Settings

RoleName = Literal["planner", "worker", "solver"]
"""The same words as usage.Role, here without importing it."""

PORTS: dict[RoleName, int] = {"planner": 8101, "worker": 8102, "solver": 8103}


def command(
    role: Annotated[RoleName, typer.Argument(help="Which role to serve.", show_default=False)],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", min=0, max=65535, help="Default 8101, 8102, 8103; 0 takes a free one."),
    ] = None,
    drain: Annotated[
        int, typer.Option("--drain", min=1, max=3600, help="Seconds calls get to end after SIGTERM.")
    ] = 30,
    tools: Annotated[
        str | None,
        typer.Option("--tools", help="The worker's tools, as module:name of a list of LangChain tools."),
    ] = None,
) -> None:
    """Serve one role over HTTP; stop it with Ctrl-C. The graph uses it through AGENT_GRAPH_<ROLE>_URLS."""
    import signal

    from agent_graph.bootstrap import build_role, export_spans
    from agent_graph.errors import UserError
    from agent_graph.settings import read_settings

    if tools is not None and role != "worker":
        raise UserError(f"Only the worker has tools; leave --tools out for the {role}.")
    settings = read_settings()
    _check_host(host, settings.token)
    with bound(host, PORTS[role] if port is None else port) as address:
        app = build_role(role, settings, tools=loaded(tools) if tools else None)
        where = f"[{host}]" if ":" in host else host
        certificate = _certificate(settings)
        scheme = "https" if certificate else "http"
        said = f"{role} {scheme}://{where}:{address.getsockname()[1]}"
        server = _server(app, drain, said, certificate)
        count()
        export_spans(settings, f"agent-graph-{role}")
        signal.signal(signal.SIGTERM, _drained)  # raised again by uvicorn when the calls under way have ended
        server.run(sockets=[address])


def _certificate(settings: "Settings") -> "tuple[Path, Path] | None":
    """Return the files of the certificate to show and its key, after a look into them."""
    import ssl

    from agent_graph.errors import SettingsError

    files = settings.service_certificate
    if files is None:
        return None
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files, password="")
    except OSError as error:
        raise SettingsError(
            f"AGENT_GRAPH_SERVICE_CERT and AGENT_GRAPH_SERVICE_KEY are not usable "
            f"({error.strerror or error}); name the files in PEM of a certificate and of its key, unencrypted."
        ) from error
    return files


def _server(
    app: "Starlette", drain: int, said: str, certificate: "tuple[Path, Path] | None"
) -> "uvicorn.Server":
    import uvicorn

    class Announced(uvicorn.Server):
        async def startup(self, sockets: "list[socket.socket] | None" = None) -> None:
            await super().startup(sockets)
            typer.echo(said)

    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=drain,
        ssl_certfile=certificate[0] if certificate else None,
        ssl_keyfile=certificate[1] if certificate else None,
    )
    return Announced(config)


def _drained(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _check_host(host: str, token: str | None) -> None:
    from agent_graph.errors import SettingsError

    if token is None and not _is_loopback(host):
        raise SettingsError(
            f"A role's service that others can reach needs a secret: set AGENT_GRAPH_SERVICE_TOKEN here and for "
            f"the graph, or use --host 127.0.0.1 instead of {host!r}."
        )


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound(host: str, port: int) -> "socket.socket":
    """Take the address; calls are refused, not kept waiting, until the server listens on it."""
    import socket

    from agent_graph.errors import UserError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.socket(family, socket.SOCK_STREAM)
    try:
        address.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        address.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or small lines wait for one another
        address.bind((host, port))
    except OSError as error:
        address.close()
        raise UserError(
            f"Cannot listen on {host} port {port} ({error.strerror or error}); choose another with --host "
            "and --port."
        ) from error
    return address


def loaded(named: str) -> Any:
    """Import what `--tools` names: a list of tools, or a function that returns one."""
    from importlib import import_module

    from agent_graph.errors import UserError

    module, _, name = named.partition(":")
    try:
        found: Any = import_module(module)
        found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"--tools {named!r} cannot be loaded ({error}); write module:name of a list of LangChain tools."
        ) from error
    return found() if callable(found) else found


def count() -> None:
    """Let the OpenTelemetry metrics of this process appear in /metrics, where the SDK is installed."""
    try:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from opentelemetry.sdk.metrics import MeterProvider
    except ImportError:
        return  # /metrics says what to install
    from opentelemetry import metrics

    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader(disable_target_info=True)]))
