"""The graph that ingests, as the LangGraph server loads it."""

from functools import partial

from agent_graph.apps.parts import SETTINGS
from agent_graph.bootstrap import open_default_knowledge
from agent_graph.gateway.ingesting import build_ingest

graph = build_ingest(SETTINGS, partial(open_default_knowledge, SETTINGS))
