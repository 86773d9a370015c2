"""The board of a run, moved on by events alone."""

from agent_graph.cli.board import Board
from agent_graph.events import (
    AnswerReset,
    AnswerText,
    Event,
    PlanReady,
    PlanReset,
    PlanStepWritten,
    Replanned,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
)
from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.references import StepId

LOOK = Step(id=StepId("E1"), tool="look", args={"name": "Ada"})
JOIN = Step(id=StepId("E2"), tool="join", args={"text": "#E1"})
PLAN = Plan(strategy="look, then join", steps=(LOOK, JOIN))


def board(*events: Event) -> Board:
    """Return the board after these events."""
    moved = Board()
    for event in events:
        moved = moved.after(event)
    return moved


def test_steps_appear_as_they_are_written() -> None:
    """A step stands on the board before the plan is ready, and once after it is."""
    written = board(RunStarted(task="?", mode="m"), PlanStepWritten(step=LOOK))
    assert [(row.step.id, row.status) for row in written.rows] == [("E1", "waiting")]
    ready = written.after(PlanStepWritten(step=JOIN)).after(PlanReady(plan=PLAN))
    assert [row.step.id for row in ready.rows] == ["E1", "E2"]
    assert (ready.phase, ready.strategy, ready.mode) == ("working", "look, then join", "m")


def test_a_step_runs_is_tried_again_and_ends() -> None:
    """Status, attempts, seconds and outcome follow the step."""
    started = board(PlanReady(plan=PLAN), StepStarted(step=LOOK.id, tool="look", args={}))
    assert started.rows[0].status == "running"
    retried = started.after(StepRetried(step=LOOK.id, attempt=2, error="429"))
    assert (retried.rows[0].attempts, retried.rows[0].outcome) == (2, "429")
    done = StepFinished(
        step=LOOK.id, tool="look", status="ok", summary="x", attempts=2, seconds=1.5, sources=3
    )
    ended = retried.after(done)
    assert (ended.rows[0].outcome, ended.rows[0].seconds, ended.rows[0].ended) == ("3 passages", 1.5, True)
    assert ended.phase == "working"


def test_a_plan_given_up_leaves_what_it_found() -> None:
    """Steps that ended stay when the planner plans again; those that never ran go, and the reason is told."""
    lost = StepFinished(step=LOOK.id, tool="look", status="failed", summary="no such name")
    skipped = StepFinished(step=JOIN.id, tool="join", status="skipped", summary="#E1 has no value")
    third = Step(id=StepId("E3"), tool="look", args={"name": "Bob"})
    again = board(PlanReady(plan=PLAN), lost, skipped, Replanned(reason="#E1 failed", round=1))
    assert again.phase == "planning"
    planned = again.after(PlanReady(plan=Plan(steps=(third,))))
    assert [(row.step.id, row.status) for row in planned.rows] == [
        ("E1", "failed"),
        ("E2", "skipped"),
        ("E3", "waiting"),
    ]
    assert "plans again: #E1 failed" in planned.remarks[0].text


def test_a_draft_with_problems_is_taken_off() -> None:
    """When the planner starts again its steps go and its problems are told."""
    problem = PlanProblem(kind="unknown_tool", step=LOOK.id, message="There is no tool 'look'.")
    reset = board(PlanStepWritten(step=LOOK), PlanReset(reason="the plan has problems", problems=(problem,)))
    assert not reset.rows
    assert "There is no tool 'look'." in reset.remarks[0].text


def test_a_streamed_answer_can_start_again() -> None:
    """Text that was streamed before a restart is not shown beside what follows."""
    text = board(
        AnswerText(text="Half an ans"), AnswerReset(reason="dropped"), AnswerText(text="All of it")
    ).text
    assert text == "All of it"


def test_steps_that_run_while_the_plan_is_written_stay_in_its_order() -> None:
    """What ended early keeps its place and its outcome when the plan is complete."""
    done = StepFinished(step=LOOK.id, tool="look", status="ok", summary="x", seconds=1.0)
    early = board(PlanStepWritten(step=LOOK), StepStarted(step=LOOK.id, tool="look", args={}), done)
    assert (early.phase, early.rows[0].status) == ("planning", "ok")
    ready = early.after(PlanStepWritten(step=JOIN)).after(PlanReady(plan=PLAN))
    assert [(row.step.id, row.status) for row in ready.rows] == [("E1", "ok"), ("E2", "waiting")]
    assert ready.phase == "working"


def test_what_an_abandoned_draft_had_run_is_gone() -> None:
    """A reset takes early outcomes off the board; those that count are told again."""
    done = StepFinished(step=LOOK.id, tool="look", status="ok", summary="x", seconds=1.0)
    reset = board(PlanStepWritten(step=LOOK), done, PlanReset(reason="problems"))
    assert reset.rows == ()
