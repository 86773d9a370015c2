"""The agent for servers that give a run to a second process when the first one died.

Such a server (Aegra) starts the run again with its input. The checkpoints say how far it had come: it goes on from
there, or every step of it would be done twice. Two runs of one thread wait for each other; of a run that was cut
off, the one that waited makes the end first, since the server may be slow to bring it back. What waits keeps a place
among the server's jobs.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import Any, Self, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph import monitoring
from agent_graph.agent import Agent
from agent_graph.checkpoint import prepared
from agent_graph.errors import ThreadBusy
from agent_graph.exclusive import alone
from agent_graph.gateway.outage import through_outages

Active = Callable[[str], Awaitable[bool]]
"""Says of a run, by its id, whether the server has not ended it."""

PATIENCE_S = 600.0
"""How long a run waits for the one before it on its thread."""
_ASK_AGAIN_S = 0.2


class Redelivered(Agent):
    """An agent whose runs are known by `configurable.run_id`, and may be begun more than once."""

    active: Active
    ours = (*Agent.ours, "active")

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """Return a copy; a checkpointer that the server puts in is made ready for our values."""
        twin = super().copy(update)
        twin.checkpointer = prepared(twin.checkpointer)
        return twin

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Run and yield as it goes, or go on where an earlier process, or a database that went away, left this run.

        Raises ThreadBusy when the run before it on the thread does not end in `PATIENCE_S`.
        """
        given = args[0] if args else kwargs.pop("input")
        config = args[1] if len(args) > 1 else kwargs.pop("config", None)
        where: Mapping[str, Any] = (config or {}).get("configurable") or {}
        thread, run = where.get("thread_id"), where.get("run_id")
        known = bool(self.checkpointer) and thread is not None and run is not None
        life = partial(self._life, given, config, thread, run if known else None, **kwargs)
        async with aclosing(through_outages(life) if known else life()) as parts:
            async for part in parts:
                yield part

    async def _life(
        self, given: Any, config: Any, thread: Any, run: Any, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        async with _turn(self.checkpointer, thread):
            if run is not None:
                here, done = await self._begun(str(thread), str(run))
                if done is not None:
                    for part in _told(done, **kwargs):
                        yield part
                    return
                if here:
                    given, config = None, _latest(config)
            async with aclosing(self._run(given, config, **kwargs)) as parts:
                async for part in parts:
                    yield part

    async def _begun(self, thread: str, run: str) -> tuple[bool, Mapping[str, Any] | None]:
        """Return whether the thread stands where this run left it, and the values if later runs went on from its end.

        Raises ThreadBusy when a later run went over it while it was cut off.
        """
        newest = await self.aget_state({"configurable": {"thread_id": thread}})
        author = _run_of(newest)
        if author == run:
            return True, None
        if author is not None and newest.next and await self.active(author):
            await self._finish(newest, author)
        mine = await self._last(thread, run)
        if mine is None or _untouched(mine):
            return False, None
        if mine.next:
            raise ThreadBusy("Another run went over this one while it was cut off. Ask again.")
        return False, mine.values

    async def _finish(self, newest: StateSnapshot, run: str) -> None:
        """Make the end of a run that was cut off; the server will find it done."""
        if _untouched(newest):
            return
        where = {"thread_id": newest.config["configurable"]["thread_id"], "run_id": run}
        carried = {
            name: value
            for name, value in dict(newest.metadata or {}).items()
            if name.startswith("langgraph_auth_")
        }
        rest: Any = {"configurable": {**carried, **where}}
        async for _ in self._run(None, rest, stream_mode="updates"):
            pass

    def _run(self, given: Any, config: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Run past Agent's own `astream`, which would refuse where this one has waited."""
        run = CompiledStateGraph.astream(self, given, config, **kwargs)
        return monitoring.invoked(cast("AsyncGenerator[Any, None]", run))

    async def _last(self, thread: str, run: str) -> StateSnapshot | None:
        """Return the newest checkpoint of a run, or None when it was never begun."""
        place: RunnableConfig = {"configurable": {"thread_id": thread}}
        async for found in self.aget_state_history(place, filter={"run_id": run}, limit=1):
            return found
        return None


def redelivered(agent: Agent, active: Active) -> Redelivered:
    """Return the agent as a server takes it that may begin a run more than once."""
    twin = agent.copy()
    twin.__class__ = Redelivered
    taken = cast("Redelivered", twin)
    taken.active = active
    return taken


def _run_of(state: StateSnapshot) -> str | None:
    run = dict(state.metadata or {}).get("run_id")
    return None if run is None else str(run)


def _untouched(state: StateSnapshot) -> bool:
    """Whether nothing but the input was stored, not yet the run's knobs: what was asked can be asked again."""
    return dict(state.metadata or {}).get("source") == "input" or "intake" in state.next


def _latest(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config without the checkpoint that the run set out from."""
    where = {
        name: value for name, value in config["configurable"].items() if not name.startswith("checkpoint_")
    }
    return {**config, "configurable": where}


def _told(
    values: Mapping[str, Any], *, stream_mode: Any = None, subgraphs: bool = False, **_: Any
) -> list[Any]:
    """Return what a stream tells of values: set out from their checkpoint, a run would move the thread back there."""
    if stream_mode == "values":
        return [((), values) if subgraphs else values]
    if isinstance(stream_mode, list) and "values" in stream_mode:
        return [((), "values", values) if subgraphs else ("values", values)]
    return []


@asynccontextmanager
async def _turn(saver: Any, thread: Any) -> AsyncIterator[None]:
    """Wait until the thread is free, and keep it."""
    if not saver or thread is None:
        yield
        return
    waiting = AsyncRetrying(
        retry=retry_if_exception_type(ThreadBusy),
        wait=wait_fixed(_ASK_AGAIN_S),
        stop=stop_after_delay(PATIENCE_S),
        reraise=True,
    )
    async with AsyncExitStack() as stack:

        async def enter() -> None:
            await stack.enter_async_context(alone(saver, str(thread)))

        await waiting(enter)
        yield
