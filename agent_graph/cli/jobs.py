"""`agent-graph jobs`: work that nobody waits for, in durable queues on PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_graph.cli import jobs_work
from agent_graph.cli.failure import COULD_NOT
from agent_graph.cli.options import (
    Approval,
    AsJson,
    Collection,
    Force,
    Passages,
    Prune,
    Redact,
    Urls,
)

if TYPE_CHECKING:
    from agent_graph.background.assignment import Assignment, Kind
    from agent_graph.background.jobs import Jobs
    from agent_graph.background.standing import Job

app = typer.Typer(
    help="Batches of questions, evaluation and scheduled ingest, in durable queues on PostgreSQL (AGENT_GRAPH_JOBS).",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("work")(jobs_work.command)

Name = Annotated[
    str | None,
    typer.Option(
        "--name", "-n", help="Name of the job; one is made when it is left out.", show_default=False
    ),
]
Named = Annotated[str, typer.Argument(metavar="NAME", help="The job's name, as listed.", show_default=False)]
Planned = Annotated[
    str, typer.Argument(metavar="NAME", help="The schedule's name, as listed.", show_default=False)
]
User = Annotated[
    str, typer.Option("--user", "-u", help="Whose documents are searched, where each user has their own.")
]
Replans = Annotated[
    int, typer.Option("--max-replans", min=0, max=5, help="Times the planner may plan again.")
]


@app.command("ask")
def ask(
    file: Annotated[
        Path, typer.Argument(help="Questions: .jsonl with a `question` and perhaps an `id` on each line.")
    ],
    name: Name = None,
    user: User = "",
    approval: Approval = "side_effects",
    passages: Passages = 6,
    max_replans: Replans = 1,
    collection: Collection = None,
    as_json: AsJson = False,
) -> None:
    """Put every question of a file into the queue. Lines that a job of this name has already are not asked again."""
    from agent_graph.background.questions import read_questions
    from agent_graph.context import Context

    context = Context(approval=approval, passages=passages, max_replans=max_replans)
    common = {
        "context": context.model_dump(mode="json", exclude_defaults=True),
        "collection": collection,
        "user": user,
    }
    asked = [one.model_copy(update=common) for one in read_questions(file)]
    _enqueue(name, "ask", asked, file.name, as_json)


@app.command("eval")
def evaluation(
    file: Annotated[
        Path, typer.Argument(help="Questions: .csv or .jsonl with the columns question and answer.")
    ],
    name: Name = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only the first so many.")] = None,
    collection: Collection = None,
    as_json: AsJson = False,
) -> None:
    """Put an evaluation into the queue; `jobs show` prints the same report as `agent-graph eval`."""
    from agent_graph.background.questions import scored
    from agent_graph.evals import load_questions

    asked = [
        one.model_copy(update={"collection": collection}) for one in scored(load_questions(file, limit=limit))
    ]
    _enqueue(name, "eval", asked, file.name, as_json)


@app.command("ingest")
def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders and globs, as the worker finds them.", show_default=False),
    ],
    name: Name = None,
    every: Annotated[
        str | None,
        typer.Option(
            "--every",
            help="Repeat at these times, written as cron does: '0 3 * * *' is three at night; a sixth field in front "
            "is seconds.",
            show_default=False,
        ),
    ] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Where --every is read.")] = "UTC",
    collection: Collection = None,
    prune: Prune = False,
    force: Force = False,
    urls: Urls = False,
    redact: Redact = False,
    as_json: AsJson = False,
) -> None:
    """Put an ingest into the queue, once or repeatedly. Of one schedule there is never more than one run at a time."""
    from agent_graph.background.assignment import IngestOrder
    from agent_graph.background.jobs import named
    from agent_graph.cli import console

    order = IngestOrder(
        paths=tuple(
            one if urls and "://" in one else str(Path(one).expanduser().absolute()) for one in paths
        ),
        collection=collection,
        prune=prune,
        force=force,
        urls=urls,
        redact=redact,
    )
    chosen = named(name, "ingest")
    with _jobs() as jobs:
        if every is None:
            jobs.ingest(chosen, order)
        else:
            jobs.schedule(chosen, every, timezone, order)
        workers = jobs.workers()
    if as_json:
        console.print_json({"name": chosen, "kind": "ingest", "every": every, "workers": workers})
        return
    typer.echo(chosen)
    seen = f"agent-graph jobs show {chosen}" if every is None else "agent-graph jobs schedules"
    _hint(f"{'Enqueued' if every is None else 'Scheduled'}. See: {seen}", workers)


@app.command("list")
def listed(
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="Only the newest so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the jobs, newest first, with what they stand at."""
    from agent_graph.cli import console
    from agent_graph.cli.jobs_board import job_record, jobs_table

    with _jobs() as jobs:
        found, workers = jobs.newest(most), jobs.workers()
    if as_json:
        console.print_json({"workers": workers, "jobs": [job_record(one) for one in found]})
        return
    if found:
        console.out().print(jobs_table(found))
    _hint("" if found else "There are no jobs. Begin one with: agent-graph jobs ask QUESTIONS.jsonl", workers)


@app.command("show")
def show(
    name: Named,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Write each question's ending into this .jsonl file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Of an evaluation: folder for report.md and report.json.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait, and show how far it is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a job stands, what failed and why, and the report of an evaluation that has ended."""
    from agent_graph.cli import console
    from agent_graph.cli.jobs_board import followed, job_record, show_job

    with _jobs() as jobs:
        job = followed(jobs, name) if follow else jobs.job(name)
        if answers is not None:
            _write(jobs, job, answers)
        if out is not None:
            _report(jobs, job, out)
        if as_json:
            console.print_json(job_record(job) | _ended(jobs, job))
        else:
            show_job(jobs, job)
            _hint("", jobs.workers() if job.open else 1)
    if follow and job.counts.get("failed", 0) == job.total:
        raise typer.Exit(COULD_NOT)


@app.command("cancel")
def cancel(name: Named, as_json: AsJson = False) -> None:
    """Cancel what has not ended of a job; what is being answered is cut off within seconds."""
    from agent_graph.cli import console

    with _jobs() as jobs:
        cancelled = jobs.cancel(name)
    if as_json:
        console.print_json({"name": name, "cancelled": cancelled})
    else:
        typer.echo(f"{cancelled:,} cancelled", err=True)


@app.command("forget")
def forget(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The job's name.", show_default=False)
    ] = None,
    older: Annotated[
        int | None,
        typer.Option("--older", min=0, help="Of all jobs, what ended so many days ago.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete a job that has ended, or all that is old, with the checkpoints of its runs."""
    import asyncio
    from datetime import UTC, datetime, timedelta

    from agent_graph.background.jobs import forget_threads, open_jobs
    from agent_graph.cli import console
    from agent_graph.settings import read_settings

    if (name is None) == (older is None):
        raise typer.BadParameter("give either the name of a job or --older DAYS", param_hint="NAME")
    settings = read_settings()
    with open_jobs(settings) as jobs:
        if name is not None:
            threads = jobs.forget(name)
        else:
            threads = jobs.forget_older(datetime.now(UTC) - timedelta(days=older or 0))
    asyncio.run(forget_threads(settings, threads))
    if as_json:
        console.print_json({"forgotten": len(threads)})
    else:
        typer.echo(f"{console.counted(len(threads), 'run')} forgotten", err=True)


@app.command("schedules")
def schedules(as_json: AsJson = False) -> None:
    """List the ingests that are repeated."""
    from agent_graph.cli import console
    from agent_graph.cli.jobs_board import schedules_table

    with _jobs() as jobs:
        found, workers = jobs.schedules(), jobs.workers()
    if as_json:
        console.print_json({"workers": workers, "schedules": [one.model_dump(mode="json") for one in found]})
        return
    if found:
        console.out().print(schedules_table(found))
    _hint(
        "" if found else "Nothing is scheduled. Begin with: agent-graph jobs ingest PATH --every '0 3 * * *'",
        workers,
    )


@app.command("unschedule")
def unschedule(name: Planned, as_json: AsJson = False) -> None:
    """Repeat an ingest no more; a run of it that is under way ends."""
    from agent_graph.cli import console

    with _jobs() as jobs:
        jobs.unschedule(name)
    if as_json:
        console.print_json({"name": name, "repeated": False})
    else:
        typer.echo(f"{name} is not repeated any more.", err=True)


@app.command("trigger")
def trigger(name: Planned, as_json: AsJson = False) -> None:
    """Have a schedule fire now, besides its times."""
    from agent_graph.cli import console

    with _jobs() as jobs:
        jobs.trigger(name)
    if as_json:
        console.print_json({"name": name, "fired": True})
    else:
        typer.echo(f"{name} fires now. See: agent-graph jobs list", err=True)


@contextmanager
def _jobs() -> "Iterator[Jobs]":
    from agent_graph.background.jobs import open_jobs
    from agent_graph.settings import read_settings

    with open_jobs(read_settings()) as jobs:
        yield jobs


def _enqueue(name: str | None, kind: "Kind", asked: "list[Assignment]", title: str, as_json: bool) -> None:
    from agent_graph.background.jobs import named
    from agent_graph.cli import console

    with _jobs() as jobs:
        done = jobs.ask(named(name, kind), asked, kind=kind, title=title)
        workers = jobs.workers()
    if as_json:
        told: dict[str, Any] = {"name": done.name, "kind": kind, "new": done.new, "known": done.known}
        console.print_json(told | {"workers": workers})
        return
    typer.echo(done.name)
    again = f"; {done.known:,} were there already and are not asked again" if done.known else ""
    _hint(
        f"{console.counted(done.new, 'question')} enqueued{again}. See: agent-graph jobs show {done.name}",
        workers,
    )


def _hint(said: str, workers: int) -> None:
    if said:
        typer.echo(said, err=True)
    if not workers:
        typer.echo("No worker is running. Start one with: agent-graph jobs work", err=True)


def _write(jobs: "Jobs", job: "Job", file: Path) -> None:
    """Write the endings, whole or not at all."""
    from agent_graph.errors import UserError

    if job.kind == "ingest":
        raise UserError(f"{job.name!r} is an ingest; it has no answers.")
    with file.open("w", encoding="utf-8") as lines:
        for ending in jobs.endings(job.name):
            lines.write(ending.model_dump_json() + "\n")
    typer.echo(f"written: {file}", err=True)


def _report(jobs: "Jobs", job: "Job", folder: Path) -> None:
    from agent_graph.errors import UserError
    from agent_graph.evals import write_report

    if job.kind != "eval":
        raise UserError(f"{job.name!r} is no evaluation; leave --out out.")
    for path in write_report(jobs.report(job.name), folder):
        typer.echo(f"written: {path}", err=True)


def _ended(jobs: "Jobs", job: "Job") -> dict[str, Any]:
    """Return what came of a job, for a machine: all endings, the report, or the documents."""
    if job.kind == "ingest":
        return {"documents": jobs.ingested(job.name)}
    if job.kind == "eval":
        report = jobs.report(job.name)
        return {"report": {**report.model_dump(mode="json"), "roles": report.roles}}
    return {"endings": [one.model_dump(mode="json", exclude={"row"}) for one in jobs.endings(job.name)]}
