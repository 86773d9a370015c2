"""LangGraph's own authorization: whose thread, whose assistant, and whether one more run may start."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from langgraph_sdk import Auth, get_client

from agent_graph.gateway.checks import check_context, check_run
from agent_graph.gateway.door import Door
from agent_graph.gateway.ledger import Ledger
from agent_graph.gateway.limits import Limits, refusal
from agent_graph.gateway.refusing import knowing, spent_today, telling
from agent_graph.gateway.signed import Refused
from agent_graph.identity import LOCAL
from agent_graph.settings import Settings

OWNER = "owner"
"""Metadata key of everything that belongs to a user."""
SHARED = "shared"
"""Metadata key of the assistants that are everybody's."""

Running = Callable[[str], Awaitable[set[str]]]
"""Returns the ids of a user's runs that have not ended."""

_CLAIM_S = 0.5
"""By then a run that was let through is listed by the server, or has already ended."""
_LISTING_S = 60.0
"""The longest that a busy server takes to list its runs; the list may lack what was let through meanwhile."""


def credential_of(headers: Any) -> str | None:
    """Return the key or token in a request's headers (names and values as bytes), or None."""
    given = {bytes(name).lower(): bytes(value) for name, value in dict(headers or {}).items()}
    scheme, _, token = given.get(b"authorization", b"").partition(b" ")
    sent = token.strip() if scheme.lower() == b"bearer" else given.get(b"x-api-key", b"").strip()
    return sent.decode("latin-1") or None


def build_auth(settings: Settings, door: Door, ledger: Ledger, *, running: Running | None = None) -> Auth:
    """Return what LangGraph asks about every request."""
    auth = Auth()

    @auth.authenticate
    async def authenticate(headers: dict[bytes, bytes]) -> Auth.types.MinimalUserDict:
        try:
            user = await asyncio.to_thread(door.admit, credential_of(headers))
        except Refused as error:
            raise Auth.exceptions.HTTPException(status_code=401, detail=str(error)) from error
        return {"identity": user.identity, "is_authenticated": True, "permissions": []}

    @auth.on
    async def nothing_else(ctx: Auth.types.AuthContext, value: Any) -> bool:
        """What nobody thought of is not open to users."""
        del value
        return ctx.user.identity == LOCAL

    _add_threads(auth)
    _add_runs(auth, RunGate(settings, ledger, running or running_runs), settings.offered_models)
    _add_assistants(auth, settings.offered_models)
    _add_store(auth)
    return auth


def _add_threads(auth: Auth) -> None:
    @auth.on.threads
    async def own_threads(ctx: Auth.types.AuthContext, value: Any) -> Any:
        if ctx.user.identity == LOCAL:
            return None
        if ctx.action == "create":
            _own(value.setdefault("metadata", {}), ctx.user.identity)
        # What cancels runs comes as an update too, with an action; what writes the state has no metadata.
        if ctx.action == "update" and "action" not in value:
            if "metadata" not in value:
                raise Auth.exceptions.HTTPException(
                    status_code=403,
                    detail="A thread's state is written by runs only; answer one that waits with command.resume.",
                )
            _own(value["metadata"], ctx.user.identity)
        return {OWNER: ctx.user.identity}


def _add_runs(auth: Auth, gate: "RunGate", models: Collection[str]) -> None:
    @auth.on.threads.create_run
    async def checked_run(ctx: Auth.types.AuthContext, value: Any) -> Any:
        with telling():
            check_run(value.get("kwargs") or {}, models=models)
        if ctx.user.identity == LOCAL:
            return None
        await gate.claim(ctx.user.identity, str(value.get("run_id")))
        _own(value["metadata"], ctx.user.identity)
        return {OWNER: ctx.user.identity}


def _add_assistants(auth: Auth, models: Collection[str]) -> None:
    @auth.on.assistants
    async def own_assistants(ctx: Auth.types.AuthContext, value: Any) -> Any:
        writes = ctx.action in ("create", "update")
        if writes:
            with telling():
                check_context(value.get("context"), models=models)
                check_context((value.get("config") or {}).get("configurable"), models=models)
        if ctx.user.identity == LOCAL:
            return None
        mine = {OWNER: ctx.user.identity}
        if ctx.action in ("read", "search"):
            return {"$or": [mine, {"created_by": "system"}, {SHARED: True}]}
        if writes and isinstance(value.get("metadata"), dict):
            for name in ("created_by", SHARED):
                value["metadata"].pop(name, None)
            _own(value["metadata"], ctx.user.identity)
        return mine


def _add_store(auth: Auth) -> None:
    @auth.on.store
    async def own_store(ctx: Auth.types.AuthContext, value: Any) -> bool:
        namespace = tuple(value.get("namespace") or ())
        if ctx.user.identity not in (LOCAL, *namespace[:1]):
            raise Auth.exceptions.HTTPException(
                status_code=403,
                detail=f"Your part of the store begins with the namespace {ctx.user.identity!r}.",
            )
        return True


def _own(metadata: dict[str, Any], identity: str) -> None:
    """Mark as a user's own, in place: LangGraph keeps the very object it passed."""
    metadata[OWNER] = identity


class RunGate:
    """Lets one more run of a user through, or refuses it with 429."""

    def __init__(self, settings: Settings, ledger: Ledger, running: Running) -> None:
        self._limits = Limits(settings.max_runs, settings.max_steps_a_day, settings.max_tokens_a_day)
        self._ledger, self._running = ledger, running
        self._claimed: dict[str, dict[str, float]] = {}
        """By user: runs that were let through, and when; the server may not list them yet."""

    async def claim(self, identity: str, run: str) -> None:
        """Let the run through.

        Raises HTTPException 429 with the limit that is reached, and 503 when it cannot be known.
        """
        asked = time.monotonic()
        with knowing():
            listed, spent = await self._running(identity), await spent_today(identity, self._ledger)
        # from here on without awaiting: of two requests at the same time one sees the other's claim
        now, claimed = time.monotonic(), self._claimed.get(identity, {})
        fresh = {one for one, at in claimed.items() if asked - at < _CLAIM_S}
        if why := refusal(self._limits, spent, len(listed | fresh)):
            raise Auth.exceptions.HTTPException(status_code=429, detail=why)
        kept = {one: at for one, at in claimed.items() if now - at < _LISTING_S}
        self._claimed[identity] = {**kept, run: now}


async def running_runs(identity: str) -> set[str]:
    """Ask the server itself for a user's runs that wait or run."""
    client = get_client()
    busy = await client.threads.search(metadata={OWNER: identity}, status="busy", limit=1000)
    listed = [
        await client.runs.list(thread["thread_id"], status=status, limit=1000)
        for thread in busy
        for status in ("pending", "running")
    ]
    return {str(run["run_id"]) for runs in listed for run in runs}
