"""NVIDIA NeMo Agent Toolkit's ReWOO graph with its own prompts and defaults, as its `register.py` builds it."""

from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import BaseTool
from nat.plugins.langchain.agent.rewoo_agent import prompt
from nat.plugins.langchain.agent.rewoo_agent.agent import ReWOOAgentGraph, ReWOOGraphState
from peers.model import TASK, PacedModel
from peers.runners import Ask


async def rewoo(model: PacedModel, tool: BaseTool) -> Ask:
    """Build the graph."""
    graph = await ReWOOAgentGraph(
        llm=model,
        planner_prompt=ChatPromptTemplate(
            [("system", prompt.PLANNER_SYSTEM_PROMPT), ("user", prompt.PLANNER_USER_PROMPT)]
        ),
        solver_prompt=ChatPromptTemplate(
            [("system", prompt.SOLVER_SYSTEM_PROMPT), ("user", prompt.SOLVER_USER_PROMPT)]
        ),
        tools=[tool],
    ).build_graph()

    async def ask() -> str:
        task = HumanMessage(TASK)
        state = await graph.ainvoke(ReWOOGraphState(messages=[task], task=task))
        return str(state["result"].content)

    return ask
