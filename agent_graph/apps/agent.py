"""The agent as the LangGraph server loads it; the server brings its own checkpointer and store."""

from agent_graph.apps.parts import LEDGER, SETTINGS
from agent_graph.bootstrap import build_default_agent
from agent_graph.gateway.meter import Meter

graph = build_default_agent(SETTINGS).with_config(callbacks=[Meter(LEDGER)])
