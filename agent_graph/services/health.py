"""What operators ask a service: `/ready` says what it would work with now, `/metrics` what it has done."""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from agent_graph.errors import MissingExtra
from agent_graph.models import EXTRACTIVE_MODE, ModelChain
from agent_graph.usage import Role
from tools.catalog import Catalog

KEEP_S = 5.0
"""Seconds for which `/ready` gives the same answer: anyone may ask it."""

Look = Callable[[], Awaitable[Mapping[str, Any]]]
"""Looks at what a service works with; `ready` in it says whether it can work."""

Reach = Callable[[str], Awaitable[str]]
"""Asks the model "provider:name" for a sign of life; returns why there is none, or nothing."""


def models(chain: ModelChain | None, reach: Reach | None) -> Look:
    """Return what looks at a role's models.

    The service is ready without any of them, because extractive mode answers then; `mode` says so.
    """

    async def look() -> Mapping[str, Any]:
        named = [one.name for one in chain.models] if chain else []
        faults = await asyncio.gather(*map(reach, named)) if reach else [""] * len(named)
        asked = {name: fault or "ok" for name, fault in zip(named, faults, strict=True)}
        working = [name for name, said in asked.items() if said == "ok"]
        return {"ready": True, "mode": working[0] if working else EXTRACTIVE_MODE, "models": asked}

    return look


def tools(catalog: Catalog) -> Look:
    """Return what looks at a worker's tools; without any it is not ready."""

    async def look() -> Mapping[str, Any]:
        return {"ready": bool(catalog), "tools": list(catalog)}

    return look


def ready_route(role: Role, look: Look) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of `/ready`: status 200, or 503 when the service cannot work."""
    lock = asyncio.Lock()
    kept: tuple[float, Mapping[str, Any]] | None = None

    async def ready(_: Request) -> Response:
        nonlocal kept
        async with lock:
            if kept is None or time.monotonic() - kept[0] >= KEEP_S:
                kept = time.monotonic(), await look()
        found = kept[1]
        return JSONResponse({"role": role, **found, "versions": _versions()}, 200 if found["ready"] else 503)

    return ready


async def metrics(_: Request) -> Response:
    """Answer with the process's metrics in Prometheus' text format; 501 where its client is not installed."""
    try:
        import prometheus_client
    except ImportError:
        return JSONResponse({"error": str(MissingExtra("prometheus_client", "otel"))}, 501)
    text = prometheus_client.generate_latest()
    return PlainTextResponse(text, media_type=prometheus_client.CONTENT_TYPE_LATEST)


def _versions() -> dict[str, str]:
    packages = ("agent-graph", "langchain-core", "langgraph")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
