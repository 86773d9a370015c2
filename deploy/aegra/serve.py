"""Start one instance of Aegra over this agent: `.venv-aegra/bin/python deploy/aegra/serve.py --port 2026`.

Aegra serves everyone when it cannot load the file that says who may come in. So before this one listens, every route
is asked without a key and with a wrong one, and the instance ends when one of them answers.
"""

import argparse
import asyncio
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from agent_graph.errors import SettingsError, UserError
from agent_graph.gateway.door import Door, door_from
from agent_graph.gateway.gate import Gate
from agent_graph.gateway.keys import PREFIX
from agent_graph.settings import Settings, read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

HERE = Path(__file__).resolve().parent
_OPEN = frozenset({"/", "/health", "/info", "/live", "/metrics", "/ready"})
"""What Aegra answers without a key; all but the first and the last our gate shuts."""
_SWITCHED_OFF = {"FF_V2_EVENT_STREAMING": "false", "CRON_ENABLED": "false"}
"""Ways to start a run that ask less than the others."""
_CLOSING_S = 5
"""How long streams stay open at the end; their clients join the runs again at another instance."""
_NOBODY = "00000000-0000-4000-8000-000000000000"
_WRONG = f"{PREFIX}_00000000_{'0' * 64}"


def main() -> None:
    """Check, then serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="One instance of Aegra over this agent.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2026)
    asked = parser.parse_args()
    _set_environment()
    try:
        settings = read_settings()
        door = door_from(settings)
        if door.open:
            raise SettingsError(
                "There are no keys, and this server is for several users. Make one first: agent-graph keys new USER"
            )
        _open_parts(settings)
        app = _checked_app()
    except ImportError as error:
        sys.exit(f"Aegra cannot be loaded ({error}). Install it with: make .venv-aegra/.installed")
    except UserError as error:
        sys.exit(str(error))
    import uvicorn

    uvicorn.run(
        _guarded(app, settings, door),
        host=asked.host,
        port=asked.port,
        log_level="warning",
        timeout_graceful_shutdown=_CLOSING_S,
    )


def _set_environment() -> None:
    for name, value in dotenv_values(HERE / "aegra.env").items():
        os.environ.setdefault(name, value or "")
    os.environ.setdefault("AEGRA_CONFIG", str(HERE / "aegra.json"))
    os.environ.update(_SWITCHED_OFF)
    sys.path.append(str(HERE.parent.parent))  # the files that Aegra loads here import each other from there
    if not Path(
        os.environ["AEGRA_CONFIG"]
    ).is_file():  # Aegra would look for another, and find one without auth
        sys.exit(f"AEGRA_CONFIG={os.environ['AEGRA_CONFIG']!r} is no file.")


def _open_parts(settings: Settings) -> None:
    """Open what the auth file needs, so that what cannot be opened is told here and not lost in Aegra's log."""
    from aegra_api.settings import settings as aegra

    if settings.ledger is None:  # all instances are to count together
        os.environ["AGENT_GRAPH_LEDGER"] = aegra.db.database_url_sync
    import agent_graph.apps.parts  # noqa: F401


def _checked_app() -> "FastAPI":
    from aegra_api.core.auth_middleware import get_auth_backend
    from aegra_api.main import app

    get_auth_backend()  # reads the auth file now, and logs what is wrong with it
    logging.disable(logging.WARNING)  # each question below would leave two lines
    served = asyncio.run(answered(app))
    logging.disable(logging.NOTSET)
    if served:
        raise UserError(
            f"The server would answer without a key at {', '.join(served[:3])} and {len(served)} routes in all. It was "
            "not started: Aegra could not load its auth file, or no longer asks it. What it logged above says why."
        )
    return app


async def answered(app: "FastAPI") -> list[str]:
    """Return the routes that let in who has no key, or a wrong one; nothing listens yet."""
    import httpx

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    found: list[str] = []
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for path, methods in app.openapi()["paths"].items():
            for method in methods if path not in _OPEN else ():
                url = re.sub(r"{\w+}", _NOBODY, path)
                for key in (None, _WRONG):
                    headers = {"authorization": f"Bearer {key}"} if key else {}
                    reply = await client.request(method.upper(), url, json={}, headers=headers)
                    if reply.status_code != 401:
                        found.append(f"{method.upper()} {path}")
                        break
    return found


def _guarded(app: "ASGIApp", settings: Settings, door: Door) -> "ASGIApp":
    from deploy.aegra.claims import Releasing
    from deploy.aegra.shut import Shut

    return Gate(Shut(Releasing(app)), door=door, most_bytes=settings.max_request_bytes)


if __name__ == "__main__":
    main()
