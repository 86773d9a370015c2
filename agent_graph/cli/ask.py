"""`agent-graph ask`: plan, work, answer."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent_graph.cli.options import Approval, AsJson, Collection, Passages, Question

if TYPE_CHECKING:
    from agent_graph.cli.run import Decide, Ended
    from agent_graph.settings import Settings
    from retrieval.knowledge import Knowledge


def command(
    question: Question,
    thread: Annotated[
        str | None,
        typer.Option("--thread", "-t", help="Keep the conversation under this name and go on with it."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve the plan beforehand.")] = False,
    approval: Approval = "side_effects",
    passages: Passages = 6,
    collection: Collection = None,
    as_json: AsJson = False,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Show the run while it goes on.")
    ] = True,
) -> None:
    """Answer a question from the ingested documents, with citations."""
    from agent_graph.cli import console, record
    from agent_graph.cli.knowledge import opened
    from agent_graph.cli.run import open_session
    from agent_graph.cli.threads import checked_name
    from agent_graph.cli.watch import watch_on
    from agent_graph.context import Context
    from agent_graph.settings import read_settings

    settings = read_settings()
    thread = checked_name(thread) if thread is not None else None
    progress = console.err()
    watch = watch_on(progress, quiet=not stream or (as_json and not console.lively(progress)))
    with opened(settings, collection) as knowledge:
        _remark(settings, knowledge, collection)
        context = Context(approval=approval, passages=passages)
        with open_session(settings, knowledge, context=context, kept=thread is not None) as session:
            ended = session.ask(question, thread=thread or "once", watch=watch, decide=_decider(yes))
    if as_json:
        console.print_json(record.run_record(ended.state, mode=ended.mode, thread=thread))
    else:
        show(ended)


def show(ended: "Ended", *, say_mode: bool = True) -> None:
    """Print the checked answer with its sources, and what it cost."""
    from rich.text import Text

    from agent_graph.cli import console
    from agent_graph.cli.sources import cost_line, draw_answer, mode_line
    from agent_graph.models import EXTRACTIVE_MODE

    screen, answer = console.out(), ended.state["answer"]
    screen.print()
    screen.print(draw_answer(answer, ended.state["evidence"]))
    screen.print()
    told = cost_line(ended.state["usage"], mode=ended.mode, author=answer.author)
    screen.print(Text(told, style=console.QUIET))
    if say_mode and ended.mode == EXTRACTIVE_MODE:
        screen.print(Text(mode_line(ended.mode), style=console.QUIET), soft_wrap=True)


def _remark(settings: "Settings", knowledge: "Knowledge | None", collection: str | None) -> None:
    from rich.text import Text

    from agent_graph.cli import console
    from agent_graph.cli.knowledge import remark

    if not collection and (told := remark(settings, knowledge)):
        console.err().print(Text(told, style=console.QUIET), soft_wrap=True)


def _decider(yes: bool) -> "Decide":
    from agent_graph.cli import approve, console

    if yes:
        return approve.approved
    return lambda waiting: approve.ask_person(console.err(), waiting)
