"""A ReWOO graph as one writes it on LangGraph by the book: a `Send` for every step that is ready, then a join.

Planner and solver are one model call each; plan and evidence are printed as briefly as ours are.
"""

import operator
import re
from typing import Annotated, Literal

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from peers.model import TASK, PacedModel
from peers.runners import Ask
from typing_extensions import TypedDict

PLANNER = """\
Plan how to answer the question with tools. One line of strategy, then one line per step:
#E1 = tool(argument="value")  # short reason
#E2 = tool(argument="... #E1 ...")  # short reason
#E1 stands for what step E1 returned. The tools:
- {tool}"""
SOLVER = "Answer the question from the evidence. Cite what the answer rests on, as [E1]."
STEP = re.compile(r'^#E(\d+) = \w+\(query="([^"]*)"\)', re.MULTILINE)
REFERENCE = re.compile(r"#E(\d+)")


class State(TypedDict, total=False):
    """What the graph carries."""

    task: str
    steps: dict[int, str]
    evidence: Annotated[dict[int, str], operator.or_]
    answer: str


class Call(TypedDict):
    """What one worker is sent."""

    number: int
    query: str


async def rewoo(model: PacedModel, tool: BaseTool) -> Ask:
    """Build the graph."""

    async def planner(state: State) -> State:
        shown = f"{tool.name}(query: str): {tool.description}"
        system = SystemMessage(PLANNER.format(tool=shown))
        plan = str((await model.ainvoke([system, HumanMessage(state["task"])])).text)
        return {"steps": {int(number): query for number, query in STEP.findall(plan)}}

    async def join(state: State) -> State:
        # An edge straight from the worker to the next ones would see only the writes of that one worker.
        return {"task": state["task"]}

    def ready(state: State) -> list[Send] | Literal["solver"]:
        evidence = state.get("evidence", {})
        sends = []
        for number, query in state["steps"].items():
            needs = [int(need) for need in REFERENCE.findall(query)]
            if number not in evidence and all(need in evidence for need in needs):
                filled = REFERENCE.sub(lambda match: evidence[int(match[1])], query)
                sends.append(Send("worker", Call(number=number, query=filled)))
        return sends or "solver"

    async def worker(state: Call) -> State:
        return {"evidence": {state["number"]: await tool.ainvoke({"query": state["query"]})}}

    async def solver(state: State) -> State:
        evidence = "\n".join(f"[E{number}] {text}" for number, text in sorted(state["evidence"].items()))
        asked = HumanMessage(f"Question: {state['task']}\n\n{evidence}")
        return {"answer": str((await model.ainvoke([SystemMessage(SOLVER), asked])).text)}

    graph = StateGraph(State)
    graph.add_node("planner", planner)
    graph.add_node("join", join)
    graph.add_node("worker", worker, input_schema=Call)
    graph.add_node("solver", solver)
    graph.add_edge(START, "planner")
    graph.add_edge("planner", "join")
    graph.add_conditional_edges("join", ready, ["worker", "solver"])
    graph.add_edge("worker", "join")
    graph.add_edge("solver", END)
    agent = graph.compile()

    async def ask() -> str:
        return str((await agent.ainvoke({"task": TASK}))["answer"])

    return ask
