"""Guards: one check per file, each a pure function over text."""

from agent_graph.guardrails.injection import Neutral, fence, neutralise, printable
from agent_graph.guardrails.privacy import redact

__all__ = ["Neutral", "fence", "neutralise", "printable", "redact"]
