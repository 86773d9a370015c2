"""One short question to a role's model, for tools that need a model of their own."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from langchain_core.messages import HumanMessage

from agent_graph import monitoring
from agent_graph.models.chain import ModelChain
from agent_graph.usage import RoleUsage

spent: ContextVar[list[RoleUsage] | None] = ContextVar("spent", default=None)
"""Where the run that is going on collects what its tools' own model calls cost."""


def asker(chain: ModelChain, *, timeout_s: float) -> Callable[[str], Awaitable[str]]:
    """Return a function that asks the chain one prompt and returns its text.

    What the call cost is added to the list in `spent`, if the current run has set one.
    """

    async def ask(prompt: str) -> str:
        done = await chain.ask([HumanMessage(prompt)], timeout_s=timeout_s)
        monitoring.count_tokens(chain.role, done.model, done.usage)
        collected = spent.get()
        if collected is not None:
            collected.append(done.usage)
        return str(done.message.text)

    return ask
