"""agent-graph, with a checkpointer; steps start while the plan is written ("eager") or after it."""

from itertools import count

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from peers.model import TASK, PacedModel
from peers.runners import Ask

from agent_graph import Context, build_agent

UNBOUND = Context(max_steps=1000, max_concurrency=256, evidence_tokens=500_000)
"""None of our caps binds: the others have none."""


async def eager(model: PacedModel, tool: BaseTool) -> Ask:
    """Build the agent that starts a step as soon as the planner has written it."""
    return _ask(model, tool, UNBOUND.model_copy(update={"eager": True}))


async def plan_first(model: PacedModel, tool: BaseTool) -> Ask:
    """Build the agent that waits for the whole plan."""
    return _ask(model, tool, UNBOUND.model_copy(update={"eager": False}))


def _ask(model: PacedModel, tool: BaseTool, context: Context) -> Ask:
    agent = build_agent(models=model, tools=[tool], checkpointer=InMemorySaver())
    threads = count()

    async def ask() -> str:
        config = RunnableConfig(configurable={"thread_id": str(next(threads))})
        result = await agent.ainvoke({"task": TASK}, config, context=context)
        return str(result["answer"].text)

    return ask
