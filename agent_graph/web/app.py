"""The page at `/ui`, to be named in langgraph.json as `http.app`; every other route stays the server's own.

The files are named one by one: a mount of `/ui` would hide what the server keeps below that path.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

_STATIC = Path(str(files("agent_graph.web"))) / "static"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_: Request) -> Response:
        return FileResponse(_STATIC / name, media_type=kind, headers=_HEADERS)

    return serve


async def _to_page(_: Request) -> Response:
    # Relative, so that it also leads there behind a proxy or a mount prefix.
    return RedirectResponse("ui/", status_code=307)


app = Starlette(
    routes=[
        Route("/ui", _to_page, include_in_schema=False),
        Route("/ui/", _file("index.html", "text/html"), include_in_schema=False),
        Route("/ui/page.css", _file("page.css", "text/css"), include_in_schema=False),
        Route("/ui/page.js", _file("page.js", "text/javascript"), include_in_schema=False),
    ]
)
