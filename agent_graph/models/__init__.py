"""Chat models by role: which one, what happens when it fails, and what it cost."""

from agent_graph.models.chain import Done, FellBack, ModelChain, NamedModel, Piece, Restarted, Text
from agent_graph.models.choose import EXTRACTIVE_MODE, ROLES, Models, ModelSpec, choose

__all__ = [
    "EXTRACTIVE_MODE",
    "ROLES",
    "Done",
    "FellBack",
    "ModelChain",
    "ModelSpec",
    "Models",
    "NamedModel",
    "Piece",
    "Restarted",
    "Text",
    "choose",
]
