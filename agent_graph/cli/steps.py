"""The board drawn: the plan as a table of steps, each with how it stands, beside the role at work."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agent_graph.cli.board import Board, Remark, Row
from agent_graph.cli.console import FAILED, QUIET, ROLE_STYLE, line, seconds, text
from agent_graph.plan import Step
from agent_graph.usage import Role

_MARK = {"waiting": ("·", QUIET), "ok": ("✓", ""), "failed": ("✗", FAILED), "skipped": ("–", QUIET)}
ROLE_WIDTH = 9
"""Columns of the margin that names the role."""


def draw(board: Board) -> RenderableType:
    """Return the whole board: planner, worker, solver, top to bottom."""
    parts: list[RenderableType] = [_planner(board)]
    if board.rows:
        parts.append(beside("worker", steps_table(board.rows, live=board.phase != "done")))
    parts += [_remark(remark) for remark in board.remarks if remark.role != "planner"]
    if board.phase == "solving":
        parts.append(
            beside("solver", text(board.text) if board.text else _busy("solver", "writes the answer"))
        )
    return Group(*parts)


def beside(role: Role, content: RenderableType) -> RenderableType:
    """Return content with the role's name in the margin."""
    return margin(Text(role, style=f"bold {ROLE_STYLE[role]}"), content)


def margin(label: Text, content: RenderableType) -> RenderableType:
    """Return content with a label in the margin."""
    return _Margin(label, content)


@dataclass(frozen=True)
class _Margin:
    label: Text
    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        # a grid would fill every line up with spaces, which is in the way when text is copied or piped
        inner = options.update(width=max(options.max_width - ROLE_WIDTH, 1))
        style = console.get_style(self.label.style)
        label = self.label.plain[:ROLE_WIDTH].ljust(ROLE_WIDTH)
        for row in console.render_lines(self.content, inner, pad=False):
            yield Segment(label, style)
            yield from row
            yield Segment.line()
            label = " " * ROLE_WIDTH


def steps_table(rows: Iterable[Row], *, live: bool = False) -> Table:
    """Return the steps with their arguments as planned and how each ended."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True, style=ROLE_STYLE["worker"])
    table.add_column(no_wrap=True)
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis", style=QUIET)
    table.add_column(width=1, no_wrap=True)
    table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, justify="right", style=QUIET)
    for row in rows:
        table.add_row(
            _named(row.step), line(row.step.tool, most=24), arguments(row.step), *_standing(row, live=live)
        )
    return table


def _named(step: Step) -> Text:
    needs = line(", ".join(sorted(step.needs, key=lambda need: int(need[1:]))), most=14)
    return Text.assemble(line(step.id), (f" ← {needs}" if needs else "", QUIET))


def arguments(step: Step) -> str:
    """Return the arguments of a call as a plan writes them, on one line."""
    written = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in step.args.items())
    return line(", ".join(written))


def _standing(row: Row, *, live: bool) -> tuple[RenderableType, RenderableType, str]:
    outcome = text(line(row.outcome, most=200), FAILED if row.status == "failed" else "")
    took = seconds(row.seconds) if row.seconds is not None and row.status != "skipped" else ""
    tries = f"×{row.attempts} " if row.attempts > 1 else ""
    if row.status == "running":
        mark: RenderableType = Spinner("dots", style=ROLE_STYLE["worker"]) if live else Text("·")
        return mark, outcome, tries + took
    glyph, style = _MARK[row.status]
    return Text(glyph, style=style), outcome, tries + took


def _planner(board: Board) -> RenderableType:
    told: list[RenderableType] = [
        text(line(remark.text, most=600), QUIET) for remark in board.remarks if remark.role == "planner"
    ]
    if board.phase == "planning":
        told.append(_busy("planner", "writes the plan"))
    elif board.rows or board.strategy:
        told.append(text(line(board.strategy or "no strategy was written")))
    else:
        told.append(Text("no tool is needed"))
    return beside("planner", Group(*told))


def _busy(role: Role, doing: str) -> RenderableType:
    return Spinner("dots", Text(doing, style=QUIET), style=ROLE_STYLE[role])


def _remark(remark: Remark) -> RenderableType:
    return beside(remark.role, text(line(remark.text, most=600), QUIET))
