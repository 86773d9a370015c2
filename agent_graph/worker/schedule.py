"""Which steps to start now, as a pure function of the plan and of what has happened."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from agent_graph.evidence import StepStatus
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId


class Skip(NamedTuple):
    """A step that cannot run any more."""

    step: StepId
    reason: str


class Decision(NamedTuple):
    """What to do next."""

    start: tuple[StepId, ...] = ()
    """Steps to start now, in plan order."""
    skip: tuple[Skip, ...] = ()
    """Steps to give up, because one they need has no value."""
    done: bool = False
    """Whether every step has ended."""


def decide(
    plan: Plan,
    *,
    ended: Mapping[StepId, StepStatus],
    running: Collection[StepId],
    writes: Collection[StepId] = (),
    held: Collection[StepId] = (),
    max_concurrency: int = 8,
) -> Decision:
    """Return what to start and skip, given how steps ended (earlier rounds included) and which run.

    A step starts when everything it needs is ok. A step that writes is a fence: it waits until every
    earlier step has ended, and later steps wait until it has. A held step may not start yet.
    """
    skipped: dict[StepId, StepStatus] = {}
    skip: list[Skip] = []
    start: list[StepId] = []
    room = max_concurrency - len(running)
    open_before, fence, done = False, False, True
    for step in plan.steps:
        step_id = step.id
        if step_id in ended:
            continue
        if step_id not in running:
            lost = _lost(step, ended, skipped)
            if lost:
                how = "failed" if ended.get(lost) == "failed" else "was skipped"
                skipped[step_id] = "skipped"
                skip.append(Skip(step_id, f"#{lost} has no value: it {how}"))
                continue
            free = room > len(start) and not fence and not (open_before and step_id in writes)
            if free and step_id not in held and all(ended.get(need) == "ok" for need in step.needs):
                start.append(step_id)
        done = False
        open_before = True
        fence = fence or step_id in writes
    return Decision(tuple(start), tuple(skip), done)


def _lost(
    step: Step, ended: Mapping[StepId, StepStatus], skipped: Mapping[StepId, StepStatus]
) -> StepId | None:
    """Return the first step it needs that has no value and never will."""
    lost = [need for need in step.needs if ended.get(need, skipped.get(need, "ok")) != "ok"]
    return min(lost, key=lambda one: int(one[1:])) if lost else None
