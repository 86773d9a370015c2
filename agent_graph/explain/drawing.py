"""A plan as a drawing: plain SVG that needs no script, no network and no other program."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from itertools import pairwise

from agent_graph.evidence import Evidence
from agent_graph.explain.layout import PLANNER, SOLVER, Box, Line, layout
from agent_graph.explain.markup import Markup, join, tag
from agent_graph.explain.words import brief_args, cut, one_line, outcome, wrapped
from agent_graph.plan import Plan, Step, critical_path
from agent_graph.references import StepId

_COLUMNS = 33
_PADDING = 12.0
_HEAD = 5.0


def plan_svg(plan: Plan, evidence: Mapping[StepId, Evidence] | None = None) -> str:
    """Return the plan as an SVG document, planner on top, waves below, solver at the end.

    Solid lines carry a value, dashed ones only order. With evidence each step shows its status and seconds,
    and the critical path is drawn thick. The same plan always gives the same drawing.
    """
    found = evidence or {}
    drawn = layout(plan)
    path = longest_chain(plan, found)
    return tag(
        "svg",
        tag("title", _summary(plan)),
        tag("style", style("colours.css", "plan.css")),
        *(_line(line, path) for line in drawn.lines),
        *(_box(key, box, plan, found, path) for key, box in drawn.boxes.items()),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {drawn.width:.0f} {drawn.height:.0f}",
        width=drawn.width,
        height=drawn.height,
        role="img",
        class_="ag ag-plan",
        style=f"--natural: {drawn.width:.0f}px",
    )


def longest_chain(plan: Plan, evidence: Mapping[StepId, Evidence]) -> list[StepId]:
    """Return the critical path by measured seconds; empty while nothing was measured."""
    seconds = {step_id: one.seconds for step_id, one in evidence.items()}
    path, total = critical_path(plan, seconds)
    return path if total else []


def style(*names: str) -> Markup:
    """Return style sheets of this package as they are."""
    home = files("agent_graph.explain")
    return Markup("\n".join(home.joinpath(name).read_text(encoding="utf-8") for name in names))


def _summary(plan: Plan) -> str:
    steps = "; ".join(f"{step.id} {step.tool}" for step in plan.steps)
    return f"Plan: {plan.strategy} {steps}"


def _box(key: str, box: Box, plan: Plan, found: Mapping[StepId, Evidence], path: list[StepId]) -> Markup:
    if key in (PLANNER, SOLVER):
        return tag("g", _rect(box, box.height / 2), _text(box.x, box.y + 4.5, key, "role"), class_=key)
    step = plan.by_id.get(StepId(key))
    if step is None:
        label = _text(box.x, box.y + 4.5, f"{key} · earlier evidence", "role")
        return tag("g", _rect(box, 8), label, class_="earlier")
    return _step(step, box, found.get(step.id), critical=step.id in path)


def _step(step: Step, box: Box, found: Evidence | None, *, critical: bool) -> Markup:
    left, top = box.x - box.width / 2 + _PADDING, box.y - box.height / 2
    said = outcome(found) if found else ""
    lines = wrapped(brief_args(step.args), _COLUMNS, 2)
    return tag(
        "g",
        tag("title", one_line(str(step))),
        _rect(box, 8),
        _text(left, top + 23, cut(f"{step.id} · {step.tool}", _COLUMNS - len(said)), "tool"),
        _text(box.x + box.width / 2 - _PADDING, top + 23, said, "outcome") if said else None,
        *(_text(left, top + 44 + 17 * row, line, "args") for row, line in enumerate(lines)),
        class_=" ".join(["step", found.status if found else "waiting", *(["critical"] if critical else [])]),
    )


def _line(line: Line, path: list[StepId]) -> Markup:
    looks = line.kind + (" critical" if (line.start, line.end) in set(pairwise(path)) else "")
    x, y = line.points[-1]
    head = f"M{x:.1f} {y:.1f}l{-_HEAD:g} {-1.7 * _HEAD:g}h{2 * _HEAD:g}z"
    return join(
        [
            tag("path", d=" ".join(_curve(line)), class_=f"line {looks}"),
            tag("path", d=head, class_=f"head {looks}"),
        ]
    )


def _curve(line: Line) -> Iterator[str]:
    (x, y), *rest = line.points
    yield f"M{x:.1f} {y:.1f}"
    for to_x, to_y in rest:
        bend = (to_y - y) / 2
        yield f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y


def _rect(box: Box, radius: float) -> Markup:
    return tag(
        "rect",
        x=box.x - box.width / 2,
        y=box.y - box.height / 2,
        width=box.width,
        height=box.height,
        rx=radius,
        class_="box",
    )


def _text(x: float, y: float, words: str, looks: str) -> Markup:
    return tag("text", words, x=x, y=y, class_=looks)
