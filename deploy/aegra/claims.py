"""Which runs a user was let through with, in the PostgreSQL that all instances share.

A run comes into Aegra's table some time after it was let through. Until then its claim stands for it: a trigger
takes the claim away in the transaction that brings the run, so that one look counts each of them once. What is
refused after it was let through gives its claim back.
"""

import asyncio
from contextvars import ContextVar
from typing import LiteralString

from psycopg import AsyncConnection, Error
from psycopg.rows import DictRow
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_graph.gateway.aegra import CLAIM
from agent_graph.gateway.ledger import LedgerLost
from deploy.aegra.running import lent
from tools.faults import one_line

_TABLE: tuple[LiteralString, ...] = (
    # CREATE TABLE IF NOT EXISTS of two instances at once can fail in one of them.
    "SELECT pg_advisory_xact_lock(hashtextextended('agent-graph claims', 0))",
    'CREATE TABLE IF NOT EXISTS agent_graph_claims (id text PRIMARY KEY, "user" text NOT NULL, '
    "at timestamptz NOT NULL DEFAULT now())",
    "CREATE OR REPLACE FUNCTION agent_graph_claim_met() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608
    f"DELETE FROM agent_graph_claims WHERE id = NEW.config #>> '{{metadata,{CLAIM}}}'; RETURN NULL; END $$",
    "CREATE OR REPLACE TRIGGER agent_graph_claim_met AFTER INSERT ON runs FOR EACH ROW "
    "EXECUTE FUNCTION agent_graph_claim_met()",
)
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))"
# What was let through and is not there by then never will be: its instance died.
_FORGET = "DELETE FROM agent_graph_claims WHERE at < now() - interval '60 seconds'"
_COUNT = (
    "SELECT (SELECT count(*) FROM runs WHERE user_id = %(user)s AND status IN ('pending', 'running')) "
    '+ (SELECT count(*) FROM agent_graph_claims WHERE "user" = %(user)s) AS runs'
)
_CLAIM = 'INSERT INTO agent_graph_claims (id, "user") VALUES (%s, %s)'
_RELEASE = "DELETE FROM agent_graph_claims WHERE id = ANY(%s)"
_TABLE_IS_THERE = asyncio.Event()
_MADE: ContextVar[list[str] | None] = ContextVar("claims_of_this_request", default=None)


async def claim(user: str, run: str, most: int) -> int:
    """Return how many runs of a user go on, and let one more through under a name when they are fewer than `most`.

    Raises LedgerLost when it cannot be known.
    """
    try:
        async with lent() as connection:
            await _make_table(connection)
            async with connection.transaction():
                await connection.execute(_ALONE, (f"agent-graph claims of {user}",))
                await connection.execute(_FORGET)
                found = await (await connection.execute(_COUNT, {"user": user})).fetchone()
                assert found is not None
                if found["runs"] < most:
                    await connection.execute(_CLAIM, (run, user))
                    if (made := _MADE.get()) is not None:
                        made.append(run)
    except Error as error:
        raise LedgerLost(one_line(error)) from error
    return int(found["runs"])


class Releasing:
    """ASGI middleware: gives back what a request has claimed, when it is refused all the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at what it is answered with."""
        made: list[str] = []

        async def watched(message: Message) -> None:
            if made and message["type"] == "http.response.start" and message["status"] >= 400:
                async with lent() as connection:
                    await connection.execute(_RELEASE, (made,))
            await send(message)

        token = _MADE.set(made)
        try:
            await self._app(scope, receive, watched)
        finally:
            _MADE.reset(token)


async def _make_table(connection: AsyncConnection[DictRow]) -> None:
    if not _TABLE_IS_THERE.is_set():
        async with connection.transaction():
            for statement in _TABLE:
                await connection.execute(statement)
        _TABLE_IS_THERE.set()
