"""The agent as the LangGraph server loads it; the server brings its own checkpointer and store."""

from agent_graph.bootstrap import build_default_agent

graph = build_default_agent()
