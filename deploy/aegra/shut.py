"""What Aegra would do without asking, or leave out without saying so: refused here, with a sentence."""

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_graph.gateway.gate import replayed

_BY_RUNS_ONLY = "A thread's state is written by runs only; answer one that waits with command.resume."
_STATE = re.compile(r"/threads/[^/]+/state/?")
_UNHEARD: Mapping[str, str] = {
    "webhook": "Webhooks are not offered: no address may come from a request. Stream or join the run instead.",
    "after_seconds": "This server starts a run at once; after_seconds is not offered.",
    "supersteps": _BY_RUNS_ONLY,
}
"""By the key of a request's body."""


class Shut:
    """ASGI middleware before Aegra; the gate before it has bounded the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it with 4xx."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if _STATE.fullmatch(scope["path"]):
            await JSONResponse({"detail": _BY_RUNS_ONLY}, 403)(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        given = _read(body)
        for key, why in _UNHEARD.items():
            if given.get(key):
                await JSONResponse({"detail": why}, 422)(scope, receive, send)
                return
        await self._app(scope, replayed(body, receive), send)


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:  # Aegra says what is wrong with it
        return {}
    return given if isinstance(given, dict) else {}
