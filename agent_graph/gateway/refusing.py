"""How both servers' doors refuse a request."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from langgraph_sdk import Auth

from agent_graph.gateway.checks import Unfit
from agent_graph.gateway.ledger import Ledger, today
from agent_graph.gateway.limits import Spent

Running = Callable[[str], Awaitable[set[str]]]
"""Returns the ids of a user's runs that have not ended."""


@contextmanager
def telling() -> Iterator[None]:
    """Answer 422 with the sentence where a check finds a request unfit."""
    try:
        yield
    except Unfit as error:
        raise Auth.exceptions.HTTPException(status_code=422, detail=str(error)) from error


async def used(identity: str, running: Running, ledger: Ledger) -> tuple[set[str], Spent]:
    """Return a user's runs that have not ended and what they have spent today.

    Raises HTTPException 503 when it cannot be known: nothing is started then.
    """
    try:
        listed = await running(identity)
        return listed, await asyncio.to_thread(ledger.spent, identity, day=today())
    except sqlite3.Error as error:
        raise Auth.exceptions.HTTPException(
            status_code=503, detail="The server cannot look up what you have used; nothing was started."
        ) from error
