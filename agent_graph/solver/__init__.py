"""The solver: reads question, plan and evidence once and answers with citations."""

from agent_graph.solver.write import Solved, SolveRequest
from agent_graph.solver.write import write as write_answer

__all__ = ["SolveRequest", "Solved", "write_answer"]
