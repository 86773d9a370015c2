"""The compiled graph as people hold it: asynchronous inside, usable from synchronous code too."""

import asyncio
import os
import queue
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from agent_graph.context import Context
from agent_graph.errors import ThreadBusy, UserError
from agent_graph.state import AgentState, InputState, OutputState


class Agent(CompiledStateGraph[AgentState, Context, InputState, OutputState]):
    """A compiled LangGraph graph whose `invoke` and `stream` run the asynchronous nodes for you."""

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Run and yield as it goes; LangGraph's own, with one run per thread at a time.

        Raises ThreadBusy when the thread has a run going on in this process: LangGraph would let both
        finish and keep the updates of one.
        """
        with _alone(self.checkpointer, args[1] if len(args) > 1 else kwargs.get("config")):
            async for part in super().astream(*args, **kwargs):
                yield part

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Run to the end; same arguments and result as `ainvoke`."""
        return _wait(self.ainvoke(*args, **kwargs))

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Run and yield as it goes; same arguments and parts as `astream`."""
        _refuse_own_loop()
        parts: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        pump = asyncio.run_coroutine_threadsafe(_pump(self.astream(*args, **kwargs), parts), _loop())
        try:
            while True:
                more, part = parts.get()
                if not more:
                    break
                yield part
            pump.result()
        finally:
            pump.cancel()


_RUNNING: set[tuple[int, str, str]] = set()
"""Threads with a run going on: the checkpointer, the thread, the place inside an outer graph."""


@contextmanager
def _alone(checkpointer: Any, config: Any) -> Iterator[None]:
    thread = (config or {}).get("configurable", {})
    name = thread.get("thread_id")
    if not checkpointer or name is None:
        yield
        return
    key = (id(checkpointer), str(name), str(thread.get("checkpoint_ns", "")))
    if key in _RUNNING:
        raise ThreadBusy(
            f"The thread {name!r} has a run that has not ended. Wait for it, or use another thread."
        )
    _RUNNING.add(key)
    try:
        yield
    finally:
        _RUNNING.discard(key)


async def _pump(source: AsyncIterator[Any], parts: queue.SimpleQueue[tuple[bool, Any]]) -> None:
    try:
        async for part in source:
            parts.put((True, part))
    finally:
        parts.put((False, None))


def _refuse_own_loop() -> None:
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if _loop.cache_info().currsize and running is _loop():
        raise UserError("invoke was called inside a run that invoke started; await ainvoke there instead.")


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        _refuse_own_loop()
    except UserError:
        work.close()
        raise
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:  # also Ctrl-C: the run must not go on behind the caller's back
        future.cancel()
        raise


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop that all synchronous calls share.

    One for the process: HTTP clients keep connections that belong to the loop they were opened on.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="agent-graph", daemon=True).start()
    return loop


if hasattr(os, "register_at_fork"):  # a forked child has the loop but not its thread
    os.register_at_fork(after_in_child=_loop.cache_clear)
