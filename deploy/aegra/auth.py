"""Who may do what, as Aegra asks it."""

from agent_graph.apps.parts import DOOR, LEDGER, SETTINGS
from agent_graph.gateway.aegra import build_aegra_auth
from deploy.aegra.claims import claim
from deploy.aegra.own_key import OWN_KEY
from deploy.aegra.running import is_busy

auth = build_aegra_auth(SETTINGS, DOOR, LEDGER, claim=claim, busy=is_busy, own_key=OWN_KEY)
"""Aegra looks for it by this name."""
