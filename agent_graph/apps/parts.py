"""What the server's parts share: read and opened once, when the server loads the first of them."""

from agent_graph.bootstrap import export_spans
from agent_graph.gateway.door import door_from
from agent_graph.gateway.ledger import ledger_from
from agent_graph.settings import read_settings

SETTINGS = read_settings()
export_spans(SETTINGS, "agent-graph")
DOOR = door_from(SETTINGS)
LEDGER = ledger_from(SETTINGS)
