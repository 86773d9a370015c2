"""The command line. Commands parse, call and print; nothing heavy is imported before one runs."""

from agent_graph.cli.app import main

__all__ = ["main"]
