"""What a run leaves in a tracer: one span per operation, names and counts, never content."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from agent_graph import Agent, Context, monitoring
from agent_graph.errors import AgentGraphError
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


async def test_a_run_has_a_span_as_long_as_itself(
    spans: InMemorySpanExporter, scripted: Callable[..., tuple[Agent, ScriptedModel]]
) -> None:
    """What its nodes do lies within it and under it; a run that a person resumes has two, in one trace."""
    spans.clear()
    agent, _ = scripted('#E1 = send(to="Ann", text="hi")', "Sent [E1].", checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    paused: Any = await agent.ainvoke({"task": "Tell Ann"}, config)
    assert paused["__interrupt__"]
    await agent.ainvoke(Command(resume={"decision": "approve"}), config)  # type: ignore[arg-type]
    ended = spans.get_finished_spans()
    first, second = (one for one in ended if one.name == "invoke_agent")
    assert len({one.context.trace_id for one in ended}) == 1
    assert first.parent is None
    assert second.parent is not None
    assert second.parent.span_id == first.context.span_id
    for invocation, name in ((first, "plan"), (second, "solve")):
        (inside,) = (one for one in ended if one.name == name)
        assert inside.parent is not None
        assert inside.parent.span_id == invocation.context.span_id
        assert invocation.start_time <= inside.start_time <= inside.end_time <= invocation.end_time


@pytest.mark.parametrize("how", ["left", "failed"])
async def test_a_run_that_does_not_end_well_has_its_span(
    spans: InMemorySpanExporter, scripted: Callable[..., tuple[Agent, ScriptedModel]], how: str
) -> None:
    """A stream that its reader leaves ends the span; an exception that ends the run gives it its type."""
    spans.clear()
    agent, _ = scripted('#E1 = look(name="Ann")', *(["Ann [E1]."] if how == "left" else []))
    if how == "left":
        async with aclosing(agent.astream({"task": "Who?"}, stream_mode="custom")) as parts:  # type: ignore[type-var]
            await anext(parts)
    else:
        with pytest.raises(AgentGraphError):
            await agent.ainvoke({"task": "Who?"})
    (run,) = (one for one in spans.get_finished_spans() if one.name == "invoke_agent")
    assert run.status.status_code is (StatusCode.UNSET if how == "left" else StatusCode.ERROR)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_an_exception_leaves_its_type_only(spans: InMemorySpanExporter) -> None:
    """What an exception says may be anybody's data."""
    spans.clear()
    with pytest.raises(ValueError, match="hunter2"), monitoring.span("plan"):
        raise ValueError("hunter2")
    (failed,) = spans.get_finished_spans()
    assert failed.status.description == "ValueError"
    assert "hunter2" not in failed.to_json()
