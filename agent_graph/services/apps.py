"""The service side: three small stateless HTTP apps."""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent_graph import guardrails
from agent_graph.errors import UserError
from agent_graph.events import Tell
from agent_graph.evidence import Evidence
from agent_graph.models import EXTRACTIVE_MODE, ModelChain
from agent_graph.planner import PlanRequest, write_plan
from agent_graph.services.wire import BEAT_S, Called, CallRequest, check_token, error_line, line
from agent_graph.solver import SolveRequest, write_answer
from agent_graph.usage import Role
from agent_graph.worker.call import Call, StepCaller, failed
from tools.catalog import Catalog
from tools.faults import one_line

_log = logging.getLogger("agent_graph.services")

MAX_BODY = 16 * 1024 * 1024
"""Largest request a service reads, in bytes."""

Asked = TypeVar("Asked", bound=BaseModel)
Put = Callable[[BaseModel], None]
Work = Callable[[Asked, Put], Awaitable[None]]


def planner_app(
    chain: ModelChain | None, catalog: Catalog, *, token: str | None = None, beat_s: float = BEAT_S
) -> Starlette:
    """Return the planner service; it holds the model keys and knows the tools by signature only.

    `token` is the secret that callers must show; None asks for none, which is for loopback only.
    """

    async def plan(request: PlanRequest, put: Put) -> None:
        async for part in write_plan(request, chain, catalog):
            put(part)

    return _app("planner", "/plan", PlanRequest, plan, _mode(chain), token, beat_s)


def worker_app(catalog: Catalog, *, token: str | None = None, beat_s: float = BEAT_S) -> Starlette:
    """Return the worker service; it alone holds what the tools need. `token` as in `planner_app`."""
    caller = StepCaller(catalog, time.time)

    async def call(request: CallRequest, put: Put) -> None:
        put(Called(evidence=await _call(caller, request, put)))

    return _app("worker", "/call", CallRequest, call, "tools", token, beat_s)


def solver_app(chain: ModelChain | None, *, token: str | None = None, beat_s: float = BEAT_S) -> Starlette:
    """Return the solver service; it holds the model keys. `token` as in `planner_app`."""

    async def solve(request: SolveRequest, put: Put) -> None:
        async for part in write_answer(request, chain):
            put(part)

    return _app("solver", "/solve", SolveRequest, solve, _mode(chain), token, beat_s)


async def _call(caller: StepCaller, request: CallRequest, tell: Tell) -> Evidence:
    step = request.step
    if step.tool not in caller.catalog:
        return failed(step, "tool_error", f"The worker service has no tool {step.tool!r}.")
    now = caller.clock()
    call = Call(
        step=step,
        args=request.args,
        context=request.context,
        key=request.key,
        started=now - request.elapsed_s,
        deadline=now + request.left_s,
    )
    return await caller(call, tell)


def _mode(chain: ModelChain | None) -> str:
    return chain.name if chain else EXTRACTIVE_MODE


def _app(
    role: Role,
    path: str,
    kind: type[Asked],
    work: Work[Asked],
    mode: str,
    token: str | None,
    beat_s: float,
) -> Starlette:
    check_token(token)

    async def answer(request: Request) -> Response:
        _admit(request, token)
        asked = _read(kind, await _body(request))
        return StreamingResponse(
            _lines(role, partial(work, asked), beat_s), media_type="application/x-ndjson"
        )

    async def ok(_: Request) -> Response:
        return JSONResponse({"ok": True, "role": role, "mode": mode})

    routes = [Route(path, answer, methods=["POST"]), Route("/ok", ok, methods=["GET"])]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refusal})


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


def _admit(request: Request, token: str | None) -> None:
    given = request.headers.get("authorization", "").encode("latin-1")
    if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode()):
        raise HTTPException(401, "The token is missing or wrong.", {"www-authenticate": "Bearer"})


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    parts, size = [], int(declared) if declared.isdigit() else 0
    too_large = HTTPException(413, f"The request is larger than {MAX_BODY} bytes.")
    if size > MAX_BODY:
        raise too_large
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _read(kind: type[Asked], body: bytes) -> Asked:
    try:
        return kind.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise HTTPException(422, f"The request does not fit at {where}: {first['msg']}.") from None
    except (ValueError, RecursionError):
        raise HTTPException(400, "The request is no JSON that can be read.") from None


async def _lines(role: Role, work: Callable[[Put], Awaitable[None]], beat_s: float) -> AsyncIterator[str]:
    """Yield what the work puts, one line each, and signs of life while it puts nothing.

    The work has a task of its own: it ends with the reply, also when the caller goes away.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    running = asyncio.create_task(_work(role, work, lines))
    try:
        while (line := await _next(lines, beat_s)) is not None:
            yield line
    finally:
        running.cancel()


async def _next(lines: asyncio.Queue[str | None], beat_s: float) -> str | None:
    try:
        async with asyncio.timeout(beat_s):
            return await lines.get()
    except TimeoutError:
        return "\n"


async def _work(role: Role, work: Callable[[Put], Awaitable[None]], lines: asyncio.Queue[str | None]) -> None:
    try:
        await work(lambda part: lines.put_nowait(line(part)))
    except UserError as error:
        lines.put_nowait(error_line(guardrails.redact(one_line(error))))
    except Exception:
        _log.exception("the %s service failed", role)
        lines.put_nowait(error_line(f"The {role} service failed; its log says why."))
    finally:
        lines.put_nowait(None)
