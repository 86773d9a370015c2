"""How the page's routes live beside the server's own; what they serve is told in test_web_page.py."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from agent_graph.web.app import app


async def _servers_own(_: Request) -> Response:
    return PlainTextResponse("the server's own")


@pytest.mark.parametrize("prefix", ["", "/behind/a/proxy"])
async def test_ui_leads_to_the_page_below_any_prefix(prefix: str) -> None:
    """The redirect is relative, so a mount prefix or a proxy does not lose it."""
    outer = Starlette(routes=[Mount(prefix, app)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://agent") as client:
        page = await client.get(f"{prefix}/ui", follow_redirects=True)
    assert page.url.path == f"{prefix}/ui/"
    assert page.is_success


async def test_the_server_keeps_its_own_routes_below_ui() -> None:
    """LangGraph serves generated interfaces at POST /ui/{graph}; routes after ours still get those requests."""
    merged = Starlette(routes=[*app.routes, Route("/ui/{graph_id}", _servers_own, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(merged), base_url="http://agent") as client:
        for path in ("/ui/agent", "/ui/page.js"):
            assert (await client.post(path)).text == "the server's own"
        assert "run" in (await client.get("/ui/page.js")).text
