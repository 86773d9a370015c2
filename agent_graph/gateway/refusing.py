"""How both servers' doors refuse a request."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from langgraph_sdk import Auth

from agent_graph.gateway.checks import Unfit
from agent_graph.gateway.ledger import Ledger, LedgerLost, today
from agent_graph.gateway.limits import Spent


@contextmanager
def telling() -> Iterator[None]:
    """Answer 422 with the sentence where a check finds a request unfit."""
    try:
        yield
    except Unfit as error:
        raise Auth.exceptions.HTTPException(status_code=422, detail=str(error)) from error


@contextmanager
def knowing() -> Iterator[None]:
    """Answer 503 where it cannot be known what a user has used: nothing is started then."""
    try:
        yield
    except LedgerLost as error:
        raise Auth.exceptions.HTTPException(
            status_code=503, detail="The server cannot look up what you have used; nothing was started."
        ) from error


async def spent_today(identity: str, ledger: Ledger) -> Spent:
    """Return what a user has spent today.

    Raises LedgerLost when it cannot be known.
    """
    return await asyncio.to_thread(ledger.spent, identity, day=today())
