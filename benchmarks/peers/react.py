"""LangChain's `create_agent`: the model sees every result and calls the next tools, one or several per turn."""

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from peers.model import TASK, PacedModel
from peers.runners import Ask

SYSTEM = "Answer the question with the tools you have. Cite what the answer rests on."


async def agent(model: PacedModel, tool: BaseTool) -> Ask:
    """Build the agent; whether it calls one tool per turn or several is up to the model."""
    built = create_agent(model, tools=[tool], system_prompt=SYSTEM)

    async def ask() -> str:
        result = await built.ainvoke({"messages": [HumanMessage(TASK)]}, RunnableConfig(recursion_limit=1000))
        return str(result["messages"][-1].text)

    return ask
