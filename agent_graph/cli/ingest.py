"""`agent-graph ingest`: bring documents into a collection."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent_graph.cli.failure import Stopped
from agent_graph.cli.options import AsJson, Collection, Force, Prune, Redact, Urls

if TYPE_CHECKING:
    from rich.table import Table

    from retrieval.ingest import EngineChoice, IngestEntry, IngestReport, Progress
    from retrieval.knowledge import Knowledge

_MOST_ROWS = 100
"""Documents that are listed one by one; of more only those that were skipped, and --json has them all."""


def command(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders and globs; with --urls web addresses too. Text in any encoding, Markdown, HTML, "
            "PDF, Word, PowerPoint, Excel, OpenDocument, RTF, CSV, EPUB, e-mail, notebooks, JSON, XML, source code.",
            show_default=False,
        ),
    ],
    collection: Collection = None,
    prune: Prune = False,
    force: Force = False,
    urls: Urls = False,
    redact: Redact = False,
    trusted: Annotated[
        bool | None,
        typer.Option(
            "--trusted/--untrusted",
            help="Whether the collection's text may reach a planner: untrusted text is searched and cited, and "
            "cannot steer a plan. Left out, the mark stays; a new collection is trusted.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            "--engine",
            help="Where files are read and embedded: in this process and its readers, or by actors on Ray, for "
            "several machines or GPUs; that needs the extra `bulk`.",
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            help="A running Ray cluster, host:port or auto; without it one is started here.",
            show_default=False,
        ),
    ] = None,
    actors: Annotated[
        int | None,
        typer.Option(
            "--actors", min=1, help="Actors on Ray; as many as it has processors.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring documents into a collection; what is already there is left alone.

    Every file ends as ingested, updated, unchanged or skipped with the reason.
    """
    from agent_graph.bootstrap import open_default_knowledge
    from agent_graph.cli import console, record
    from agent_graph.guardrails import redact as secrets
    from agent_graph.settings import read_settings

    chosen = _engine(engine, address, actors)
    with open_default_knowledge(read_settings(), *([collection] if collection else [])) as knowledge:
        if trusted is not None:
            knowledge.mark(trusted=trusted)
        report = _ingested(
            knowledge,
            paths,
            prune=prune,
            force=force,
            urls=urls,
            redact=secrets if redact else None,
            engine=chosen,
        )
        if as_json:
            told = record.ingest_record(report, collection=knowledge.name)
            console.print_json({**told, "refused": report.refused})
        else:
            _show(report, knowledge)
    if not report.entries or report.refused or all(entry.status == "skipped" for entry in report.entries):
        raise typer.Exit(1)


def _engine(engine: Literal["local", "ray"], address: str | None, actors: int | None) -> "EngineChoice":
    if engine == "local":
        if address or actors:
            raise typer.BadParameter("--address and --actors are for --engine ray")
        return engine
    from retrieval import Cluster

    return Cluster(address=address, actors=actors)


def _ingested(knowledge: "Knowledge", paths: list[str], **options: Any) -> "IngestReport":
    """Ingest; raises Stopped, saying what is kept, at Ctrl-C."""
    done = 0
    try:
        # Ray tells of a process that died on stdout, which is for the report
        with _bar() as advance, redirect_stdout(sys.stderr):

            def progress(number: int, total: int, document: str) -> None:
                nonlocal done
                done = number
                advance(number, total, document)

            return knowledge.ingest(paths, progress=progress, **options)
    except KeyboardInterrupt:
        from agent_graph.cli.console import counted

        raise Stopped(
            f"Stopped after {counted(done, 'document')}. What was ingested is whole and kept; "
            "run the same command again to go on."
        ) from None


@contextmanager
def _bar() -> Iterator["Progress"]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from agent_graph.cli import console

    err = console.err()
    columns = (
        TextColumn("ingesting", style=console.ROLE_STYLE["worker"]),
        BarColumn(bar_width=30, complete_style=console.ROLE_STYLE["worker"]),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[document]}", markup=False, style=console.QUIET),
    )
    with Progress(*columns, console=err, transient=True, disable=not console.lively(err)) as bar:
        task = bar.add_task("", total=None, document="reading")

        def advance(done: int, total: int, document: str) -> None:
            bar.update(task, completed=done, total=total, document=console.line(document, most=60))

        yield advance


def _show(report: "IngestReport", knowledge: "Knowledge") -> None:
    from rich.text import Text

    from agent_graph.cli.console import counted, line, out, seconds

    screen = out()
    if not report.entries:
        screen.print(Text(f"There are no files to ingest in {', '.join(map(line, report.paths))}."))
        _tell_refusal(report)
        return
    screen.print(_table(report))
    told = ", ".join(f"{count} {status}" for status, count in sorted(report.counts.items()))
    screen.print(
        Text(
            f"{told} · {counted(report.passages, 'passage')} · {seconds(report.seconds)} · "
            f"collection {line(knowledge.name)} in {line(knowledge.where)}"
        ),
        soft_wrap=True,
    )
    _tell_refusal(report)


def _tell_refusal(report: "IngestReport") -> None:
    from agent_graph.cli.console import FAILED, line, out, text

    if report.refused:
        out().print(text(line(report.refused), FAILED), soft_wrap=True)


def _listed(report: "IngestReport") -> "Sequence[IngestEntry]":
    """Return the documents to name: all of a few, of many only those that need a person."""
    return report.entries if len(report.entries) <= _MOST_ROWS else report.skipped[:_MOST_ROWS]


def _table(report: "IngestReport") -> "Table":
    from rich.table import Table

    from agent_graph.cli.console import FAILED, QUIET, line, text

    table = Table(box=None, pad_edge=False, header_style=QUIET)
    table.add_column("status")
    table.add_column("passages", justify="right")
    table.add_column("document", overflow="fold")
    for entry in _listed(report):
        told = text(line(entry.document))
        if entry.reason:
            told.append_text(text(f"\n{line(entry.reason)}", FAILED))
        table.add_row(text(entry.status, FAILED if entry.reason else ""), f"{entry.passages:,}", told)
    return table
