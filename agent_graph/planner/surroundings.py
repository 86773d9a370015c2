"""What the documents say about themselves and about a question, as far as a planner may see it."""

import asyncio
from typing import Protocol

from agent_graph.planner.prompt import Surroundings
from retrieval.knowledge import Knowledge

SNIPPETS = 3
"""Passages the planner sees for a question."""

NOT_SHOWN = "documents that are not shown here; search them to see what they say."
"""The card of documents whose text is not trusted."""


class Shown(Protocol):
    """Documents, of which a planner may see what is trusted."""

    def for_planning(self) -> Knowledge | None:
        """Return what may be shown to a planner; None when nothing may. Blocks."""
        ...


async def surroundings(knowledge: Shown, task: str) -> Surroundings:
    """Return the card and some snippets of what is trusted; text that is not could steer the plan."""
    shown = await asyncio.to_thread(knowledge.for_planning)
    if shown is None:
        return Surroundings(card=NOT_SHOWN)
    card = await asyncio.to_thread(shown.card)
    return Surroundings(card=str(card), hits=tuple(await shown.asearch(task, k=SNIPPETS)))
