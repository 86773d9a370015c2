"""`python -m agent_graph` is the command `agent-graph`."""

import sys

from agent_graph.cli import main

sys.exit(main())
