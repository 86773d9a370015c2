"""`agent-graph jobs work`: one worker of the queues, to be run in replicas."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_graph.cli.failure import COULD_NOT, tell

if TYPE_CHECKING:
    import socket

    from agent_graph.background.worker import Worker
    from agent_graph.settings import Settings


def command(
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency",
            min=1,
            max=256,
            help="Questions at a time in each worker; the one started last says it.",
        ),
    ] = 4,
    host: Annotated[str, typer.Option("--host", help="Address for --port.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            "--port", "-p", min=0, max=65535, help="Answer /ok, /ready and /metrics here; left out: nowhere."
        ),
    ] = None,
    drain: Annotated[
        int, typer.Option("--drain", min=0, max=3600, help="Seconds that runs get to end after SIGTERM.")
    ] = 20,
    tools: Annotated[
        str | None,
        typer.Option("--tools", help="The agent's tools, as module:name of a list of LangChain tools."),
    ] = None,
) -> None:
    """Answer questions and ingest from the queues, and take up the work of workers that died; Ctrl-C stops it.

    Start as many as you like. A run whose worker dies goes on in another from its last checkpoint: finished steps are
    not repeated, and nothing that writes is done twice.
    """
    from agent_graph.background.place import place_of
    from agent_graph.bootstrap import export_spans
    from agent_graph.cli.role import bound, count, loaded
    from agent_graph.settings import read_settings

    settings = read_settings()
    place_of(settings)
    logging.getLogger("agent_graph.background").setLevel(
        logging.WARNING
    )  # whose work was taken up, and what waits
    found = loaded(tools) if tools else None
    count()
    export_spans(settings, "agent-graph-background")
    with bound(host, port) if port is not None else nullcontext() as address:
        asyncio.run(_work(settings, concurrency, drain, found, address))
    from agent_graph.background.worker import leave

    leave()


async def _work(
    settings: "Settings", concurrency: int, drain: int, tools: Any, address: "socket.socket | None"
) -> None:
    import signal

    from agent_graph.background.worker import working
    from agent_graph.cli import console

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with working(settings, concurrency=concurrency, tools=tools, drain=drain) as (worker, looking):
        async with _health(worker, looking, address) if address is not None else nullcontext():
            typer.echo(f"working, {console.counted(concurrency, 'question')} at a time")
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait({stopping, looking}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
        if looking.done():
            _give_up(looking.exception())
        typer.echo("Stopping.", err=True)


def _give_up(error: BaseException | None) -> None:
    """End at once: others are taking up the runs of this process, and DBOS would wait for the database."""
    tell(error or RuntimeError("the worker ended by itself"), debug=False)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(COULD_NOT)


@asynccontextmanager
async def _health(
    worker: "Worker", looking: "asyncio.Future[Any]", address: "socket.socket"
) -> AsyncIterator[None]:
    import uvicorn

    from agent_graph.background.health import health_app

    class Beside(uvicorn.Server):
        """A server that leaves the signals to the worker."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    app = health_app(lambda: len(worker.running), lambda: not looking.done())
    server = Beside(
        uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none", server_header=False)
    )
    serving = asyncio.ensure_future(server.serve(sockets=[address]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
