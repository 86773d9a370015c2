"""`agent-graph eval`: questions with known answers, put to the agent and scored."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_graph.cli.failure import COULD_NOT

if TYPE_CHECKING:
    from agent_graph.evals import EvalReport, Question


def command(
    file: Annotated[
        Path, typer.Argument(help="Questions: .csv or .jsonl with the columns question and answer.")
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only the first so many.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.md and report.json.")] = None,
    collection: Annotated[str | None, typer.Option(help="Collection to search.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Questions at a time.")] = 4,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, every row in it.")
    ] = False,
) -> None:
    """Ask every question of a file and score the answers: found in the passages cited, in the answer, abstained."""
    from agent_graph.cli import console
    from agent_graph.evals import load_questions, write_report

    report = _ask(file.name, load_questions(file, limit=limit), collection, concurrency)
    written = write_report(report, out) if out is not None else ()
    if as_json:
        console.print_json({**report.model_dump(mode="json"), "roles": report.roles})
    else:
        show_report(report)
    for path in written:
        console.err().print(console.text(f"written: {path}", console.QUIET))
    if report.summary.errors == report.summary.questions:
        raise typer.Exit(COULD_NOT)


def _ask(name: str, questions: "list[Question]", collection: str | None, concurrency: int) -> "EvalReport":
    import asyncio

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from agent_graph.bootstrap import build_agent, export_spans
    from agent_graph.cli import console, knowledge
    from agent_graph.evals import evaluate
    from agent_graph.settings import read_settings

    settings = read_settings()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console.err(),
        disable=not console.lively(console.err()),
    )
    with knowledge.opened(settings, collection) as opened, bar:
        if remark := knowledge.remark(settings, opened):
            console.err().print(console.text(remark, console.QUIET))
        export_spans(settings, "agent-graph")
        agent = build_agent(knowledge=opened, settings=settings)
        task = bar.add_task("asking", total=len(questions))
        return asyncio.run(
            evaluate(
                agent,
                questions,
                concurrency=concurrency,
                progress=lambda _: bar.advance(task),
                name=name,
            )
        )


def show_report(report: "EvalReport") -> None:
    """Print who answered, what was measured, and what failed."""
    from rich import box
    from rich.table import Table

    from agent_graph.cli import console
    from agent_graph.evals.report import lines

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("measured")
    table.add_column("value")
    for what, value in lines(report):
        table.add_row(console.text(what), console.text(value))
    screen = console.out()
    for role, who in report.roles.items():
        screen.print(console.text(f"{role}: {', '.join(f'{name} ({count})' for name, count in who.items())}"))
    screen.print(table)
    for row in report.rows:
        if row.error:
            screen.print(console.text(console.line(f"{row.id}: {row.error}", most=200), console.FAILED))
