"""The compiled graph as people hold it: asynchronous inside, usable from synchronous code too."""

import asyncio
import os
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from functools import lru_cache
from typing import Any, ClassVar, Self, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from agent_graph import monitoring
from agent_graph.context import Context, knobs_schema
from agent_graph.errors import UserError
from agent_graph.exclusive import alone
from agent_graph.journal import JournalLost, load
from agent_graph.references import StepId
from agent_graph.state import AgentState, InputState, OutputState, decode


class Agent(CompiledStateGraph[AgentState, Context, InputState, OutputState]):
    """A compiled LangGraph graph whose `invoke` and `stream` run the asynchronous nodes for you."""

    offered: tuple[str, ...] = ()
    """Models that a run may choose by name."""
    ours: ClassVar[tuple[str, ...]] = ("offered",)
    """What a copy takes along beside what LangGraph knows of."""

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """Return a copy."""
        ours = {name: value for name, value in self.__dict__.items() if name in self.ours}
        known = {
            name: value
            for name, value in self.__dict__.items()
            if name not in ours and name != "__orig_class__"
        }
        twin = type(self)(**known | (update or {}))
        twin.__dict__.update(ours)
        return twin

    def get_context_jsonschema(self) -> dict[str, Any]:
        """Return the schema of a run's knobs, with the models that it may choose."""
        return knobs_schema(self.offered)

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Run and yield as it goes; LangGraph's own, with one run per thread at a time.

        Raises ThreadBusy when the thread has a run going on, here or in another process: LangGraph would
        let both finish and keep the updates of one.
        """
        run = cast("AsyncGenerator[Any, None]", super().astream(*args, **kwargs))
        async with (
            _alone(self, args[1] if len(args) > 1 else kwargs.get("config")),
            aclosing(monitoring.invoked(run)) as parts,
        ):
            async for part in parts:
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

    async def avalue(self, config: RunnableConfig, step: str) -> Any:
        """Return the whole value of a step of the thread's last turn, also one too large for the state.

        Raises UserError when the step has no value, or its value is not kept any more.
        """
        state = await self.aget_state(config)
        found = decode(cast("AgentState", state.values)).evidence.get(StepId(step.removeprefix("#")))
        if found is None or not found.ok:
            raise UserError(f"#{step.removeprefix('#')} has no value in this thread.")
        if found.whole is None:
            return found.value
        try:
            saver = self.checkpointer
            return await load(saver if isinstance(saver, BaseCheckpointSaver) else None, found.whole)
        except JournalLost as error:
            raise UserError(f"#{found.step}: {error}") from error

    def value(self, config: RunnableConfig, step: str) -> Any:
        """Return the whole value of a step; as `avalue`."""
        return _wait(self.avalue(config, step))


def _alone(agent: Agent, config: Any) -> AbstractAsyncContextManager[None]:
    """Return the guard of the run's thread; nothing is kept without a checkpointer or a thread."""
    place = {**_place(agent.config), **_place(config)}
    if not agent.checkpointer or place.get("thread_id") is None:
        return nullcontext()
    return alone(agent.checkpointer, str(place["thread_id"]), str(place.get("checkpoint_ns", "")))


def _place(config: Any) -> Mapping[str, Any]:
    return (config or {}).get("configurable") or {}


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
