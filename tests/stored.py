"""What has reached a checkpointer: results of steps are stored in the background, some milliseconds after they end."""

from collections.abc import Iterator
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from tenacity import AsyncRetrying, retry_if_not_result, stop_after_delay, wait_fixed

from agent_graph import Agent, build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.evidence import Evidence


async def stored(agent: Agent, thread: Any) -> list[Evidence]:
    """Return all evidence in the newest checkpoint of the thread: in its state and among the writes of its tasks."""
    assert isinstance(agent.checkpointer, BaseCheckpointSaver)
    newest = await agent.checkpointer.aget_tuple(thread)
    if newest is None:
        return []
    return [*_evidence([newest.checkpoint["channel_values"], newest.pending_writes])]


async def until_stored(url: str, thread: Any, step: str) -> None:
    """Wait until the result of a step has reached the checkpointer at `url`."""
    again = AsyncRetrying(retry=retry_if_not_result(bool), stop=stop_after_delay(30), wait=wait_fixed(0.01))
    async with open_checkpointer(url) as saver:
        agent = build_agent(checkpointer=saver)

        async def there() -> bool:
            return step in {one.step for one in await stored(agent, thread)}

        assert await again(there)


def _evidence(value: Any) -> Iterator[Evidence]:
    if isinstance(value, Evidence):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _evidence(part)
