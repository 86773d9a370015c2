"""What a run tells, in lines for people who have no step table."""

from functools import singledispatch

from agent_graph.events import (
    AnswerReset,
    Event,
    ModelFellBack,
    PlanReady,
    PlanReset,
    Replanned,
    StepFinished,
    StepRetried,
    StepStarted,
    remark,
)
from agent_graph.explain.words import counted


@singledispatch
def told(event: Event) -> str:
    """Return one line on an event, or nothing."""
    del event
    return ""


@told.register
def _(event: PlanReady) -> str:
    return f"{event.plan.strategy or 'plan'} ({counted(len(event.plan.steps), 'step')})"


@told.register
def _(event: StepStarted) -> str:
    return f"#{event.step} {event.tool} ..."


@told.register
def _(event: StepFinished) -> str:
    found = counted(event.sources, "passage") if event.sources else " ".join(event.summary.split())[:120]
    return f"#{event.step} {event.status}: {found}"


@told.register
def _(event: StepRetried) -> str:
    return f"#{event.step} tried again: {event.error}"


@told.register
def _(event: Replanned) -> str:
    return f"plans again: {event.reason}"


@told.register(PlanReset)
@told.register(ModelFellBack)
@told.register(AnswerReset)
def _(event: PlanReset | ModelFellBack | AnswerReset) -> str:
    return remark(event)
