"""The server's routes beside LangGraph's own, and the gate before all of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from agent_graph.apps.parts import DOOR, SETTINGS
from agent_graph.gateway import chat
from agent_graph.gateway.assistants import with_assistants
from agent_graph.gateway.gate import Gate
from agent_graph.gateway.health import readiness
from agent_graph.gateway.mcp_server import McpServer
from agent_graph.web.app import app as page

_mcp = McpServer()


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    async with with_assistants(), _mcp.running():
        yield


app = Starlette(
    routes=[*page.routes, *chat.ROUTES, *_mcp.routes, Route("/ready", readiness(SETTINGS, DOOR))],
    middleware=[Middleware(Gate, door=DOOR, most_bytes=SETTINGS.max_request_bytes)],
    lifespan=_lifespan,
)
