"""The compiled graph as people hold it: asynchronous inside, usable from synchronous code too."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from functools import lru_cache
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from agent_graph.context import Context
from agent_graph.state import AgentState, InputState, OutputState


class Agent(CompiledStateGraph[AgentState, Context, InputState, OutputState]):
    """A compiled LangGraph graph whose `invoke` and `stream` run the asynchronous nodes for you."""

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Run to the end; same arguments and result as `ainvoke`."""
        return _wait(self.ainvoke(*args, **kwargs))

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Run and yield as it goes; same arguments and parts as `astream`."""
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


async def _pump(source: AsyncIterator[Any], parts: queue.SimpleQueue[tuple[bool, Any]]) -> None:
    try:
        async for part in source:
            parts.put((True, part))
    finally:
        parts.put((False, None))


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
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
