"""Asking a person whether a plan may run."""

import sys
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from agent_graph.cli.console import FAILED, QUIET, ROLE_STYLE, line, text
from agent_graph.errors import UserError

_CHOICES = {"a": "approve", "e": "edit", "r": "reject"}


def approved(waiting: Mapping[str, Any]) -> dict[str, str]:
    """Approve without asking.

    Raises UserError when the agent does not accept the plan as it stands.
    """
    if waiting["problems"]:
        raise UserError(f"The plan cannot be approved: {'; '.join(waiting['problems'])}")
    return {"decision": "approve"}


def ask_person(console: Console, waiting: Mapping[str, Any]) -> dict[str, str]:
    """Show the plan and what writes in it, and return the decision.

    Raises UserError when there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise UserError(
            f"The plan waits for approval ({_writes(waiting)}), and nobody is there to give it; nothing was run. "
            "Say --yes to approve it beforehand, or run the command in a terminal."
        )
    _show(console, waiting)
    while True:
        typed = typer.prompt("approve, edit or reject? [a/e/r]", err=True, show_default=False)
        decision = _CHOICES.get(typed.strip().lower()[:1])
        reply = _reply(decision, waiting) if decision else None
        if reply is not None:
            return reply


def _reply(decision: str, waiting: Mapping[str, Any]) -> dict[str, str] | None:
    if decision == "reject":
        reason = typer.prompt("why? (the planner reads it)", default="", show_default=False, err=True)
        return {"decision": decision, "reason": reason}
    if decision == "approve":
        return {"decision": decision}
    edited = _edited(waiting["plan"])
    return {"decision": "edit", "plan": edited} if edited else None


def _edited(plan: str) -> str | None:
    import click  # typer's own copy of it has no editor

    return click.edit(plan, extension=".txt")


def _show(console: Console, waiting: Mapping[str, Any]) -> None:
    console.print(Text(line(waiting["question"]), style="bold"))
    steps = {f"#{step['id']} ": step["writes"] for step in waiting["steps"]}
    for written in str(waiting["plan"]).splitlines():
        writes = any(writes and written.startswith(head) for head, writes in steps.items())
        mark = Text("  writes", style=FAILED) if writes else Text("")
        console.print(Text("  ") + text(line(written), ROLE_STYLE["planner"]) + mark, soft_wrap=True)
    for step in waiting["steps"]:
        if step.get("filled"):
            called = line(f"#{step['id']} would get {step['filled']}")
            console.print(Text(f"  {called}", style=QUIET), soft_wrap=True)
    for problem in waiting["problems"]:
        console.print(text(line(problem), FAILED))
    if not any(steps.values()):
        console.print(Text("No step of it writes.", style=QUIET))


def _writes(waiting: Mapping[str, Any]) -> str:
    writing = [f"#{step['id']} {step['tool']}" for step in waiting["steps"] if step["writes"]]
    return f"{', '.join(map(line, writing))} writes" if writing else "approval is always asked"
