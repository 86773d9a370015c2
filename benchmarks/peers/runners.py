"""Who is measured: the function that builds each agent, and what the model says to it in one run."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import NamedTuple

from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool
from peers.model import (
    PacedModel,
    json_plan_and_answer,
    parallel_calls_and_answer,
    plan_and_answer,
    single_calls_and_answer,
)
from peers.workloads import Workload

Ask = Callable[[], Awaitable[str]]
"""Asks an agent the task once and returns its answer."""

Build = Callable[[PacedModel, BaseTool], Awaitable[Ask]]


class Runner(NamedTuple):
    """One way to run a plan."""

    module: str
    name: str
    replies: Callable[[Workload], list[AIMessage]]
    """What the model says in one run."""

    def build(self) -> Build:
        """Return the function that builds the agent.

        Raises ImportError when what it needs is not installed.
        """
        build: Build = getattr(import_module(f"peers.{self.module}"), self.name)
        return build


RUNNERS = {
    "agent-graph, eager": Runner("ours", "eager", plan_and_answer),
    "agent-graph, plan first": Runner("ours", "plan_first", plan_and_answer),
    "NeMo Agent Toolkit ReWOO": Runner("nemo", "rewoo", json_plan_and_answer),
    "LangGraph Send": Runner("send", "rewoo", plan_and_answer),
    "create_agent, parallel calls": Runner("react", "agent", parallel_calls_and_answer),
    "create_agent, single calls": Runner("react", "agent", single_calls_and_answer),
}
"""By the name in the table."""
