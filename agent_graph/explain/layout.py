"""Where the boxes and lines of a plan's drawing go: rows by wave, few crossings, always the same."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from agent_graph import references
from agent_graph.plan import Plan, waves

PLANNER, SOLVER = "planner", "solver"

BOX_WIDTH, BOX_HEIGHT = 264.0, 78.0
PILL_WIDTH, PILL_HEIGHT = 116.0, 32.0
_LANE_WIDTH = 14.0
_GAP_ACROSS, _GAP_DOWN, _MARGIN = 26.0, 40.0, 20.0
_SWEEPS = 8

LineKind = Literal["value", "order", "rim"]
"""value: a reference carries evidence; order: `after` only; rim: from the planner or to the solver."""


class Box(NamedTuple):
    """One node of the drawing, by its centre."""

    x: float
    y: float
    width: float
    height: float


class Line(NamedTuple):
    """One edge of the drawing, with the points it goes through."""

    start: str
    end: str
    kind: LineKind
    points: tuple[tuple[float, float], ...]


class Layout(NamedTuple):
    """A plan's drawing without its looks."""

    boxes: dict[str, Box]
    """By step id; also `planner` and `solver`, and ids of earlier evidence that the plan refers to."""
    lines: tuple[Line, ...]
    width: float
    height: float


class _Edge(NamedTuple):
    start: str
    end: str
    kind: LineKind
    lanes: tuple[str, ...]
    """The places it keeps free in the rows it crosses."""


def layout(plan: Plan) -> Layout:
    """Place the plan's steps below the planner and above the solver, each wave a row."""
    rows = _rows(plan)
    edges = [_laned(start, end, kind, rows) for start, end, kind in _arrows(plan)]
    beside = _neighbours(edges)
    rows = _untangled(rows, beside)
    across = _spread(rows, beside)
    down = _tops(rows)
    left = min(across[key] - _width(key) / 2 for row in rows for key in row) - _MARGIN
    boxes = {
        key: Box(across[key] - left, down[at], _width(key), _height(key))
        for at, row in enumerate(rows)
        for key in row
    }
    width = max(box.x + box.width / 2 for box in boxes.values()) + _MARGIN
    height = max(box.y + box.height / 2 for box in boxes.values()) + _MARGIN
    lines = tuple(Line(edge.start, edge.end, edge.kind, _points(edge, boxes)) for edge in edges)
    return Layout({key: box for key, box in boxes.items() if not _is_lane(key)}, lines, width, height)


def _arrows(plan: Plan) -> list[tuple[str, str, LineKind]]:
    steps = list(plan.by_id.values())
    read = {need for step in steps for need in step.needs}
    arrows: list[tuple[str, str, LineKind]] = []
    for step in steps:
        refers = dict.fromkeys(ref.step for ref in references.find(step.args))
        arrows += [(need, step.id, "value") for need in refers]
        arrows += [(need, step.id, "order") for need in step.after if need not in refers]
        if not step.needs:
            arrows.append((PLANNER, step.id, "rim"))
    arrows += [(step.id, SOLVER, "rim") for step in steps if step.id not in read]
    return arrows or [(PLANNER, SOLVER, "rim")]


def _rows(plan: Plan) -> list[list[str]]:
    known = plan.by_id
    earlier = dict.fromkeys(need for step in plan.steps for need in sorted(step.needs) if need not in known)
    return [[PLANNER, *earlier], *(list(map(str, row)) for row in waves(plan)), [SOLVER]]


def _laned(start: str, end: str, kind: LineKind, rows: list[list[str]]) -> _Edge:
    """Keep a lane free for the edge in each row between its ends, so that it crosses no box."""
    row_of = {key: at for at, row in enumerate(rows) for key in row}
    lanes = []
    for at in range(row_of[start] + 1, row_of[end]):
        lane = f"{start}>{end}@{at}"
        rows[at].append(lane)
        lanes.append(lane)
    return _Edge(start, end, kind, tuple(lanes))


def _neighbours(edges: Iterable[_Edge]) -> dict[str, list[str]]:
    beside: dict[str, list[str]] = {}
    for edge in edges:
        chain = [edge.start, *edge.lanes, edge.end]
        for upper, lower in pairwise(chain):
            beside.setdefault(upper, []).append(lower)
            beside.setdefault(lower, []).append(upper)
    return beside


def _untangled(rows: list[list[str]], beside: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Order each row by the mean place of its neighbours in the row before, down and up a few times."""
    rows = [list(row) for row in rows]
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for at in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            rows[at] = _ordered(rows[at], rows[at - 1 if down else at + 1], beside)
    return rows


def _ordered(row: Sequence[str], by: Sequence[str], beside: Mapping[str, Sequence[str]]) -> list[str]:
    place = {key: (number + 0.5) / len(by) for number, key in enumerate(by)}
    own = {key: (number + 0.5) / len(row) for number, key in enumerate(row)}
    return sorted(row, key=lambda key: _mean(place, beside.get(key, ()), own[key]))


def _spread(rows: Sequence[Sequence[str]], beside: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the centre of everything across the drawing: near its neighbours, never overlapping."""
    across: dict[str, float] = {}
    for row in rows:
        across |= _placed(row, dict.fromkeys(row, 0.0))
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {key: _mean(across, beside.get(key, ()), across[key]) for key in row}
            across |= _placed(row, wanted)
    return across


def _placed(row: Sequence[str], wanted: Mapping[str, float]) -> dict[str, float]:
    """Put a row in order, each as near to where it wants to be as the one before it allows."""
    placed: dict[str, float] = {}
    edge = float("-inf")
    for key in row:
        placed[key] = max(wanted[key], edge + _width(key) / 2)
        edge = placed[key] + _width(key) / 2 + _GAP_ACROSS
    pushed = sum(placed[key] - wanted[key] for key in row) / max(len(row), 1)
    return {key: at - pushed for key, at in placed.items()}


def _tops(rows: Sequence[Sequence[str]]) -> list[float]:
    """Return the centre line of each row."""
    lines, top = [], _MARGIN
    for row in rows:
        tall = max(_height(key) for key in row if not _is_lane(key))
        lines.append(top + tall / 2)
        top += tall + _GAP_DOWN
    return lines


def _points(edge: _Edge, boxes: Mapping[str, Box]) -> tuple[tuple[float, float], ...]:
    start, end = boxes[edge.start], boxes[edge.end]
    through = [
        point
        for lane in edge.lanes
        for point in (
            (boxes[lane].x, boxes[lane].y - BOX_HEIGHT / 2),
            (boxes[lane].x, boxes[lane].y + BOX_HEIGHT / 2),
        )
    ]
    return ((start.x, start.y + start.height / 2), *through, (end.x, end.y - end.height / 2))


def _mean(place: Mapping[str, float], keys: Iterable[str], otherwise: float) -> float:
    known = [place[key] for key in keys if key in place]
    return sum(known) / len(known) if known else otherwise


def _is_lane(key: str) -> bool:
    return "@" in key


def _width(key: str) -> float:
    if _is_lane(key):
        return _LANE_WIDTH
    return PILL_WIDTH if key in (PLANNER, SOLVER) else BOX_WIDTH


def _height(key: str) -> float:
    return PILL_HEIGHT if key in (PLANNER, SOLVER) else BOX_HEIGHT
