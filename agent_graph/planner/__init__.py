"""The planner: writes the whole plan once."""

from agent_graph.planner.check import check
from agent_graph.planner.grammar import PlanReader, read_plan
from agent_graph.planner.write import PlanRequest, Written
from agent_graph.planner.write import write as write_plan

__all__ = ["PlanReader", "PlanRequest", "Written", "check", "read_plan", "write_plan"]
