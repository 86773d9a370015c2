"""What a run leaves in a tracer: one span per operation, names and counts, never content."""

from collections.abc import Callable

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_graph import Agent, Context, monitoring
from agent_graph.testing import ScriptedModel


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """Install the SDK, as a user would, once for the process."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


async def test_every_role_has_its_spans(
    spans: InMemorySpanExporter, scripted: Callable[..., tuple[Agent, ScriptedModel]]
) -> None:
    """Planner, each tool call and solver are spans; a failed step says so, and no text of theirs is in any."""
    spans.clear()
    agent, _ = scripted('#E1 = look(name="Rumpelstilzchen")\n#E2 = broken()', "Rumpelstilzchen [E1].")
    await agent.ainvoke({"task": "Who?"}, context=Context(max_replans=0))
    ended = {one.name: dict(one.attributes or {}) for one in spans.get_finished_spans()}
    assert set(ended) == {"invoke_agent", "plan", "execute_tool look", "execute_tool broken", "solve"}
    assert len({one.context.trace_id for one in spans.get_finished_spans()}) == 1
    assert ended["execute_tool look"]["agent_graph.status"] == "ok"
    assert ended["execute_tool broken"]["agent_graph.status"] == "failed"
    assert ended["execute_tool broken"]["agent_graph.step"] == "E2"
    everything = " ".join(one.to_json() for one in spans.get_finished_spans())
    assert "Rumpelstilzchen" not in everything
    assert "on fire" not in everything


def test_an_exception_leaves_its_type_only(spans: InMemorySpanExporter) -> None:
    """What an exception says may be anybody's data."""
    spans.clear()
    with pytest.raises(ValueError, match="hunter2"), monitoring.span("plan"):
        raise ValueError("hunter2")
    (failed,) = spans.get_finished_spans()
    assert failed.status.description == "ValueError"
    assert "hunter2" not in failed.to_json()
