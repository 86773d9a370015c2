"""`agent-graph ask`: plan, work, answer."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent_graph.cli.options import Approval, AsJson, Collection, Passages, Question

if TYPE_CHECKING:
    from agent_graph.cli.run import Decide, Ended
    from agent_graph.cli.watch import Watch
    from agent_graph.context import Context
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
    server: Annotated[
        str | None,
        typer.Option(
            "--server", help="Ask the agent of this server; with a key, from AGENT_GRAPH_SERVER_KEY."
        ),
    ] = None,
    assistant: Annotated[
        str, typer.Option("--assistant", help="With --server: which of its assistants answers.")
    ] = "agent",
    as_json: AsJson = False,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Show the run while it goes on.")
    ] = True,
) -> None:
    """Answer a question from the ingested documents, with citations."""
    from agent_graph.cli import console, record
    from agent_graph.cli.threads import checked_name
    from agent_graph.cli.watch import watch_on
    from agent_graph.context import Context
    from agent_graph.settings import read_settings

    settings = read_settings()
    thread = checked_name(thread) if thread is not None else None
    progress = console.err()
    watch = watch_on(progress, quiet=not stream or (as_json and not console.lively(progress)))
    context = Context(approval=approval, passages=passages)
    if server is None:
        _check_local(assistant)
        ended = _ask_here(settings, question, context, collection, thread, watch, _decider(yes))
    else:
        _check_remote(collection)
        ended = _ask_there(settings, server, assistant, question, context, thread, watch, _decider(yes))
    if as_json:
        console.print_json(record.run_record(ended.state, mode=ended.mode, thread=thread))
    else:
        show(ended)


def _ask_here(
    settings: "Settings",
    question: str,
    context: "Context",
    collection: str | None,
    thread: str | None,
    watch: "Watch",
    decide: "Decide",
) -> "Ended":
    from agent_graph.cli.knowledge import opened
    from agent_graph.cli.run import open_session

    with opened(settings, collection) as knowledge:
        _remark(settings, knowledge, collection)
        with open_session(settings, knowledge, context=context, kept=thread is not None) as session:
            return session.ask(question, thread=thread or "once", watch=watch, decide=decide)


def _ask_there(
    settings: "Settings",
    server: str,
    assistant: str,
    question: str,
    context: "Context",
    thread: str | None,
    watch: "Watch",
    decide: "Decide",
) -> "Ended":
    from agent_graph.cli.server import open_server

    key = settings.server_key.get_secret_value() if settings.server_key else None
    knobs = context.model_dump(mode="json", exclude_defaults=True)
    with open_server(server, key, assistant=assistant, knobs=knobs) as session:
        return session.ask(question, thread=thread, watch=watch, decide=decide)


def _check_local(assistant: str) -> None:
    if assistant != "agent":
        raise typer.BadParameter("it goes with --server only", param_hint="--assistant")


def _check_remote(collection: str | None) -> None:
    from importlib.util import find_spec

    from agent_graph.errors import MissingExtra

    if collection is not None:
        raise typer.BadParameter(
            "what a server searches is its operator's affair; leave it out", param_hint="--collection"
        )
    if find_spec("langgraph_sdk") is None:
        raise MissingExtra("langgraph-sdk", "server")


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
