"""Sending the spans of a process to a collector, with the extra `otel`."""

import logging

from opentelemetry import trace

_log = logging.getLogger("agent_graph.monitoring")


def export_spans(endpoint: str, service: str) -> None:
    """Send spans over OTLP to `endpoint` from now on; what a user has set up before stays as it is.

    `service` is this process's name, unless OTEL_SERVICE_NAME gives another. OpenTelemetry's own variables say
    the rest: headers, certificates, sampling, delays.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning("no spans are sent to %s: pip install 'agent-graph[otel]'", endpoint)
        return
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
