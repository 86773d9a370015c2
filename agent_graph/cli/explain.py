"""`agent-graph explain`: how an answer came about, from the conversation that was kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_graph.cli.options import AsJson

if TYPE_CHECKING:
    from agent_graph.cli.threads import Kept


def command(
    thread: Annotated[
        str | None,
        typer.Option("--thread", "-t", help="Whose last run; the thread used last when not given."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the report as one HTML page.", dir_okay=False)
    ] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the plan as a mermaid flowchart.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Explain the last run of a thread: its plan, its evidence, and how each citation is supported."""
    from agent_graph.cli import console

    kept = _kept(thread)
    if html is not None:
        _write_report(html, kept.state)
    if as_json:
        console.print_json(_record(kept, html))
    elif mermaid:
        typer.echo(console.text(_mermaid(kept.state)).plain)
    elif html is not None:
        typer.echo(f"The report of thread {console.line(kept.thread)!r} is in {console.line(html)}")
    else:
        _show(kept)


def _kept(thread: str | None) -> "Kept":
    """Return the run to explain; raises UserError when there is none that came to its end."""
    import asyncio

    from agent_graph.cli.threads import checked_name, last_state
    from agent_graph.errors import UserError
    from agent_graph.settings import read_settings

    name = checked_name(thread) if thread is not None else None
    kept = asyncio.run(last_state(read_settings(), name))
    asking = f'agent-graph ask "..." --thread {name or "NAME"}'
    if kept is None:
        which = f"The thread {name!r} is not known" if name else "No conversation has been kept"
        raise UserError(f"{which}. Keep one with: {asking}")
    if kept.state.get("answer") is None:
        raise UserError(
            f"The last run of thread {kept.thread!r} did not come to an answer. Ask again: {asking}"
        )
    return kept


def _record(kept: "Kept", html: Path | None) -> dict[str, Any]:
    from agent_graph.cli import record

    told = record.run_record(kept.state, mode=_mode(kept.state), thread=kept.thread)
    return {**told, "mermaid": _mermaid(kept.state), "html": str(html) if html else None}


def _mode(state: Mapping[str, Any]) -> str:
    return str(state["plan"].author or state["answer"].author)


def _mermaid(state: Mapping[str, Any]) -> str:
    from agent_graph.explain import mermaid

    return mermaid(state["plan"], state["evidence"])


def _write_report(html: Path, state: Mapping[str, Any]) -> None:
    from agent_graph.explain import report

    html.write_text(report(state), encoding="utf-8")


def _show(kept: "Kept") -> None:
    from rich.text import Text

    from agent_graph.cli import console
    from agent_graph.cli.board import ended_rows
    from agent_graph.cli.plan import plan_table
    from agent_graph.cli.sources import cost_line, draw_claims
    from agent_graph.cli.steps import beside, steps_table

    screen, state = console.out(), kept.state
    screen.print(console.text(console.line(state["task"]), "bold"))
    screen.print(Text(f"thread {console.line(kept.thread)}", style=console.QUIET))
    for replan in state.get("replans", []):
        screen.print(Text(), beside("planner", console.text(f"planned again: {console.line(replan.reason)}")))
    screen.print(
        Text(), beside("planner", console.text(console.line(state["plan"].strategy))), Text(), sep="\n"
    )
    screen.print(plan_table(state["plan"]), Text(), sep="\n")
    screen.print(
        beside("worker", steps_table(ended_rows(state["plan"], state["evidence"]))), Text(), sep="\n"
    )
    screen.print(draw_claims(state["answer"], state["evidence"]), Text(), sep="\n")
    told = cost_line(state["usage"], mode=_mode(state), author=state["answer"].author)
    screen.print(Text(told, style=console.QUIET))
