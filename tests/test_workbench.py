"""Recorded tool calls of real models, replayed as plans: 20 office tasks against tools that know only the recording.

All of them: `benchmarks/workbench.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from recorded_calls import Row, as_plan, is_replayed, keeping, recorded_writes, rows, run

from agent_graph import Context
from agent_graph.references import StepId

DATA = Path(__file__).parent / "data"
ROWS = rows(DATA / "workbench_plans.jsonl")
TOOLS = json.loads((DATA / "workbench_tools.json").read_text("utf-8"))

each_row = pytest.mark.parametrize("row", [pytest.param(row, id=str(at)) for at, row in enumerate(ROWS)])


def reading(row: Row) -> dict[str, Any]:
    """Mark every tool of the row as one that reads."""
    return {"effects": {step.tool: "reads" for step in as_plan(row).plan.steps}}


@each_row
async def test_every_reference_brings_the_recorded_argument(row: Row) -> None:
    """Paths into real outputs and values cut out of them fill each call as it was recorded, type included."""
    recorded = as_plan(row)
    ended = await run(row, recorded.plan, TOOLS)
    evidence = ended.result["evidence"]
    assert ended.result["plan"].digest == recorded.plan.digest
    assert list(evidence) == [step.id for step in recorded.plan.steps]
    for step, place in recorded.place.items():
        assert is_replayed(evidence[step], row["steps"][place]), evidence[step]


@each_row
async def test_every_part_of_an_output_has_a_path_that_keeps_its_type(row: Row) -> None:
    """Texts, numbers, records and lists, under keys that are dates and hold slashes, arrive as they were returned."""
    plan, expected = keeping(row, as_plan(row))
    ended = await run(row, plan, TOOLS)
    assert json.dumps(ended.office.kept) == json.dumps(expected)
    assert ended.result["evidence"][plan.steps[-1].id].value == len(expected)


@each_row
async def test_writes_happen_alone_and_in_the_recorded_order(row: Row) -> None:
    """A write begins after all earlier calls and ends before all later ones, though these are the faster ones."""
    ended = await run(row, as_plan(row).plan, TOOLS)
    assert ended.office.writes == recorded_writes(row)
    assert ended.office.fenced


@each_row
async def test_one_call_at_a_time_ends_in_the_same_state(row: Row) -> None:
    """Running in parallel changes neither a write, nor its arguments, nor any value."""
    plan = as_plan(row).plan
    together = await run(row, plan, TOOLS)
    alone = await run(row, plan, TOOLS, context=Context(approval="never", max_replans=0, max_concurrency=1))
    assert alone.office.overlapping == 1
    assert together.state == alone.state


async def test_reads_that_need_nothing_of_each_other_overlap() -> None:
    """The order of writes is not bought by running everything in a row."""
    ended = [await run(row, as_plan(row).plan, TOOLS) for row in ROWS]
    independent = [row["levels"].count(1) > 1 and not recorded_writes(row) for row in ROWS]
    assert any(independent)
    assert all(one.office.overlapping > 1 for one, free in zip(ended, independent, strict=True) if free)


async def test_data_alone_does_not_keep_the_order_of_writes() -> None:
    """With nothing marked as writing, the same plans make the same writes in another order."""
    several = [row for row in ROWS if len(recorded_writes(row)) > 1]
    ended = [await run(row, as_plan(row).plan, TOOLS, **reading(row)) for row in several]
    moved = [one.office.writes != recorded_writes(row) for row, one in zip(several, ended, strict=True)]
    assert any(moved)
    assert not any(one.office.fenced for one, is_moved in zip(ended, moved, strict=True) if is_moved)


async def test_a_call_that_was_not_recorded_fails_and_what_needs_it_is_skipped() -> None:
    """The replay knows no other arguments, so that a wrong reference could not pass unseen."""
    row = next(row for row in ROWS if as_plan(row).slots)
    plan = as_plan(row).plan
    first, *others = plan.steps
    other = first.model_copy(update={"args": {**first.args, next(iter(first.args)): "something else"}})
    ended = await run(row, plan.model_copy(update={"steps": (other, *others)}), TOOLS)
    evidence = ended.result["evidence"]
    assert "was never called with" in evidence[StepId("E1")].error
    assert {evidence[step.id].status for step in others if first.id in step.needs} == {"skipped"}
    assert ended.office.writes == []
