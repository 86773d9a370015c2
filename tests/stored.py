"""What has reached a checkpointer: plan and results are stored in the background, some milliseconds after they exist."""

from collections.abc import Iterator
from typing import Any, TypeVar

from langgraph.checkpoint.base import BaseCheckpointSaver
from tenacity import AsyncRetrying, retry_if_not_result, stop_after_delay, wait_fixed

from agent_graph import Agent, build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan

T = TypeVar("T")


async def stored(agent: Agent, thread: Any, kind: type[T]) -> list[T]:
    """Return what there is of a kind in the newest checkpoint: in its state and among the writes of its tasks."""
    assert isinstance(agent.checkpointer, BaseCheckpointSaver)
    newest = await agent.checkpointer.aget_tuple(thread)
    if newest is None:
        return []
    return [*_within([newest.checkpoint["channel_values"], newest.pending_writes], kind)]


async def until_stored(url: str, thread: Any, step: str) -> None:
    """Wait until a plan and the result of a step have reached the checkpointer at `url`."""
    again = AsyncRetrying(retry=retry_if_not_result(bool), stop=stop_after_delay(60), wait=wait_fixed(0.01))
    async with open_checkpointer(url) as saver:
        agent = build_agent(checkpointer=saver)

        async def there() -> bool:
            steps = {one.step for one in await stored(agent, thread, Evidence)}
            return step in steps and bool(await stored(agent, thread, Plan))

        assert await again(there)


def _within(value: Any, kind: type[T]) -> Iterator[T]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _within(part, kind)
