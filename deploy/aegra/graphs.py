"""The graphs as Aegra loads them: by file, and with a checkpointer of its own."""

from agent_graph.apps.agent import graph
from agent_graph.apps.ingest import graph as ingest
from agent_graph.gateway.redelivered import redelivered
from deploy.aegra.running import is_active

__all__ = ["agent", "ingest"]

agent = redelivered(graph, is_active)
