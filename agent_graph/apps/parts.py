"""What the server's parts share: read and opened once, when the server loads the first of them."""

from agent_graph.gateway.door import door_from
from agent_graph.gateway.ledger import Ledger
from agent_graph.settings import read_settings

SETTINGS = read_settings()
DOOR = door_from(SETTINGS)
LEDGER = Ledger(SETTINGS.home.expanduser() / "server" / "usage.sqlite")
