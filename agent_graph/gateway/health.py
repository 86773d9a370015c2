"""`/ready`: whether what the agent needs answers, for whoever decides where requests go."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent_graph.gateway.auth import credential_of
from agent_graph.gateway.door import Door
from agent_graph.gateway.signed import Refused
from agent_graph.settings import Settings

_FRESH_S = 5.0
_PATIENCE_S = 3.0
_VERSIONS = ("agent-graph", "langgraph", "langgraph-api", "aegra-api", "langchain-core", "chromadb")


class Found(NamedTuple):
    """What one check found."""

    ok: bool
    told: str


Check = Callable[[], Awaitable[Found]]
"""Looks at one thing that the agent needs."""


def readiness(
    settings: Settings, door: Door, more: Mapping[str, Check] = MappingProxyType({})
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint: 200 when everything answers, 503 when something does not; versions for users only.

    `more` is what this server needs beside the model and the documents, by name.

    What was found stays good for some seconds, so that asking often costs nothing.
    """
    lock = asyncio.Lock()
    last: tuple[float, Mapping[str, Found]] | None = None

    async def ready(request: Request) -> Response:
        nonlocal last
        async with lock:
            if last is None or time.monotonic() - last[0] > _FRESH_S:
                last = (time.monotonic(), await _look(settings, more))
        found = last[1]
        well = all(one.ok for one in found.values())
        told: dict[str, object] = {"ok": well, "checks": {name: one._asdict() for name, one in found.items()}}
        if await asyncio.to_thread(_is_user, door, request):
            told["versions"] = _versions()
        return JSONResponse(told, status_code=200 if well else 503)

    return ready


async def _look(settings: Settings, more: Mapping[str, Check]) -> Mapping[str, Found]:
    async with httpx.AsyncClient(timeout=_PATIENCE_S) as client:
        checks: Mapping[str, Check] = {
            "model": partial(_model, settings, client),
            "documents": partial(_documents, settings, client),
            **more,
        }
        found = await asyncio.gather(*(check() for check in checks.values()))
    return dict(zip(checks, found, strict=True))


def _versions() -> dict[str, str]:
    """Return the version of each part that is installed: no server has all of them."""
    found: dict[str, str] = {}
    for name in _VERSIONS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


async def _model(settings: Settings, client: httpx.AsyncClient) -> Found:
    """Ask a model's server for its list; a provider's is not asked, since only a paid call would tell more."""
    if not settings.openai_base_url:
        named = settings.api_key or any(settings.roles.values())
        return Found(
            True, "configured, not called" if named else "extractive mode: no language model is configured"
        )
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    return await _answers(client, f"{settings.openai_base_url.rstrip('/')}/models", headers)


async def _documents(settings: Settings, client: httpx.AsyncClient) -> Found:
    places = settings.places
    found = [
        await _place(place, client) for place in ([places] if isinstance(places, str) else places.values())
    ]
    return next((one for one in found if not one.ok), found[0])


async def _place(place: str, client: httpx.AsyncClient) -> Found:
    if "://" in place:
        return await _answers(client, f"{place.rstrip('/')}/api/v2/heartbeat", {})
    return await asyncio.to_thread(_folder, Path(place))


def _folder(place: Path) -> Found:
    folder = place.expanduser()
    if not folder.exists():
        return Found(True, "nothing was ingested yet")
    usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    return Found(usable, "there" if usable else "the folder cannot be used")


async def _answers(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> Found:
    try:
        reply = await client.get(url, headers=headers)
    except httpx.HTTPError as error:
        return Found(False, f"does not answer ({type(error).__name__})")
    return Found(reply.is_success, f"answers {reply.status_code}")


def _is_user(door: Door, request: Request) -> bool:
    try:
        door.admit(credential_of(request.scope["headers"]))
    except Refused:
        return False
    return True
