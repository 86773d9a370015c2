"""What the three services have in common: who is let in, what is read, and how a reply is streamed."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent_graph import guardrails, monitoring
from agent_graph.errors import UserError
from agent_graph.monitoring import names
from agent_graph.services import proof, wire
from agent_graph.services.health import Look, metrics, ready_route
from agent_graph.services.meters import counted
from agent_graph.usage import Role
from tools.faults import one_line

_log = logging.getLogger("agent_graph.services")

MAX_BODY = 16 * 1024 * 1024
"""Largest request a service reads, in bytes."""
SLACK_S = 1.0
"""Seconds beyond the caller's deadline in which the work itself may say that it was missed."""

Asked = TypeVar("Asked", bound=BaseModel)
Put = Callable[[BaseModel], None]
Work = Callable[[Asked, float, Put], Awaitable[None]]
"""Does what was asked within so many seconds, putting what it has to say."""


@dataclass(frozen=True)
class Service(Generic[Asked]):
    """One role's service: a POST that does its work, and what operators ask."""

    role: Role
    path: str
    kind: type[Asked]
    work: Work[Asked]
    look: Look
    """What `/ready` looks at."""
    mode: str
    token: str | None = None
    beat_s: float = wire.BEAT_S

    def app(self, extra: Sequence[tuple[str, Callable[[], BaseModel]]] = ()) -> Starlette:
        """Return the app; `extra` are paths of GETs that need the token, with what they answer.

        Raises SettingsError for a token that protects nothing.
        """
        wire.check_token(self.token)
        admission = proof.Admission(self.token) if self.token is not None else None
        guard = partial(_admitted, admission, self.token)
        routes = [
            Route(self.path, partial(guard, self._answer), methods=["POST"]),
            *(Route(path, partial(guard, partial(_told, told)), methods=["GET"]) for path, told in extra),
            Route("/ok", self._ok, methods=["GET"]),
            Route("/ready", ready_route(self.role, self.look), methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _refusal})

    async def _ok(self, _: Request) -> Response:
        return JSONResponse({"ok": True, "role": self.role, "mode": self.mode})

    async def _answer(self, request: Request, body: bytes) -> Response:
        asked = _read(self.kind, body)
        try:
            left = wire.seconds_left(request.headers.get(wire.SECONDS_LEFT))
        except ValueError:
            raise HTTPException(400, f"{wire.SECONDS_LEFT} is no number of seconds above 0.") from None
        trace = monitoring.read_trace(request.headers)
        reply = _lines(partial(self._work, asked, left, trace), self.beat_s)
        return StreamingResponse(reply, media_type="application/x-ndjson")

    async def _work(
        self, asked: Asked, left: float, trace: Mapping[str, str], lines: asyncio.Queue[str | None]
    ) -> None:
        try:
            with (
                counted(self.role) as account,
                monitoring.within(trace),
                monitoring.span(names.SERVE, self.role, {names.ROLE: self.role}),
            ):
                async with asyncio.timeout(left + SLACK_S) as deadline:
                    await self.work(asked, left, lambda part: lines.put_nowait(wire.line(part)))
                account.outcome = "ok"
        except UserError as error:
            lines.put_nowait(wire.error_line(guardrails.redact(one_line(error))))
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                late = f"The {self.role} service did not end within the {left:g} s that it was given."
                lines.put_nowait(wire.error_line(late, late=True))
            else:
                _log.exception("the %s service failed", self.role)
                lines.put_nowait(wire.error_line(f"The {self.role} service failed; its log says why."))
        finally:
            lines.put_nowait(None)


Answer = Callable[[Request, bytes], Awaitable[Response]]


async def _admitted(
    admission: proof.Admission | None, token: str | None, answer: Answer, request: Request
) -> Response:
    """Answer a call of somebody who may make it, and prove to them who answers."""
    if "origin" in request.headers:
        raise HTTPException(403, "A role's service is for agent-graph, not for pages in a browser.")
    if admission is None or token is None:
        return await answer(request, await _body(request))
    try:
        claim = admission.admit(request.url.path, request.headers.get("authorization", ""))
    except proof.Refused as error:
        raise HTTPException(401, str(error), {"www-authenticate": proof.SCHEME}) from None
    body = await _body(request)
    if not proof.is_body_of(claim, body):
        raise HTTPException(401, "The body is not the one that was sent.")
    proven = {proof.REPLY: proof.reply_to(token, claim.mac)}
    try:
        response = await answer(request, body)
    except HTTPException as error:
        raise HTTPException(error.status_code, error.detail, {**(error.headers or {}), **proven}) from None
    response.headers.update(proven)
    return response


async def _told(told: Callable[[], BaseModel], _: Request, __: bytes) -> Response:
    return JSONResponse(told().model_dump(mode="json"))


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


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
        told = json.loads(body)
        asked = kind.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise HTTPException(422, f"The request does not fit at {where}: {first['msg']}.") from None
    except (ValueError, RecursionError):
        raise HTTPException(400, "The request is no JSON that can be read.") from None
    return asked


async def _lines(
    work: Callable[[asyncio.Queue[str | None]], Awaitable[None]], beat_s: float
) -> AsyncIterator[str]:
    """Yield the lines of the work, and signs of life while there are none.

    The work has a task of its own: it ends with the reply, also when the caller goes away.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    running = asyncio.ensure_future(work(lines))
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
