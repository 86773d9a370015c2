"""`agent-graph doctor`: what works here, what is missing, and what to do about it."""

from typing import TYPE_CHECKING

import typer

from agent_graph.cli.options import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from agent_graph.cli.check import Check


def command(as_json: AsJson = False) -> None:
    """Check the installation, the models and the documents' index."""
    from agent_graph.cli import checks, console
    from agent_graph.settings import read_settings

    found = list(checks.look(read_settings()))
    well = all(check.outcome != "fail" for check in found)
    if as_json:
        console.print_json({"ok": well, "checks": [check._asdict() for check in found]})
    else:
        console.out().print(_table(found))
    if not well:
        raise typer.Exit(1)


def _table(found: "list[Check]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from agent_graph.cli.console import FAILED, QUIET, text

    style = {"ok": "green", "warn": "yellow", "fail": FAILED}
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for check in found:
        told = text(check.found)
        if check.todo:
            told += text(f"\n{check.todo}", QUIET if check.outcome != "fail" else FAILED)
        table.add_row(Text(check.outcome, style=style[check.outcome]), text(check.name), told)
    return table
