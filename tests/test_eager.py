"""Steps that only read start while the plan is still being written."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from agent_graph import Agent, Context
from agent_graph.events import Event
from agent_graph.graph import Deps, build_graph
from agent_graph.models import choose
from agent_graph.testing import Drop, FakeClock, ScriptedModel, slow_tool
from tools.catalog import Catalog

THREAD = {"configurable": {"thread_id": "1"}}
TWO = '#E1 = slow(query="a")\n#E2 = other(query="#E1")\n' + "x" * 200


class Run:
    """One agent on a clock of its own, whose planner writes 100 characters a second."""

    def __init__(self, *replies: Any, tools: list[BaseTool] | None = None, **options: Any) -> None:
        self.clock = FakeClock(auto=True)
        self.model = ScriptedModel(list(replies), characters_per_second=100, clock=self.clock)
        own = [slow_tool(name, 1.0, clock=self.clock) for name in ("slow", "other")]
        self.tools = own if tools is None else [*own, *tools]
        effects = {"slow": "reads", "other": "reads", **options.pop("effects", {})}
        catalog = Catalog(self.tools, effects)
        self.agent: Agent = build_graph(Deps(choose(self.model), catalog, clock=self.clock), **options)

    def calls(self, name: str) -> list[str]:
        return [call["query"] for one in self.tools if one.name == name for call in one.calls]  # type: ignore[attr-defined]


def at(events: list[Event], kind: str, step: str = "") -> float:
    """When something was first told."""
    return next(event.at for event in events if event.type == kind and getattr(event, "step", "") == step)


async def test_a_read_starts_while_the_plan_is_written(events_of: Callable[..., Any]) -> None:
    """A step runs from the moment its call is complete, not from the moment the plan is."""
    run = Run(TWO, "Done [E2].")
    events = await events_of(run.agent, "go")
    assert at(events, "step_started", "E1") < 0.4
    assert at(events, "step_finished", "E1") < at(events, "plan_ready")
    assert at(events, "step_started", "E2") < at(events, "plan_ready")


async def test_without_eager_nothing_runs_before_the_plan_is_complete(events_of: Callable[..., Any]) -> None:
    """The knob switches it off."""
    run = Run(TWO, "Done [E2].")
    events = await events_of(run.agent, "go", context=Context(eager=False))
    assert at(events, "plan_ready") <= at(events, "step_started", "E1")


@pytest.mark.parametrize(
    ("approval", "writes"), [("always", False), ("always", True), ("side_effects", True)]
)
async def test_nothing_runs_before_a_plan_that_may_need_approval(approval: Any, writes: bool) -> None:
    """Where a plan could have to wait for a person, none of it starts early."""
    effects = {"other": "writes"} if writes else {}
    run = Run(TWO, "Done [E2].", effects=effects, checkpointer=InMemorySaver())
    result = await run.agent.ainvoke({"task": "go"}, THREAD, context=Context(approval=approval))
    assert result["__interrupt__"]
    assert (run.calls("slow"), run.calls("other")) == ([], [])


async def test_a_write_is_never_early_and_fences_what_follows(events_of: Callable[..., Any]) -> None:
    """Reads before it start early; the write and what comes after it wait for the whole plan."""
    pay = slow_tool("pay", 1.0)
    plan = '#E1 = slow(query="a")\n#E2 = pay(query="b")\n#E3 = other(query="c")\n' + "x" * 200
    run = Run(plan, "Done [E3].", tools=[pay], effects={"pay": "writes"})
    events = await events_of(run.agent, "go", context=Context(approval="never"))
    assert at(events, "step_finished", "E1") < at(events, "plan_ready") <= at(events, "step_started", "E2")
    assert at(events, "step_finished", "E2") <= at(events, "step_started", "E3")


async def test_an_unmarked_tool_is_never_early(events_of: Callable[..., Any]) -> None:
    """What does not say that it only reads waits for the checked plan."""
    run = Run(TWO, "Done [E2].", effects={"slow": "unknown"})
    events = await events_of(run.agent, "go")
    assert at(events, "plan_ready") <= at(events, "step_started", "E1")


async def test_a_repaired_plan_keeps_what_did_not_change(events_of: Callable[..., Any]) -> None:
    """Evidence of unchanged steps is kept and not gathered again; that of changed ones is never seen."""
    first = '#E1 = slow(query="a")\n#E2 = slow(query="b")\n#E3 = nothing(query="c")\n'
    second = '#E1 = slow(query="a")\n#E2 = slow(query="other")\n#E3 = other(query="#E2")\n'
    run = Run(first, second, "Done [E3].")
    result = await run.agent.ainvoke({"task": "go"})
    assert sorted(run.calls("slow")) == ["a", "b", "other"]
    assert [one.args["query"] for one in result["evidence"].values()] == ["a", "other", "ok"]
    assert all(one.ok for one in result["evidence"].values())


async def test_what_depends_on_a_changed_step_has_changed() -> None:
    """The same words over another step's outcome are another call."""
    first = '#E1 = slow(query="a")\n#E2 = other(query="#E1")\n' + "x" * 400 + "\n#E3 = nothing()\n"
    second = '#E1 = slow(query="b")\n#E2 = other(query="#E1")\n'
    run = Run(first, second, "Done [E2].")
    await run.agent.ainvoke({"task": "go"})
    assert (run.calls("slow"), run.calls("other")) == (["a", "b"], ["ok", "ok"])


async def test_what_a_dropped_stream_had_begun_is_taken_over(events_of: Callable[..., Any]) -> None:
    """A stream that breaks off and comes again costs no second call, and listeners hear of it again."""
    plan = '#E1 = slow(query="a")\n#E2 = other(query="#E1")\n'
    run = Run(Drop(plan, after=30), plan, "Done [E2].")
    events = await events_of(run.agent, "go")
    assert (run.calls("slow"), run.calls("other")) == (["a"], ["ok"])
    reset = next(number for number, event in enumerate(events) if event.type == "plan_reset")
    again = [event.type for event in events[reset:] if getattr(event, "step", "") == "E1"]
    assert "step_finished" in again


@pytest.mark.parametrize(
    "line",
    ['nothing(query="a")', 'slow(wrong="a")', 'slow(query="#E7")', 'slow(query="#E1")'],
)
async def test_a_faulty_step_never_starts(line: str) -> None:
    """What the check would refuse is not called while the rest is written."""
    run = Run(f"#E1 = {line}\n", '#E1 = other(query="b")', "Done [E1].")
    await run.agent.ainvoke({"task": "go"})
    assert (run.calls("slow"), run.calls("other")) == ([], ["b"])


async def test_a_plan_of_too_many_steps_is_cut_short_early() -> None:
    """At most as many steps start early as a plan may have."""
    plan = "".join(f'#E{number} = slow(query="{number}")\n' for number in range(1, 9))
    run = Run(plan, '#E1 = slow(query="1")\n', "Done [E1].")
    await run.agent.ainvoke({"task": "go"}, context=Context(max_steps=3))
    assert run.calls("slow") == ["1", "2", "3"]


async def test_a_tool_that_asks_a_person_goes_on_after_the_answer() -> None:
    """An early step may interrupt: the other steps end, and the plan is not written again."""

    @tool
    async def ask(query: str) -> str:
        """Ask a person."""
        return str(interrupt(query))

    plan = '#E1 = ask(query="which one?")\n#E2 = slow(query="a")\n#E3 = other(query="#E1")\n'
    run = Run(plan, "Done [E3].", tools=[ask], effects={"ask": "reads"}, checkpointer=InMemorySaver())
    from langgraph.types import Command

    paused = await run.agent.ainvoke({"task": "go"}, THREAD)
    assert [one.value for one in paused["__interrupt__"]] == ["which one?"]
    assert run.calls("slow") == ["a"]
    result = await run.agent.ainvoke(Command(resume="the left one"), THREAD)
    assert run.calls("other") == ["the left one"]
    assert (run.calls("slow"), len(run.model.calls)) == (["a"], 2)
    assert result["answer"].text == "Done [E3]."
