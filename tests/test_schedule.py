"""The schedule: what may start, against a model that tries every order."""

import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_graph import Context
from agent_graph.evidence import StepStatus
from agent_graph.graph import Deps, build_graph
from agent_graph.models import choose
from agent_graph.plan import Plan, Step, critical_path, waves
from agent_graph.references import StepId
from agent_graph.testing import FakeClock, ScriptedModel, slow_tool
from agent_graph.worker.schedule import decide
from tools.catalog import Catalog, Effects


def sid(number: int) -> StepId:
    return StepId(f"E{number}")


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, frozenset[StepId], dict[StepId, float], frozenset[StepId]]:
    """Return a plan, which steps write, how long each takes, and which fail."""
    size = draw(st.integers(0, 9))
    steps = []
    for number in range(1, size + 1):
        needs = draw(st.sets(st.integers(1, number - 1), max_size=3)) if number > 1 else set()
        after = draw(st.sets(st.integers(1, number - 1), max_size=1)) if number > 1 else set()
        args = {"x": " ".join(f"#E{need}" for need in sorted(needs))}
        steps.append(Step(id=sid(number), tool="t", args=args, after=tuple(map(sid, after))))
    ids = [step.id for step in steps]
    some = st.frozensets(st.sampled_from(ids)) if ids else st.just(frozenset[StepId]())
    seconds = {step_id: float(draw(st.integers(1, 9))) for step_id in ids}
    return Plan(steps=tuple(steps)), draw(some), seconds, draw(some)


def simulate(
    plan: Plan, writes: frozenset[StepId], seconds: dict[StepId, float], fails: frozenset[StepId], cap: int
) -> tuple[dict[StepId, tuple[float, float]], dict[StepId, StepStatus]]:
    """Obey the schedule on virtual time; return when each step ran and how it ended."""
    now, ended, ran = 0.0, dict[StepId, StepStatus](), dict[StepId, tuple[float, float]]()
    running: list[tuple[float, int, StepId]] = []
    while True:
        decision = decide(
            plan, ended=ended, running={one for *_, one in running}, writes=writes, max_concurrency=cap
        )
        ended.update({skip.step: "skipped" for skip in decision.skip})
        for step_id in decision.start:
            ran[step_id] = (now, now + seconds[step_id])
            heapq.heappush(running, (now + seconds[step_id], int(step_id[1:]), step_id))
        assert len(running) <= cap
        if not running:
            assert decide(plan, ended=ended, running=(), writes=writes, max_concurrency=cap).done
            return ran, ended
        now, _, finished = heapq.heappop(running)
        ended[finished] = "failed" if finished in fails else "ok"


@given(plans(), st.integers(1, 4))
def test_every_order_it_allows_is_allowed(
    case: tuple[Plan, frozenset[StepId], dict[StepId, float], frozenset[StepId]], cap: int
) -> None:
    """Each step ends exactly once, after what it needs, never beside a fence, and within the cap."""
    plan, writes, seconds, fails = case
    ran, ended = simulate(plan, writes, seconds, fails, cap)
    assert set(ended) == set(plan.by_id)
    for step in plan.steps:
        lost = any(ended[need] != "ok" for need in step.needs)
        assert (ended[step.id] == "skipped") == lost
        if step.id in ran:
            assert all(ran[need][1] <= ran[step.id][0] for need in step.needs)
    order = [step.id for step in plan.steps if step.id in ran]
    for first, second in ((a, b) for at, a in enumerate(order) for b in order[at + 1 :]):
        if first in writes or second in writes:
            assert ran[first][1] <= ran[second][0]


@given(plans())
def test_with_room_for_all_the_run_is_as_short_as_its_critical_path(
    case: tuple[Plan, frozenset[StepId], dict[StepId, float], frozenset[StepId]],
) -> None:
    """No schedule can beat the critical path, and this one reaches it."""
    plan, _, seconds, _ = case
    ran, _ = simulate(plan, frozenset(), seconds, frozenset(), cap=100)
    assert max((end for _, end in ran.values()), default=0.0) == critical_path(plan, seconds)[1]


@given(plans(), st.integers(1, 4), st.data())
def test_it_starts_all_that_may_start_and_nothing_else(
    case: tuple[Plan, frozenset[StepId], dict[StepId, float], frozenset[StepId]],
    cap: int,
    data: st.DataObject,
) -> None:
    """In every state that can come about, what starts is what the rules allow, in plan order, up to the cap."""
    plan, writes, _, fails = case
    ids = [step.id for step in plan.steps]
    held = data.draw(st.frozensets(st.sampled_from(ids))) if ids else frozenset()
    ended, running = dict[StepId, StepStatus](), set[StepId]()
    while True:
        decision = decide(plan, ended=ended, running=running, writes=writes, held=held, max_concurrency=cap)
        ended.update({skip.step: "skipped" for skip in decision.skip})
        if decision.skip:
            continue
        allowed = []
        for at, step in enumerate(plan.steps):
            before = [one.id for one in plan.steps[:at] if one.id not in ended]
            fenced = any(one in writes for one in before) or (step.id in writes and before)
            new = step.id not in ended and step.id not in running and step.id not in held
            if new and not fenced and all(ended.get(need) == "ok" for need in step.needs):
                allowed.append(step.id)
        assert list(decision.start) == allowed[: cap - len(running)]
        running.update(decision.start)
        if not running:
            return
        finished = data.draw(st.sampled_from(sorted(running)))
        running.remove(finished)
        ended[finished] = "failed" if finished in fails else "ok"


@settings(max_examples=25, deadline=None)
@given(plans(), st.booleans())
async def test_the_agent_is_as_fast_as_the_critical_path(
    case: tuple[Plan, frozenset[StepId], dict[StepId, float], frozenset[StepId]], eager: bool
) -> None:
    """On a clock that only tools move, a whole run takes as long as its longest chain, to the second."""
    plan, _, seconds, _ = case
    clock = FakeClock(auto=True)
    tools = [slow_tool(f"t{step.id}", seconds[step.id], clock=clock) for step in plan.steps]
    lines = [
        str(step.model_copy(update={"tool": f"t{step.id}", "args": {"query": step.args["x"]}}))
        for step in plan.steps
    ]
    model = ScriptedModel(["\n".join(["Plan: run.", *lines]), "Done."])
    effects: dict[str, Effects] = {tool.name: "reads" for tool in tools}
    agent = build_graph(Deps(choose(model), Catalog(tools, effects), clock=clock))
    result = await agent.ainvoke({"task": "go"}, context=Context(eager=eager, max_concurrency=100))
    assert [one.status for one in result["evidence"].values()] == ["ok"] * len(plan.steps)
    assert clock.now() == critical_path(plan, seconds)[1]


@given(plans())
def test_waves_are_what_a_level_wise_executor_would_run(
    case: tuple[Plan, frozenset[StepId], dict[StepId, float], frozenset[StepId]],
) -> None:
    """Every step stands in the first wave after all it needs."""
    plan = case[0]
    level = {step_id: at for at, wave in enumerate(waves(plan)) for step_id in wave}
    assert set(level) == set(plan.by_id)
    for step in plan.steps:
        assert level[step.id] == max((level[need] + 1 for need in step.needs), default=0)


def test_a_skip_names_what_was_lost() -> None:
    """The reason names the step without a value and how it ended."""
    plan = Plan(steps=(Step(id=sid(1), tool="t"), Step(id=sid(2), tool="t", args={"x": "#E1"})))
    decision = decide(plan, ended={sid(1): "failed"}, running=())
    assert decision.skip[0].reason == "#E1 has no value: it failed"
    assert not decision.start
