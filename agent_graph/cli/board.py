"""The board: what is known of a run while it goes on, as a frozen value that each event moves on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Literal

from agent_graph.cli.console import counted
from agent_graph.events import (
    AnswerReady,
    AnswerReset,
    AnswerText,
    ApprovalAsked,
    Event,
    ModelFellBack,
    PlanReady,
    PlanReset,
    PlanStepWritten,
    Replanned,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
)
from agent_graph.evidence import Evidence, StepStatus
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId
from agent_graph.usage import Role

Phase = Literal["planning", "approval", "working", "solving", "done"]
"""Who has the word: the planner, a person, the worker, the solver, nobody."""


@dataclass(frozen=True)
class Row:
    """One step and how it stands."""

    step: Step
    status: Literal["waiting", "running"] | StepStatus = "waiting"
    outcome: str = ""
    """The value's beginning, the number of passages, or the error."""
    seconds: float | None = None
    attempts: int = 0

    @property
    def ended(self) -> bool:
        """Whether the step will not change any more."""
        return self.status in ("ok", "failed", "skipped")


@dataclass(frozen=True)
class Remark:
    """Something that did not go straight, and the role it happened to."""

    role: Role
    text: str


@dataclass(frozen=True)
class Board:
    """One run so far."""

    phase: Phase = "planning"
    mode: str = ""
    strategy: str = ""
    rows: tuple[Row, ...] = ()
    """In plan order; those of earlier plans that ended come first."""
    earlier: int = 0
    """How many rows are of earlier plans."""
    remarks: tuple[Remark, ...] = ()
    text: str = ""
    """The answer as far as it was streamed, before its citations are checked."""

    def after(self, event: Event) -> "Board":
        """Return the board with one more thing having happened."""
        return _after(event, self)

    def remarked(self, role: Role, text: str) -> "Board":
        """Return the board with one more remark."""
        return replace(self, remarks=(*self.remarks, Remark(role, text)))

    def changed(self, step_id: StepId, **changes: object) -> "Board":
        """Return the board with one row changed."""
        rows = (replace(row, **changes) if row.step.id == step_id else row for row in self.rows)  # type: ignore[arg-type]
        return replace(self, rows=tuple(rows))

    def planned(self, steps: Iterable[Step]) -> "Board":
        """Return the board with these steps as the plan; those that began before it was complete go on."""
        begun = {row.step.id: row for row in self.rows[self.earlier :]}
        before = {row.step.id for row in self.rows[: self.earlier]}
        rows = (begun.get(step.id, Row(step)) for step in steps if step.id not in before)
        return replace(self, rows=(*self.rows[: self.earlier], *rows))


def ended_rows(plan: Plan, evidence: Mapping[StepId, Evidence]) -> tuple[Row, ...]:
    """Return the rows of a run that is over, without those of plans that were given up."""
    return tuple(_ended(step, evidence[step.id]) if step.id in evidence else Row(step) for step in plan.steps)


def _ended(step: Step, evidence: Evidence) -> Row:
    value = evidence.text if evidence.ok else evidence.error
    found = counted(len(evidence.sources), "passage") if evidence.ok and evidence.sources else value
    return Row(step, evidence.status, found, evidence.seconds, evidence.attempts)


@singledispatch
def _after(event: Event, board: Board) -> Board:
    del event
    return board


@_after.register
def _(event: RunStarted, board: Board) -> Board:
    return replace(board, mode=event.mode)


@_after.register
def _(event: PlanStepWritten, board: Board) -> Board:
    return board.planned([*(row.step for row in board.rows[board.earlier :]), event.step])


@_after.register
def _(event: PlanReset, board: Board) -> Board:
    reasons = "; ".join([event.reason, *map(str, event.problems)])
    return board.planned([]).remarked("planner", f"starts again: {reasons}")


@_after.register
def _(event: PlanReady, board: Board) -> Board:
    planned = board.planned(event.plan.steps)
    phase: Phase = "solving" if all(row.ended for row in planned.rows) else "working"
    return replace(planned, strategy=event.plan.strategy, phase=phase)


@_after.register
def _(event: ApprovalAsked, board: Board) -> Board:
    del event
    return replace(board, phase="approval")


@_after.register
def _(event: StepStarted, board: Board) -> Board:
    moved = board.changed(event.step, status="running", attempts=1)
    return moved if board.phase == "planning" else replace(moved, phase="working")


@_after.register
def _(event: StepRetried, board: Board) -> Board:
    return board.changed(event.step, attempts=event.attempt, outcome=event.error)


@_after.register
def _(event: StepFinished, board: Board) -> Board:
    found = counted(event.sources, "passage") if event.sources else event.summary
    moved = board.changed(
        event.step, status=event.status, outcome=found, seconds=event.seconds, attempts=event.attempts
    )
    if board.phase == "planning":
        return moved
    return replace(moved, phase="solving" if all(row.ended for row in moved.rows) else "working")


@_after.register
def _(event: Replanned, board: Board) -> Board:
    ended = tuple(row for row in board.rows if row.ended)
    again = replace(board, rows=ended, earlier=len(ended), phase="planning", text="")
    return again.remarked("planner", f"plans again: {event.reason}")


@_after.register
def _(event: ModelFellBack, board: Board) -> Board:
    return board.remarked(event.role, f"{event.failed} failed ({event.reason}); asks {event.next}")


@_after.register
def _(event: AnswerText, board: Board) -> Board:
    return replace(board, phase="solving", text=board.text + event.text)


@_after.register
def _(event: AnswerReset, board: Board) -> Board:
    return replace(board.remarked("solver", f"starts again: {event.reason}"), text="")


@_after.register
def _(event: AnswerReady, board: Board) -> Board:
    del event
    return replace(board, phase="done", text="")
