"""The assistants every server has: the same agent with other knobs."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from agent_graph.context import Context
from agent_graph.gateway.auth import SHARED

_IDS = uuid.UUID("6b1b8d44-2a5c-4b56-9c8e-3d0f6b1f4a10")


class Assistant(NamedTuple):
    """A name for a set of knobs."""

    name: str
    description: str
    context: Context

    @property
    def id(self) -> str:
        """The same on every server."""
        return str(uuid.uuid5(_IDS, self.name))

    @property
    def knobs(self) -> Mapping[str, Any]:
        """What differs from the defaults."""
        return self.context.model_dump(mode="json", exclude_defaults=True)


ASSISTANTS = (
    Assistant(
        "fast",
        "Answers with what the first plan finds.",
        Context(max_replans=0, retries=1, step_timeout_s=10, run_timeout_s=60, passages=4),
    ),
    Assistant(
        "careful",
        "Reads more, tries longer, plans again when something is missing.",
        Context(max_replans=3, retries=4, run_timeout_s=900, passages=10, evidence_tokens=12_000),
    ),
    Assistant(
        "approve everything", "Shows every plan to a person before it runs.", Context(approval="always")
    ),
)


async def create_assistants(client: LangGraphClient) -> list[str]:
    """Make those that are not there, bring the others up to date, and return their ids."""
    return [await _create(client, one) for one in ASSISTANTS]


async def _create(client: LangGraphClient, wanted: Assistant) -> str:
    kept = await client.assistants.create(
        "agent",
        assistant_id=wanted.id,
        name=wanted.name,
        description=wanted.description,
        context=wanted.knobs,
        metadata={SHARED: True},
        if_exists="do_nothing",
    )
    if kept.get("context") != wanted.knobs:
        await client.assistants.update(wanted.id, context=wanted.knobs, description=wanted.description)
    return wanted.id


@asynccontextmanager
async def with_assistants() -> AsyncIterator[None]:
    """Make the assistants when the server starts; it calls itself from within."""
    await create_assistants(get_client())
    yield
