"""Who may do what, as the LangGraph server asks it."""

from agent_graph.apps.parts import DOOR, LEDGER, SETTINGS
from agent_graph.gateway.auth import build_auth

auth = build_auth(SETTINGS, DOOR, LEDGER)
