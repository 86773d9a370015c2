"""Runs that outlive an outage of the database that keeps their checkpoints."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from agent_graph.postgres import is_outage
from tools.faults import one_line

_log = logging.getLogger(__name__)

PATIENCE_S = 120.0
"""How long after the first outage a run may be begun again: a standby takes over in less."""
_ASK_AGAIN_S = 0.5


async def through_outages(begin: Callable[[], AsyncGenerator[Any, None]]) -> AsyncGenerator[Any, None]:
    """Yield what a run yields, which is begun again when its database went away; it must know where it was.

    Raises what the database's client raised when it still does `PATIENCE_S` after the first time.
    """
    until: float | None = None
    while True:
        try:
            async with aclosing(begin()) as parts:
                async for part in parts:
                    yield part
            return
        except Exception as error:
            now = time.monotonic()
            until = until or now + PATIENCE_S
            if not is_outage(error) or now >= until:
                raise
            _log.warning("A run waits for its database: %s", one_line(error))
        await asyncio.sleep(_ASK_AGAIN_S)
