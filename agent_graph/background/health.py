"""What operators ask a worker over HTTP: `/ok` says that it lives, `/ready` what it is at, `/metrics` what it has done."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent_graph.services.health import metrics


def health_app(running: Callable[[], int], going: Callable[[], bool]) -> Starlette:
    """Return the app; `running` counts what is under way, `going` says whether the worker's session holds."""

    async def ok(_: Request) -> JSONResponse:
        return JSONResponse({"ok": True})

    async def ready(_: Request) -> JSONResponse:
        told = {"role": "background", "ready": going(), "running": running()}
        return JSONResponse(told, 200 if told["ready"] else 503)

    return Starlette(routes=[Route("/ok", ok), Route("/ready", ready), Route("/metrics", metrics)])
