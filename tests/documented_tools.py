"""Tools for a worker in a process of its own over documents: `--tools documented_tools:tools`."""

from langchain_core.tools import BaseTool
from worker_tools import wait

from agent_graph.bootstrap import offer, served_knowledge
from agent_graph.models import Models
from agent_graph.settings import read_settings


def tools() -> list[BaseTool]:
    """Return the default tools over the documents that the environment names, and one that waits for the test."""
    settings = read_settings()
    return [*offer(settings, Models(None, None, None), served_knowledge(settings)).tools, wait]
