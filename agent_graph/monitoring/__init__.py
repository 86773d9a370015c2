"""Spans and metrics of every component, on the OpenTelemetry API: free until a user installs an SDK."""

from agent_graph.monitoring.export import export_spans
from agent_graph.monitoring.invocation import in_invocation, invoked
from agent_graph.monitoring.spans import count_tokens, span
from agent_graph.monitoring.trace import read_trace, within, write_trace

__all__ = [
    "count_tokens",
    "export_spans",
    "in_invocation",
    "invoked",
    "read_trace",
    "span",
    "within",
    "write_trace",
]
