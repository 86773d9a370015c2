"""A production ReWOO agent on LangGraph: plan once, run the plan as a dataflow, answer once with citations.

Importing does no work: every name is loaded when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_graph.agent import Agent
    from agent_graph.approval import Reply
    from agent_graph.bootstrap import build_agent
    from agent_graph.context import Context
    from agent_graph.errors import AgentGraphError
    from agent_graph.evidence import Answer, Citation, Evidence, Source
    from agent_graph.plan import Plan, PlanProblem, Step
    from agent_graph.usage import Usage

_HOME = {
    "Agent": "agent",
    "AgentGraphError": "errors",
    "Answer": "evidence",
    "Citation": "evidence",
    "Context": "context",
    "Evidence": "evidence",
    "Plan": "plan",
    "PlanProblem": "plan",
    "Reply": "approval",
    "Source": "evidence",
    "Step": "plan",
    "Usage": "usage",
    "build_agent": "bootstrap",
}

__all__ = [
    "Agent",
    "AgentGraphError",
    "Answer",
    "Citation",
    "Context",
    "Evidence",
    "Plan",
    "PlanProblem",
    "Reply",
    "Source",
    "Step",
    "Usage",
    "build_agent",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"agent_graph.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
