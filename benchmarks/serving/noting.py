"""The agent that is measured on Aegra: one tool reads, one writes, and both leave a line that outlives the process."""

from agent_graph import build_agent
from agent_graph.gateway.redelivered import redelivered
from benchmarks.serving.notes import look, note
from deploy.aegra.running import is_active

agent = redelivered(build_agent(tools=[look, note]), is_active)
