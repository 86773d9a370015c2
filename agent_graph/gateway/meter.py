"""Counting what a run on the server uses, while it uses it, for the user who started it."""

import asyncio
import logging
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agent_graph.gateway.ledger import Ledger, LedgerLost, today
from agent_graph.identity import LOCAL, identity

_log = logging.getLogger(__name__)


class Meter(AsyncCallbackHandler):
    """Writes every model's tokens and every tool's call to the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        """Count the tokens of a reply."""
        replies = [
            generation.message
            for generations in response.generations
            for generation in generations
            if isinstance(generation, ChatGeneration)
        ]
        used = [reply.usage_metadata for reply in replies if isinstance(reply, AIMessage)]
        await self._add(tokens=sum(counts["total_tokens"] for counts in used if counts))

    async def on_tool_start(self, *_: Any, **__: Any) -> None:
        """Count a step."""
        await self._add(steps=1)

    async def _add(self, **used: int) -> None:
        if (user := identity()) in ("", LOCAL):
            return
        try:
            await asyncio.to_thread(self._ledger.add, user, day=today(), **used)
        except LedgerLost as error:  # what was done is done; the next run is refused while this lasts
            _log.error("What %r used could not be counted: %s", user, error)
