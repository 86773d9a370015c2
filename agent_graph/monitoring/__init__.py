"""Spans and metrics of every component, on the OpenTelemetry API: free until a user installs an SDK."""

from agent_graph.monitoring.spans import count_tokens, span

__all__ = ["count_tokens", "span"]
