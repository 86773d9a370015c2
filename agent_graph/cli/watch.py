"""Watching a run: repainted on a terminal, line by line elsewhere, or not at all."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent_graph.cli.board import Board
from agent_graph.cli.console import FAILED, ROLE_STYLE, line, lively, seconds
from agent_graph.cli.steps import ROLE_WIDTH, draw
from agent_graph.events import Event, PlanReady, StepFinished
from agent_graph.usage import Role


class Watch(Protocol):
    """Follows the events of one run; entered for every stretch that runs without a person."""

    def __enter__(self) -> Self: ...

    def __call__(self, event: Event) -> None:
        """Take one event."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def watch_on(console: Console, *, quiet: bool = False) -> Watch:
    """Return the watch that fits the console."""
    if quiet:
        return Blind()
    return Repainted(console) if lively(console) else Lines(console)


class Blind:
    """Watches nothing."""

    def __enter__(self) -> Self:
        return self

    def __call__(self, event: Event) -> None:
        """Ignore the event."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Repainted:
    """Repaints the board in place and leaves its last state behind."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Board()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._live = Live(draw(self._board), console=self._console, refresh_per_second=12, transient=True)
        self._live.start()
        return self

    def __call__(self, event: Event) -> None:
        """Move the board on and repaint it."""
        self._board = self._board.after(event)
        if self._live is not None:
            self._live.update(draw(self._board))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if self._board.phase != "approval":  # then the plan is about to be shown for approval
            self._console.print(draw(self._board))


class Lines:
    """Prints a line when something is known for good."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Board()

    def __enter__(self) -> Self:
        return self

    def __call__(self, event: Event) -> None:
        """Print what the event adds, if it adds something."""
        told = len(self._board.remarks)
        self._board = self._board.after(event)
        for remark in self._board.remarks[told:]:
            self._print(remark.role, line(remark.text, most=600))
        if isinstance(event, PlanReady):
            self._print("planner", line(event.plan.strategy) or "no tool is needed")
            for step in event.plan.steps:
                self._print("planner", line(step, most=160))
        elif isinstance(event, StepFinished):
            row = next(row for row in self._board.rows if row.step.id == event.step)
            took = f"  ({seconds(event.seconds)})" if event.status != "skipped" else ""
            told_as = f"#{event.step} {event.status:<7}  {line(row.outcome, most=100)}{took}"
            self._print("worker", told_as, FAILED if event.status == "failed" else "")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def _print(self, role: Role, told: str, style: str = "") -> None:
        label = (role.ljust(ROLE_WIDTH), ROLE_STYLE[role])
        self._console.print(Text.assemble(label, (told, style)), soft_wrap=True)
