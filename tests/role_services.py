"""Role services in threads of this process, and what their tests share; imported by test_services_*.py."""

import asyncio
import logging
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from langchain_core.tools import BaseTool, StructuredTool
from starlette.applications import Starlette

from agent_graph import Agent, Context
from agent_graph.events import Event
from agent_graph.evidence import Evidence
from agent_graph.graph import Deps
from agent_graph.models import Models
from agent_graph.plan import Step
from agent_graph.references import StepId
from agent_graph.services import (
    RemotePlanner,
    RemoteSolver,
    RemoteWorker,
    planner_app,
    solver_app,
    worker_app,
)
from agent_graph.testing import recording_tool
from agent_graph.worker.call import Call
from tools.catalog import Catalog

TOKEN = "tell no one"
NO_MODELS = Models(None, None, None)
ASK: Any = {"task": "Do it"}
PLAN = """Plan: a diamond
#E1 = first(query="go")
#E2 = left(query="#E1.name")
#E3 = right(query="#E1.count")
#E4 = last(query="#E2 and #E3")
"""
_KEPT: list[socket.socket] = []
"""Ports of this process's tests, until it ends."""
ANSWER = "It is done [E4]. Nobody found it [E9]."


@contextmanager
def served(app: Starlette, port: int = 0, *, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve an app in a thread and give its address; requests wait in the socket until it runs.

    `tls` are the files of a certificate for 127.0.0.1 and of its key.
    """
    taken = listening(port)
    cert, key = tls or (None, None)
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, ws="none", ssl_certfile=cert, ssl_keyfile=key
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{taken.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        taken.close()


def listening(port: int = 0) -> socket.socket:
    """Return a socket that accepts; small lines do not wait for one another on it."""
    taken = socket.create_server(("127.0.0.1", port))
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return taken


def closed_port() -> str:
    """Return an address where nothing listens, and where only what is told of it will.

    Somebody else could take a port that is let go of; one that is bound and does not listen is given to nobody,
    and yet lets whoever asks for it by number, with SO_REUSEADDR, listen there.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _KEPT.append(kept)
    return f"http://127.0.0.1:{kept.getsockname()[1]}"


def diamond() -> Catalog:
    """Return four tools, the first of which returns a structure."""
    first = recording_tool("first", {"name": "Zoë \u2028 end", "count": 3})
    others = [recording_tool(name, lambda query, name=name: f"{name}({query})") for name in ("left", "right")]
    tools = [first, *others, recording_tool("last", 42)]
    return Catalog(tools, {tool.name: "reads" for tool in tools})


def patient(heard: threading.Event) -> BaseTool:
    """Return a tool that ends only when something was heard; it blocks its thread, as real ones do."""

    def wait(query: str) -> bool:
        """Wait."""
        return heard.wait(60)

    return StructuredTool.from_function(wait, name="patient", description="Waits.")


@contextmanager
def split(catalog: Catalog, planning: Models, solving: Models, **options: Any) -> Iterator[Deps]:
    """Serve the three roles, each in a thread with a loop of its own, and give what a graph needs to use them."""
    with ExitStack() as stack:
        planner = stack.enter_context(served(planner_app(planning.planner, token=TOKEN)))
        worker = stack.enter_context(served(worker_app(catalog, token=TOKEN)))
        solver = stack.enter_context(served(solver_app(solving.solver, token=TOKEN)))
        yield Deps(
            NO_MODELS,
            catalog,
            plan=RemotePlanner(planner, catalog, token=TOKEN),
            call=RemoteWorker(worker, catalog, token=TOKEN),
            solve=RemoteSolver(solver, token=TOKEN),
            **options,
        )


async def run(agent: Agent, **context: Any) -> tuple[dict[str, Any], list[str]]:
    """Run once and return the final state and the kinds of the events, in order."""
    told: list[str] = []
    state: dict[str, Any] = {}
    async for mode, part in agent.astream(ASK, context=Context(**context), stream_mode=["custom", "values"]):
        assert isinstance(part, dict)
        if mode == "custom":
            told.append(part["type"])
        else:
            state = part
    return state, told


def timeless(evidence: dict[StepId, Evidence]) -> dict[StepId, Evidence]:
    """Return evidence without the seconds it took."""
    return {step: one.model_copy(update={"seconds": 0.0, "started": 0.0}) for step, one in evidence.items()}


async def call(
    worker: RemoteWorker,
    tool: str,
    args: dict[str, Any] | None = None,
    *,
    told: Callable[[Event], None] = lambda event: None,
    left_s: float = 60,
    **context: Any,
) -> Evidence:
    """Run one step on a worker service."""
    step = Step(id=StepId("E1"), tool=tool, args=args or {})
    now = worker.clock()
    asked = Call(
        step=step, args=step.args, context=Context(**context), started=now - 5, deadline=now + left_s
    )
    return await worker(asked, told)


class Losses(logging.Handler):
    """Hears of each replica that was lost: the client side says so in its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self._said.put(record.getMessage())

    async def next(self) -> str:
        """Wait for one and return what was said."""
        return await asyncio.to_thread(self._said.get, timeout=60)


@contextmanager
def losses() -> Iterator[Losses]:
    """Listen to the client side's log."""
    log, hears = logging.getLogger("agent_graph.services"), Losses()
    log.addHandler(hears)
    try:
        yield hears
    finally:
        log.removeHandler(hears)
