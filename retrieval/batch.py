"""Searches that arrive in one moment of the event loop go out as one batch.

The agent calls `search_documents` as separate tools; the steps that are ready together ask together.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Request = TypeVar("Request")
Reply = TypeVar("Reply")

_TURNS = 3
"""Turns of the event loop that a batch stays open: tasks started together rarely ask in the very same one."""


@dataclass
class _Open(Generic[Request, Reply]):
    asked: list[tuple[Request, "asyncio.Future[Reply]"]] = field(default_factory=list)


class Coalescer(Generic[Request, Reply]):
    """Collects the requests of one moment and answers them in one call, made in a thread."""

    def __init__(self, answer: Callable[[Sequence[Request]], Sequence[Reply]]) -> None:
        self._answer = answer
        self._open: dict[asyncio.AbstractEventLoop, _Open[Request, Reply]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, request: Request) -> Reply:
        """Return the reply to one request; raises what answering raised."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Reply] = loop.create_future()
        if loop not in self._open:
            self._open[loop] = _Open()
            loop.call_soon(self._wait, loop, _TURNS)
        self._open[loop].asked.append((request, reply))
        return await reply

    def _wait(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns > 1:
            loop.call_soon(self._wait, loop, turns - 1)
            return
        task = loop.create_task(self._sent(self._open.pop(loop).asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _sent(self, asked: "list[tuple[Request, asyncio.Future[Reply]]]") -> None:
        wanted = [(request, reply) for request, reply in asked if not reply.done()]
        if not wanted:
            return
        try:
            replies = await asyncio.to_thread(self._answer, [request for request, _ in wanted])
        except BaseException as error:
            for _, reply in wanted:
                if not reply.done():
                    reply.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, reply), told in zip(wanted, replies, strict=True):
            if not reply.done():
                reply.set_result(told)
