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
    max_concurrency: int = 8,
) -> Decision:
    """Return what to start and skip, given how steps ended (earlier rounds included) and which run.

    A step starts when everything it needs is ok. A step that writes is a fence: it waits until every
    earlier step has ended, and later steps wait until it has.
    """
    status: dict[StepId, str] = dict(ended)
    skip: list[Skip] = []
    start: list[StepId] = []
    open_before, fence = False, False
    for step in plan.steps:
        if step.id in status:
            continue
        lost = _lost(step, status)
        if lost and step.id not in running:
            status[step.id] = "skipped"
            skip.append(
                Skip(
                    step.id,
                    f"#{lost} has no value: it {'failed' if status[lost] == 'failed' else 'was skipped'}",
                )
            )
            continue
        fenced = fence or (step.id in writes and open_before)
        room = len(running) + len(start) < max_concurrency
        if step.id not in running and not fenced and room and _ready(step, status):
            start.append(step.id)
        open_before = True
        fence = fence or step.id in writes
    done = all(step.id in status for step in plan.steps)
    return Decision(tuple(start), tuple(skip), done)


def _ready(step: Step, status: Mapping[StepId, str]) -> bool:
    return all(status.get(need) == "ok" for need in step.needs)


def _lost(step: Step, status: Mapping[StepId, str]) -> StepId | None:
    lost = (need for need in step.needs if status.get(need) in ("failed", "skipped"))
    return min(lost, key=lambda one: int(one[1:]), default=None)
