"""`agent-graph plan`: what the planner would do, or what is wrong with a plan at hand; nothing is run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from agent_graph.cli.options import AsJson, Collection, Passages

if TYPE_CHECKING:
    from rich.table import Table

    from agent_graph.plan import Plan, PlanProblem
    from agent_graph.settings import Settings
    from agent_graph.usage import Usage
    from retrieval.knowledge import Knowledge
    from tools.catalog import Catalog

_STDIN = "-"


class _Written(NamedTuple):
    plan: "Plan"
    usage: "Usage"
    mode: str
    remarks: "list[str]"
    problems: "list[PlanProblem]"
    """Those of drafts that were given up; the plan itself has none."""


def command(
    question: Annotated[
        str, typer.Argument(help="The question, in quotes; none is needed with --check.", show_default=False)
    ] = "",
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            help="Check the plan in FILE, or on stdin for -, and end with 1 if it could not run.",
            show_default=False,
        ),
    ] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the plan as a mermaid flowchart.")
    ] = False,
    passages: Passages = 6,
    collection: Collection = None,
    as_json: AsJson = False,
) -> None:
    """Write the plan for a question, or check one written by hand; nothing is run."""
    from rich.text import Text

    from agent_graph.cli import console
    from agent_graph.cli.knowledge import opened, remark
    from agent_graph.settings import read_settings

    text = None if check is None else _read(check)
    if text is None and not question.strip():
        raise typer.BadParameter("ask in a sentence, in quotes, or name a plan with --check FILE")
    settings = read_settings()
    with opened(settings, collection) as knowledge:
        if not collection and (told := remark(settings, knowledge)):
            console.err().print(Text(told), soft_wrap=True)
        if text is not None:
            _check(text, question, settings, knowledge, mermaid=mermaid, as_json=as_json)
        else:
            _plan(question, settings, knowledge, passages, mermaid=mermaid, as_json=as_json)


def _plan(
    question: str,
    settings: "Settings",
    knowledge: "Knowledge | None",
    passages: int,
    *,
    mermaid: bool,
    as_json: bool,
) -> None:
    import asyncio

    from agent_graph.cli import console

    written = asyncio.run(_write(question, settings, knowledge, passages))
    if as_json:
        console.print_json(_record(question, written, mermaid))
    elif mermaid:
        typer.echo(console.text(_mermaid(written.plan)).plain)
    else:
        _show(written)


def _read(file: Path) -> str:
    import sys

    raw = sys.stdin.buffer.read() if str(file) == _STDIN else file.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise typer.BadParameter(
            f"{str(file)!r} is not UTF-8 text; save the plan as UTF-8", param_hint="--check"
        ) from None


def _check(
    text: str,
    question: str,
    settings: "Settings",
    knowledge: "Knowledge | None",
    *,
    mermaid: bool,
    as_json: bool,
) -> None:
    """Print the plan in the text and all that is wrong with it, and leave with 1 when anything is."""
    from agent_graph.cli import console, record
    from agent_graph.cli.failure import COULD_NOT

    plan, problems = _checked(text, _catalog(settings, knowledge))
    if as_json:
        told = {
            **({"task": question} if question else {}),
            "plan": record.plan_record(plan),
            "problems": [record.problem_record(problem) for problem in problems],
        }
        console.print_json({**told, **({"mermaid": _mermaid(plan)} if mermaid else {})})
    elif mermaid:
        typer.echo(console.text(_mermaid(plan)).plain)
        for problem in problems:
            typer.echo(console.line(problem), err=True)
    else:
        _show_checked(question, plan, problems)
    if problems:
        raise typer.Exit(COULD_NOT)


def _catalog(settings: "Settings", knowledge: "Knowledge | None") -> "Catalog":
    from agent_graph.bootstrap import choose_models, offer
    from tools.catalog import Catalog

    return Catalog(offer(settings, choose_models(None, settings), knowledge).tools)


def _checked(text: str, catalog: "Catalog") -> "tuple[Plan, tuple[PlanProblem, ...]]":
    """Return the plan in the text and all that is wrong with it, step by step."""
    from agent_graph.context import Context
    from agent_graph.planner import check, read_plan

    plan, unread = read_plan(text, catalog.parameters)
    plan = plan.model_copy(update={"author": "person"})
    problems = (*unread, *check(plan, catalog, max_steps=Context().max_steps))
    return plan, tuple(sorted(problems, key=lambda problem: int((problem.step or "E0")[1:])))


async def _write(
    question: str, settings: "Settings", knowledge: "Knowledge | None", passages: int
) -> _Written:
    from agent_graph.bootstrap import choose_models, offer
    from agent_graph.context import Context
    from agent_graph.events import ModelFellBack, PlanReset
    from agent_graph.planner import PlanRequest, Written, write_plan
    from agent_graph.planner.prompt import Surroundings
    from agent_graph.planner.surroundings import surroundings
    from agent_graph.usage import Usage
    from tools.catalog import Catalog

    models = choose_models(None, settings)
    catalog = Catalog(offer(settings, models, knowledge).tools)
    request = PlanRequest(
        task=question,
        context=Context(passages=passages),
        surroundings=await surroundings(knowledge, question)
        if knowledge is not None and models.planner is not None
        else Surroundings(),
    )
    remarks: list[str] = []
    problems: list[PlanProblem] = []
    async for part in write_plan(request, models.planner, catalog):
        if isinstance(part, PlanReset):
            remarks.append(part.reason)
            problems.extend(part.problems)
        elif isinstance(part, ModelFellBack):
            remarks.append(f"{part.failed} failed ({part.reason}); asked {part.next}")
        elif isinstance(part, Written):
            usage = Usage().plus("planner", part.usage) if part.usage.calls else Usage()
            usage = usage.model_copy(update={"seconds": part.usage.seconds})
            return _Written(part.plan, usage, models.mode, remarks, problems)
    raise AssertionError("the planner ended without a plan")


def _record(question: str, written: _Written, mermaid: bool) -> dict[str, Any]:
    from agent_graph.cli import record

    return {
        "task": question,
        "mode": written.mode,
        "plan": record.plan_record(written.plan),
        "remarks": written.remarks,
        "problems": [record.problem_record(problem) for problem in written.problems],
        "usage": record.usage_record(written.usage),
        **({"mermaid": _mermaid(written.plan)} if mermaid else {}),
    }


def _mermaid(plan: "Plan") -> str:
    from agent_graph.explain import mermaid

    return mermaid(plan)


def _show(written: _Written) -> None:
    from rich.text import Text

    from agent_graph.cli import console
    from agent_graph.cli.sources import mode_line
    from agent_graph.cli.steps import beside

    screen = console.out()
    for told in (*written.remarks, *written.problems):
        screen.print(beside("planner", console.text(console.line(told), console.QUIET)))
    screen.print(beside("planner", console.text(console.line(written.plan.strategy) or "no tool is needed")))
    if written.plan.steps:
        screen.print(Text(""), plan_table(written.plan), Text(""), sep="\n")
    screen.print(Text(mode_line(written.mode), style=console.QUIET), soft_wrap=True)


def _show_checked(question: str, plan: "Plan", problems: "Sequence[PlanProblem]") -> None:
    from rich.text import Text

    from agent_graph.cli import console

    screen = console.out()
    for said in filter(None, (question, plan.strategy)):
        screen.print(console.text(console.line(said)), soft_wrap=True)
    if plan.steps:
        screen.print(plan_table(plan), Text(""), sep="\n")
    if problems:
        screen.print(_problem_table(problems), Text(""), sep="\n")
    counted = console.counted(len(plan.steps), "step")
    told = f"{console.counted(len(problems), 'problem')}, so it cannot run" if problems else "it can run"
    screen.print(Text(f"{counted}: {told}", style=console.FAILED if problems else console.QUIET))


def _problem_table(problems: "Sequence[PlanProblem]") -> "Table":
    from rich.table import Table

    from agent_graph.cli.console import FAILED, QUIET, line, text

    table = Table(box=None, pad_edge=False, header_style=QUIET, padding=(0, 2, 0, 0), expand=True)
    table.add_column("step", no_wrap=True, style=FAILED)
    table.add_column("what is wrong", ratio=1, overflow="fold")
    table.add_column("what would be right", ratio=1, overflow="fold")
    for problem in problems:
        table.add_row(problem.step or "plan", text(line(problem.message)), text(line(problem.hint)))
    return table


def plan_table(plan: "Plan") -> "Table":
    """Return the plan's steps with what each waits for, and its wave."""
    from rich.table import Table

    from agent_graph.cli.console import QUIET, ROLE_STYLE, line, text
    from agent_graph.cli.record import plan_record
    from agent_graph.cli.steps import arguments

    table = Table(box=None, pad_edge=False, header_style=QUIET, padding=(0, 2, 0, 0), expand=True)
    table.add_column("step", no_wrap=True, style=ROLE_STYLE["worker"])
    table.add_column("tool", no_wrap=True)
    table.add_column("arguments", ratio=1, overflow="fold")
    table.add_column("needs", style=QUIET)
    table.add_column("wave", justify="right", style=QUIET)
    for step, told in zip(plan.steps, plan_record(plan)["steps"], strict=True):
        needs = ", ".join(told["needs"])
        table.add_row(line(step.id), line(step.tool), text(arguments(step)), needs, str(told["wave"]))
    return table
