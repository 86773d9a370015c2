"""What Aegra, an open server of LangGraph's graphs, asks about every request.

Its questions come in another shape than the LangGraph server's, and its answers rest on the identity alone: it keeps
apart the threads, runs, assistants and stored items of users by who they are, and believes a request's config. So
here what may not be said is refused, and who asks is written into the config itself.
"""

import asyncio
import hmac
import uuid
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from langgraph_sdk import Auth

from agent_graph.context import Context
from agent_graph.gateway.auth import OWNER, SHARED, credential_of
from agent_graph.gateway.checks import Unfit, check_context, check_run
from agent_graph.gateway.door import Door
from agent_graph.gateway.identity import SYSTEM
from agent_graph.gateway.ledger import Ledger
from agent_graph.gateway.limits import Limits, refusal
from agent_graph.gateway.refusing import knowing, spent_today, telling
from agent_graph.gateway.signed import Refused
from agent_graph.settings import Settings

Busy = Callable[[str], Awaitable[bool]]
"""Says whether a thread has a run that waits or runs."""

Claim = Callable[[str, str, int], Awaitable[int]]
"""Returns how many runs of a user go on, and lets one more through under a name when they are fewer than so many.

Raises LedgerLost when it cannot be known.
"""

CLAIM = "agent_graph_claim"
"""Metadata key of a run's config: the name under which it was let through."""

_CHECKPOINT = frozenset({"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"})
_IDENTITY = "langgraph_auth_user_id"
"""Where `agent_graph.identity` looks; the LangGraph server writes it, Aegra does not."""


def build_aegra_auth(
    settings: Settings, door: Door, ledger: Ledger, *, claim: Claim, busy: Busy, own_key: str
) -> Auth:
    """Return what Aegra asks about every request.

    `claim` counts a user's runs over all instances, `busy` says whether a thread has one. `own_key` is what
    this process made up for itself: what it creates with it is everybody's.
    """
    auth = Auth()

    async def authenticate(headers: dict[str, str]) -> Auth.types.MinimalUserDict:
        sent = {name.encode("latin-1"): value.encode("latin-1") for name, value in headers.items()}
        credential = credential_of(sent)
        if credential is not None and hmac.compare_digest(credential.encode(), own_key.encode()):
            return {"identity": SYSTEM, "is_authenticated": True, "permissions": []}
        try:
            user = await asyncio.to_thread(door.admit, credential)
        except Refused as error:
            raise Auth.exceptions.HTTPException(status_code=401, detail=str(error)) from error
        return {"identity": user.identity, "is_authenticated": True, "permissions": []}

    auth.authenticate(authenticate)

    @auth.on
    async def nothing_else(ctx: Auth.types.AuthContext, value: Any) -> bool:
        """What nobody thought of, such as runs by the clock, is not open to users."""
        del ctx, value
        return False

    @auth.on.threads
    async def own_threads(ctx: Auth.types.AuthContext, value: Any) -> Any:
        if isinstance(value.get("metadata"), dict):
            value["metadata"][OWNER] = ctx.user.identity
        return {OWNER: ctx.user.identity}

    _add_runs(auth, _Gate(settings, ledger, claim), busy, settings.offered_models)
    _add_assistants(auth, settings.offered_models)

    @auth.on.store
    async def own_store(ctx: Auth.types.AuthContext, value: Any) -> None:
        """Aegra itself puts every namespace under its user's."""
        del ctx, value

    return auth


def _add_runs(auth: Auth, gate: "_Gate", busy: Busy, models: Collection[str]) -> None:
    @auth.on.threads.create_run
    async def checked_run(ctx: Auth.types.AuthContext, value: Any) -> None:
        with telling():
            check_run(value, models=models)
            knobs = _knobs((value.get("config") or {}).get("configurable"), models)
            _check_checkpoint(value.get("checkpoint"))
            _check_strategy(value.get("multitask_strategy"))
        if value.get("multitask_strategy") == "reject" and await busy(str(value.get("thread_id"))):
            raise Auth.exceptions.HTTPException(
                status_code=409, detail="The thread has a run that has not ended. Wait for it, or stop it."
            )
        config = value.get("config") or {}
        run = await gate.claim(ctx.user.identity)
        # The config in the value is the one that Aegra runs; a filter in its place would be ignored.
        value["config"] = {
            **config,
            "configurable": {**knobs, _IDENTITY: ctx.user.identity},
            "metadata": {**(config.get("metadata") or {}), CLAIM: run},
        }


def _add_assistants(auth: Auth, models: Collection[str]) -> None:
    @auth.on.assistants
    async def own_assistants(ctx: Auth.types.AuthContext, value: Any) -> Any:
        if ctx.user.identity == SYSTEM:
            return None
        mine = {OWNER: ctx.user.identity}
        if ctx.action in ("read", "search"):
            return {"$or": [mine, {"created_by": "system"}, {SHARED: True}]}
        if ctx.action in ("create", "update"):
            with telling():
                check_context(value.get("context"), models=models)
                _knobs((value.get("config") or {}).get("configurable"), models)
            metadata = dict(value.get("metadata") or {})
            # Aegra adds what it is given here to what was asked: what is left out would stay.
            marks = dict.fromkeys({"created_by", SHARED} & set(metadata))
            value["metadata"] = {**metadata, **marks, **mine}
        return mine


def _knobs(given: Any, models: Collection[str]) -> dict[str, Any]:
    """Return the knobs among what a request configures; where the run goes on from is said elsewhere.

    Raises Unfit for anything that is neither.
    """
    check_context(given, models=models)
    for name in given or {}:
        if name.startswith("__"):  # LangGraph's own: the LangGraph server takes them out, Aegra does not
            raise Unfit(f"{name!r} is not for requests to set.")
    return {name: value for name, value in (given or {}).items() if name in Context.model_fields}


def _check_checkpoint(given: Any) -> None:
    if more := sorted(set(given or {}) - _CHECKPOINT):
        raise Unfit(f"A checkpoint is named by {', '.join(sorted(_CHECKPOINT))}; not {more[0]!r}.")


def _check_strategy(strategy: str | None) -> None:
    if strategy not in (None, "enqueue", "reject"):
        raise Unfit('multitask_strategy is "enqueue" (wait for the thread, the default) or "reject".')


class _Gate:
    """Lets one more run of a user through, or refuses it with 429."""

    def __init__(self, settings: Settings, ledger: Ledger, claim: Claim) -> None:
        self._limits = Limits(settings.max_runs, settings.max_steps_a_day, settings.max_tokens_a_day)
        self._ledger, self._claim = ledger, claim

    async def claim(self, identity: str) -> str:
        """Let a run through, and return the name that it is to carry.

        Raises HTTPException 429 with the limit that is reached, and 503 when it cannot be known.
        """
        run = uuid.uuid4().hex
        with knowing():
            spent = await spent_today(identity, self._ledger)
            why = refusal(self._limits, spent, 0)
            if not why:
                why = refusal(self._limits, spent, await self._claim(identity, run, self._limits.runs))
        if why:
            raise Auth.exceptions.HTTPException(status_code=429, detail=why)
        return run
