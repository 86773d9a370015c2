"""What a run tells while it runs: one frozen value per thing that happened, streamed as plain dicts.

Listen with `stream_mode="custom"` (or `["custom", ...]`) and turn each dict back with `decode`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from langgraph.config import get_stream_writer
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from agent_graph.evidence import Answer, FailureKind, StepStatus
from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.references import StepId
from agent_graph.usage import Role, RoleUsage, Usage


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: float = 0.0
    """Seconds after the run began."""


class RunStarted(_Event):
    """A run began."""

    type: Literal["run_started"] = "run_started"
    task: str
    mode: str
    """The planner's model, or "extractive mode"."""


class PlanStepWritten(_Event):
    """The planner finished writing one step; later ones may still be on their way."""

    type: Literal["plan_step_written"] = "plan_step_written"
    step: Step


class PlanReset(_Event):
    """Forget the steps written so far: the planner starts again, for the reason given."""

    type: Literal["plan_reset"] = "plan_reset"
    reason: str
    problems: tuple[PlanProblem, ...] = ()


class PlanReady(_Event):
    """The plan passed its check; this is what will run."""

    type: Literal["plan_ready"] = "plan_ready"
    plan: Plan


class ApprovalAsked(_Event):
    """The run waits for a person."""

    type: Literal["approval_asked"] = "approval_asked"
    writes: tuple[StepId, ...]


class StepStarted(_Event):
    """A step's tool is being called, with these filled arguments."""

    type: Literal["step_started"] = "step_started"
    step: StepId
    tool: str
    args: dict[str, Any]


class StepRetried(_Event):
    """An attempt failed in a way that may pass; the step is tried again."""

    type: Literal["step_retried"] = "step_retried"
    step: StepId
    attempt: int
    error: str


class StepFinished(_Event):
    """A step has ended, one way or another."""

    type: Literal["step_finished"] = "step_finished"
    step: StepId
    tool: str
    status: StepStatus
    summary: str
    """The value's beginning, or the error."""
    failure: FailureKind | None = None
    attempts: int = 1
    seconds: float = 0.0
    sources: int = 0
    usage: RoleUsage | None = None
    """What the tool's own model calls cost, if it made any."""


class Replanned(_Event):
    """A new plan is being written because the last one did not suffice."""

    type: Literal["replanned"] = "replanned"
    reason: str
    round: int


class ModelFellBack(_Event):
    """A model failed and the next one of the role's chain was asked."""

    type: Literal["model_fell_back"] = "model_fell_back"
    role: Role
    failed: str
    next: str
    reason: str


class AnswerText(_Event):
    """A piece of the answer, before its citations are checked."""

    type: Literal["answer_text"] = "answer_text"
    text: str


class AnswerReset(_Event):
    """Forget the answer text streamed so far: the solver starts again."""

    type: Literal["answer_reset"] = "answer_reset"
    reason: str


class AnswerReady(_Event):
    """The checked answer."""

    type: Literal["answer_ready"] = "answer_ready"
    answer: Answer
    usage: Usage


Event = Annotated[
    RunStarted
    | PlanStepWritten
    | PlanReset
    | PlanReady
    | ApprovalAsked
    | StepStarted
    | StepRetried
    | StepFinished
    | Replanned
    | ModelFellBack
    | AnswerText
    | AnswerReset
    | AnswerReady,
    Field(discriminator="type"),
]
"""Any event of a run."""

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def decode(payload: Any) -> Event:
    """Turn a streamed dict back into its event.

    Raises pydantic.ValidationError when it is not one of ours.
    """
    return _EVENT.validate_python(payload)


def remark(event: Event) -> str:
    """Say in one line what went wrong, for the events that tell of it; empty for the others."""
    if isinstance(event, PlanReset):
        return "; ".join([event.reason, *map(str, event.problems)])
    if isinstance(event, ModelFellBack):
        return f"{event.failed} gave way to {event.next}: {event.reason}"
    return event.reason if isinstance(event, AnswerReset) else ""


Tell = Callable[[Event], None]
"""Streams one event."""


def teller(started: float, clock: Callable[[], float]) -> Tell:
    """Return a function that streams events from inside a node or task, stamped with the time since `started`."""
    write = get_stream_writer()

    def tell(event: Event) -> None:
        stamped = event.model_copy(update={"at": round(clock() - started, 3)})
        write(stamped.model_dump(mode="json"))

    return tell
