"""The agent of one worker: opened for the questions at hand, and closed when there are none.

So it finds what was ingested into a place where there was nothing before. A folder it opens beside whoever writes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langchain_core.tools import BaseTool
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph.agent import Agent
from agent_graph.bootstrap import build_agent, open_default_knowledge, served_knowledge
from agent_graph.errors import SettingsError
from agent_graph.settings import Settings, listed
from retrieval.errors import ServerBusy
from retrieval.knowledge import Knowledge
from retrieval.tenants import Tenants

PATIENCE_S = 120.0
"""Seconds for which questions wait for the documents' server and the roles' services, rather than fail."""
LINGER_S = 2.0
"""Seconds for which the agent stays open after its last question."""

_LOG = logging.getLogger(__name__)

Tools = Sequence[BaseTool | Callable[..., Any]]


@dataclass
class _Open:
    agent: Agent
    knowledge: Knowledge | Tenants | None
    users: int = 0
    leaving: asyncio.Task[None] | None = None


class Desk:
    """The agents of one worker, by what they search."""

    def __init__(self, settings: Settings, saver: Any, tools: Tools | None) -> None:
        self._settings, self._saver, self._tools = settings, saver, tools
        self._open: dict[str | None, _Open] = {}
        self._opening = asyncio.Lock()
        self._again = AsyncRetrying(
            retry=retry_if_exception_type((ServerBusy, SettingsError)),
            wait=wait_fixed(1),
            stop=stop_after_delay(PATIENCE_S),
            before_sleep=_tell,
            reraise=True,
        )

    @asynccontextmanager
    async def agent(self, collection: str | None) -> AsyncIterator[Agent]:
        """Lend the agent that searches a collection, or what the settings say."""
        async with self._opening:
            held = self._open.get(collection)
            if held is None:
                held = self._open[collection] = await self._again(asyncio.to_thread, self._opened, collection)
            held.users += 1
            if held.leaving is not None:
                held.leaving.cancel()
                held.leaving = None
        try:
            yield held.agent
        finally:
            held.users -= 1
            if not held.users:
                held.leaving = asyncio.ensure_future(self._leave(collection, held, LINGER_S))

    def check(self) -> None:
        """Build the agent once.

        Raises SettingsError for what would make every question fail.
        """
        held = self._opened(None)
        if held.knowledge is not None:
            held.knowledge.close()

    async def close(self) -> None:
        """Close every agent; nobody uses one any more."""
        for collection, held in [*self._open.items()]:
            if held.leaving is not None:
                held.leaving.cancel()
            await self._leave(collection, held, 0)

    def _opened(self, collection: str | None) -> _Open:
        knowledge = (
            served_knowledge(self._settings, read_only=True)
            if collection is None
            else open_default_knowledge(self._settings, *listed(collection), read_only=True)
        )
        agent = build_agent(
            tools=self._tools, knowledge=knowledge, checkpointer=self._saver, settings=self._settings
        )
        return _Open(agent, knowledge)

    async def _leave(self, collection: str | None, held: _Open, linger: float) -> None:
        await asyncio.sleep(linger)
        async with self._opening:
            if held.users or self._open.get(collection) is not held:
                return
            del self._open[collection]
            if held.knowledge is not None:
                await asyncio.to_thread(held.knowledge.close)


def _tell(state: RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    _LOG.warning("Questions wait, because the agent cannot be opened: %s", fault)
