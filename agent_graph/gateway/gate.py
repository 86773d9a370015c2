"""The outermost gate: who may come in at all, how large and how deep a request may be.

LangGraph asks again behind it. This one stands before every route, also those that LangGraph leaves open (metrics,
maintenance of the development server), so that a route nobody thought of is closed and not open.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_graph.gateway.auth import credential_of
from agent_graph.gateway.door import Door, is_loopback
from agent_graph.gateway.signed import Refused

_ANYONE = ("/", "/ok", "/ready")
"""What answers without a key: whether the server lives."""
_NOBODY = ("/internal", "/deploy")
"""The development server's own maintenance: it empties the server, it starts programs."""
_STUDIO = "smith.langchain.com"
DEEPEST = 64
"""Levels of nesting that a request's JSON may have."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")


class Gate:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp, *, door: Door, most_bytes: int) -> None:
        self._app, self._door, self._most = app, door, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it with 4xx and a sentence."""
        if scope["type"] not in ("http", "websocket") or _from_within(scope):
            await self._app(scope, receive, send)
            return
        refused = await self._refused(scope)
        if refused is not None:
            await _refuse(scope, receive, send, refused)
        elif scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH", "DELETE"):
            await self._read(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _refused(self, scope: Scope) -> Response | None:
        path = scope["path"]
        if any(path == place or path.startswith(f"{place}/") for place in _NOBODY):
            return _told(404, "There is nothing here.")
        if self._door.open:
            return _not_local(scope)
        if path in _ANYONE or scope.get("method") == "OPTIONS" or _is_page(scope):
            return None
        try:
            await run_in_threadpool(self._door.admit, credential_of(scope["headers"]))
        except Refused as error:
            return _told(401, str(error), kind="authentication_error")
        return None

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, within bounds, before anything acts on its beginning."""
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # whoever sent it has gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most:
                told = f"The request is larger than {self._most:,} bytes. Send less."
                await _told(413, told)(scope, receive, send)
                return
        if len(body) > DEEPEST and await run_in_threadpool(depth, bytes(body)) > DEEPEST:
            await _told(400, f"The JSON is nested deeper than {DEEPEST} levels.")(scope, receive, send)
            return
        await self._app(scope, replayed(bytes(body), receive), send)


def depth(body: bytes) -> int:
    """Return how deep brackets are nested in JSON, those in strings left out; stops counting at the limit."""
    level = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", body)):
        level += 1 if bracket[0] in b"[{" else -1
        deepest = max(deepest, level)
        if deepest > DEEPEST:
            break
    return deepest


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what hands on a body that was read already."""
    given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return given.pop() if given else await receive()

    return replay


def _from_within(scope: Scope) -> bool:
    """Whether the server calls itself; no request can set the root path."""
    root = str(scope.get("root_path") or "")
    return root == "/noauth" or root.startswith("/noauth/")


def _is_page(scope: Scope) -> bool:
    return bool(scope.get("method") in ("GET", "HEAD")) and (
        scope["path"] == "/ui" or scope["path"].startswith("/ui/")
    )


def _not_local(scope: Scope) -> Response | None:
    """Refuse what does not come to this machine's own address by its own name.

    A page of some other site, opened in a browser on this machine, can send requests here too: its origin tells it
    apart, and the Host header one whose name was made to lead here.
    """
    server = scope.get("server")
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = urlsplit(f"//{headers.get(b'host', '')}").hostname or ""
    if (server and not is_loopback(str(server[0]))) or not is_loopback(host):
        return _told(
            403,
            "This server has no keys and so answers only its own machine. Its operator makes some with: "
            "agent-graph keys new USER",
        )
    origin = headers.get(b"origin")
    page = urlsplit(origin or "").hostname or ""
    if origin is not None and page != _STUDIO and not is_loopback(page):
        return _told(403, "Pages of other sites may not use this server.")
    return None


def _told(status: int, detail: str, *, kind: str = "invalid_request_error") -> Response:
    """Answer as LangGraph's clients read it, and as OpenAI's do."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    error = {"message": detail, "type": kind, "param": None, "code": None}
    return JSONResponse({"detail": detail, "error": error}, status_code=status, headers=headers)


async def _refuse(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    closing: dict[str, Any] = {"type": "websocket.close", "code": 1008}
    await receive()
    await send(closing)
