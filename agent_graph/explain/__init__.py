"""A run explained: the plan as mermaid or SVG, the whole run as one HTML page."""

from agent_graph.explain.drawing import plan_svg
from agent_graph.explain.mermaid import mermaid
from agent_graph.explain.report import report

__all__ = ["mermaid", "plan_svg", "report"]
