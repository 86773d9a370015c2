"""Who may do what, as Aegra asks it."""

from agent_graph.apps.parts import DOOR, LEDGER, SETTINGS
from agent_graph.gateway.aegra import build_aegra_auth
from deploy.aegra.running import is_busy, runs_of

auth = build_aegra_auth(SETTINGS, DOOR, LEDGER, running=runs_of, busy=is_busy)
"""Aegra looks for it by this name."""
