"""Jobs drawn: a line for each, one in full, one as it goes on."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent_graph.background.jobs import Jobs, Schedule
from agent_graph.background.standing import Job
from agent_graph.cli import console

if TYPE_CHECKING:
    from rich.table import Table

_LOOK_S = 1.0
_MOST_NAMED = 20
_ORDER = ("answered", "done", "needs approval", "failed", "cancelled", "running", "waiting")


def job_record(job: Job) -> dict[str, Any]:
    """Return one job for a machine."""
    return {**job.model_dump(mode="json"), "total": job.total, "open": job.open}


def jobs_table(jobs: Sequence[Job]) -> "Table":
    """Return one line for each job."""
    table = _table("job", "kind", "begun", "took", "stands")
    for job in jobs:
        table.add_row(
            console.text(console.line(job.name)),
            job.kind,
            _when(job.created),
            _took(job),
            console.text(stands(job)),
        )
    return table


def schedules_table(schedules: Sequence[Schedule]) -> "Table":
    """Return one line for each schedule."""
    table = _table("schedule", "every", "zone", "fired last", "paths")
    for one in schedules:
        table.add_row(
            console.text(console.line(one.name)),
            one.cron,
            one.timezone,
            one.fired or "not yet",
            console.text(console.line(", ".join(one.order.paths), most=60)),
        )
    return table


def stands(job: Job) -> str:
    """Return how many parts stand where, in one line."""
    told = ", ".join(f"{job.counts[one]:,} {one}" for one in _ORDER if job.counts.get(one))
    if job.progress and job.open:
        told += f" ({job.progress['done']:,} of {job.progress['total']:,} documents)"
    return told


def show_job(jobs: Jobs, job: Job) -> None:
    """Print one job: how it stands, what needs a person, and what came of it."""
    screen = console.out()
    screen.print(jobs_table([job]))
    if job.kind == "ingest":
        _show_ingest(jobs.ingested(job.name))
        return
    if job.kind == "eval" and not job.open:
        from agent_graph.cli.eval import show_report

        show_report(jobs.report(job.name))
        return
    named = 0
    for one in jobs.endings(job.name):
        if one.outcome == "answered":
            continue
        named += 1
        if named <= _MOST_NAMED:
            where = f" (thread {one.thread})" if one.outcome == "needs approval" else ""
            said = f"{one.outcome}: {one.id or one.question}: {one.error}{where}"
            screen.print(console.text(console.line(said, most=300), console.FAILED), soft_wrap=True)
    if named > _MOST_NAMED:
        screen.print(
            console.text(f"and {named - _MOST_NAMED:,} more: see --answers FILE.jsonl", console.QUIET)
        )


def followed(jobs: Jobs, name: str) -> Job:
    """Wait until a job has ended, with a bar that says how far it is."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    err = console.err()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not console.lively(err)) as bar:
        job = jobs.job(name)
        task = bar.add_task("", total=job.total)
        while job.open:
            done, total = job.total - job.open, job.total
            if job.progress:
                done, total = job.progress["done"], job.progress["total"]
            bar.update(task, description=stands(job), completed=done, total=total)
            time.sleep(_LOOK_S)
            job = jobs.job(name)
    return job


def _show_ingest(told: dict[str, Any]) -> None:
    screen = console.out()
    if told.get("counts"):
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(told["counts"].items()))
        screen.print(console.text(f"{counts} · {console.counted(told['passages'], 'passage')}"))
    for skipped in told.get("skipped", []):
        said = f"skipped: {skipped['document']}: {skipped['reason']}"
        screen.print(console.text(console.line(said, most=300), console.FAILED), soft_wrap=True)
    for said in filter(None, (told.get("refused"), told.get("error"))):
        screen.print(console.text(console.line(said), console.FAILED), soft_wrap=True)


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style=console.QUIET)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _took(job: Job) -> str:
    return console.seconds((job.ended or time.time()) - job.created)
