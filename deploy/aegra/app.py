"""Aegra's routes beside LangGraph's own: the page, `/v1`, `/mcp`, and whether it lives and is ready.

The gate stands before all of them, in `serve.py`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from aegra_api.models.errors import get_error_type
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from langgraph_sdk.client import LangGraphClient
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_graph.apps.parts import DOOR, SETTINGS
from agent_graph.gateway import chat
from agent_graph.gateway.assistants import create_assistants
from agent_graph.gateway.health import readiness
from agent_graph.gateway.mcp_server import McpServer
from agent_graph.web.app import app as page
from deploy.aegra.own_key import OWN_KEY
from deploy.aegra.ready import CHECKS

__all__ = ["app"]

_mcp = McpServer()


@asynccontextmanager
async def _lifespan(started: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(started),
        base_url="http://127.0.0.1",
        headers={"authorization": f"Bearer {OWN_KEY}"},
    ) as http:
        await create_assistants(LangGraphClient(http))
    async with _mcp.running():
        yield


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(error.status_code, str(error.detail), error.headers)


async def _unfit(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return _told(422, f"{place or 'body'}: {first['msg']}.")


def _told(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer as Aegra does, and with `detail`, where LangGraph's other servers have the sentence."""
    told = {"detail": sentence, "error": get_error_type(status), "message": sentence}
    return JSONResponse(told, status, headers=headers)


async def _lives(_: Request) -> Response:
    return JSONResponse({"ok": True})


app = FastAPI(
    title="agent-graph",
    routes=[
        *page.routes,
        *chat.ROUTES,
        *_mcp.routes,
        Route("/ok", _lives),
        Route("/ready", readiness(SETTINGS, DOOR, CHECKS)),
    ],
    lifespan=_lifespan,
    exception_handlers={HTTPException: _refused, RequestValidationError: _unfit},
)
"""Aegra adds its own routes to it."""
