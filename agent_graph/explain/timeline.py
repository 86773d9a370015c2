"""When each step ran: one bar per step on the run's own clock, as SVG that stretches with the page."""

from collections.abc import Iterator, Sequence

from agent_graph.evidence import Evidence
from agent_graph.explain.markup import Markup, tag
from agent_graph.explain.words import short_seconds
from agent_graph.references import StepId
from agent_graph.state import Run

_TICKS = 4


def timeline(run: Run, path: Sequence[StepId]) -> Markup:
    """Return the bars of a run's steps, those on the critical path in full colour, above an axis in seconds."""
    found = sorted(run.evidence.values(), key=lambda one: (one.started, int(one.step[1:] or 0)))
    ran = [one for one in found if one.status != "skipped"]
    whole = max([run.usage.seconds, *(one.started + one.seconds for one in ran), 1e-6])
    planner, solver = _models(run, whole)
    steps = [
        _row(f"{one.step} {one.tool}", one.started, one.seconds, whole, _looks(one, path)) for one in ran
    ]
    rows = [*planner, *(part for row in steps for part in row), *solver]
    return tag(
        "div", *rows, Markup("<span></span>"), _axis(whole), Markup("<span></span>"), class_="timeline"
    )


def _models(run: Run, whole: float) -> tuple[list[Markup], list[Markup]]:
    """Return the rows of the planner's and the solver's model, when their place in time is known.

    That is without a replan: then the plan came first and the answer last.
    """
    planner, solver = run.usage["planner"], run.usage["solver"]
    first = list(_row("planner", 0.0, planner.seconds, whole, "planner"))
    last = list(_row("solver", max(whole - solver.seconds, 0.0), solver.seconds, whole, "solver"))
    return (
        first if planner.calls and not run.replans else [],
        last if solver.calls and not run.replans else [],
    )


def _looks(one: Evidence, path: Sequence[StepId]) -> str:
    return "failed" if not one.ok else "" if one.step in path or not path else "quick"


def _row(name: str, start: float, seconds: float, whole: float, looks: str) -> Iterator[Markup]:
    bar = tag(
        "rect",
        x=f"{100 * start / whole:.2f}%",
        y=4,
        width=f"{100 * seconds / whole:.2f}%",
        height=10,
        rx=2,
        class_=f"bar {looks}".strip(),
    )
    yield tag("span", name, class_="name", title=name)
    yield tag("svg", bar, role="img", aria_label=f"{name}: from {start:.2f} s, {short_seconds(seconds)}")
    yield tag("span", short_seconds(seconds), class_="took")


def _axis(whole: float) -> Markup:
    anchors = ["start", *["middle"] * (_TICKS - 1), "end"]
    ticks = [
        tag(
            "text",
            short_seconds(whole * at / _TICKS) if at else "0",
            x=f"{100 * at / _TICKS:g}%",
            y=12,
            text_anchor=anchor,
        )
        for at, anchor in enumerate(anchors)
    ]
    return tag("svg", *ticks, class_="axis", aria_hidden="true")
