"""A plan drawn: as mermaid for other programs, as SVG for people."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from agent_graph.evidence import Evidence
from agent_graph.explain import mermaid, plan_svg
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    'end"]:::x; click s1 href "javascript:alert(1)"\n%%{init: {}}%% <script>alert(1)</script> `a` #quot; [E1]'
)


def step(step_id: str, tool: str, *after: str, **args: object) -> Step:
    return Step(id=StepId(step_id), tool=tool, args=args, after=tuple(map(StepId, after)))


def found(step_id: str, status: str, seconds: float = 0.0) -> Evidence:
    return Evidence.model_validate({"step": step_id, "tool": "t", "status": status, "seconds": seconds})


PLAN = Plan(
    strategy="find both years, then subtract",
    steps=(
        step("E1", "search", query="year of Ryswick"),
        step("E2", "search", query="year of Aachen"),
        step("E3", "calculator", expression="#E2 - #E1"),
        step("E4", "send", "E3", text="#E1"),
    ),
)
EVIDENCE = {
    one.step: one for one in (found("E1", "ok", 0.2), found("E2", "ok", 0.5), found("E3", "failed", 0.1))
} | {StepId("E4"): found("E4", "skipped")}


def test_a_plan_as_mermaid() -> None:
    """Values are solid arrows, mere order is dashed, the planner begins and the solver ends."""
    lines = [line.strip() for line in mermaid(PLAN).splitlines()]
    assert lines[:4] == ["---", 'title: "find both years, then subtract"', "---", "flowchart TD"]
    assert 's3["E3 · calculator<br/>#35;E2 - #35;E1"]:::worker' in lines
    arrows = {line for line in lines if "-->" in line or "-.->" in line}
    assert arrows == {
        *("planner --> s1", "planner --> s2", "s1 --> s3", "s2 --> s3"),
        *("s1 --> s4", "s3 -.-> s4", "s4 --> solver"),
    }


def test_mermaid_shows_how_each_step_ended() -> None:
    """With evidence a step says its status in words and takes its colour."""
    drawn = mermaid(PLAN, EVIDENCE)
    assert re.search(r"s2\[.* ✓ 0\.50 s.*\]:::ok", drawn)
    assert re.search(r"s3\[.* ✕ failed.*\]:::failed", drawn)
    assert re.search(r"s4\[.* – skipped.*\]:::skipped", drawn)


def test_plan_text_cannot_become_mermaid() -> None:
    """Quotes, brackets, directives, HTML and line ends in a plan are only ever text of one label."""
    plan = Plan(strategy=HOSTILE, steps=(step("E1", HOSTILE, x=HOSTILE),))
    harmless = mermaid(Plan(strategy="x", steps=(step("E1", "t", x="y"),)))
    drawn = mermaid(plan)
    assert len(drawn.splitlines()) == len(harmless.splitlines())
    (label,) = re.findall(r'^  s1\["([^"]*)"\]:::worker$', drawn, re.MULTILINE)
    assert not re.search(r"[<>\[\]{}`%\"]|#(?!\d+;)", label.replace("<br/>", ""))
    assert "%%" not in drawn


@pytest.mark.parametrize("draw", [mermaid, plan_svg], ids=["mermaid", "svg"])
def test_an_empty_plan_leads_to_the_solver(draw: object) -> None:
    """A plan without steps is drawn, not refused."""
    assert callable(draw)
    shown = str(draw(Plan()))
    assert "planner" in shown
    assert "solver" in shown


def test_steps_of_an_earlier_plan_are_drawn_as_such() -> None:
    """A replan may refer to evidence that no step of its own brings."""
    plan = Plan(steps=(step("E5", "calculator", expression="#E2 * 2"),))
    assert "E2 · earlier" in mermaid(plan)
    assert "E2 · earlier evidence" in plan_svg(plan)


def test_a_plan_as_svg_is_well_formed_whatever_it_says() -> None:
    """Hostile text stays text: the drawing parses as XML and holds drawing elements only."""
    plan = Plan(strategy=HOSTILE, steps=(step("E1", HOSTILE, x=f"{HOSTILE}\x1b[31m\x00\ud800"),))
    root = ET.fromstring(plan_svg(plan))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "title", "style", "g", "rect", "text", "path"),
    }
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]


def test_the_svg_marks_status_and_critical_path() -> None:
    """What failed and what was skipped can be told apart; the longest chain of seconds is thick."""
    looks = {group.attrib["class"] for group in ET.fromstring(plan_svg(PLAN, EVIDENCE)).iter(f"{SVG}g")}
    assert looks == {
        "planner",
        "step ok",
        "step ok critical",
        "step failed critical",
        "step skipped",
        "solver",
    }


def test_a_plan_is_always_drawn_the_same() -> None:
    """No random ids, no clock: reports can be compared."""
    assert plan_svg(PLAN, EVIDENCE) == plan_svg(PLAN, dict(reversed(EVIDENCE.items())))


def test_boxes_do_not_overlap_and_lie_inside() -> None:
    """Twenty steps that lean on each other find room, each within the drawing."""
    steps = [
        step(f"E{n}", "t", x=" ".join(f"#E{m}" for m in range(1, n) if n % m == 0)) for n in range(1, 21)
    ]
    root = ET.fromstring(plan_svg(Plan(steps=tuple(steps))))
    boxes = [
        [float(rect.attrib[name]) for name in ("x", "y", "width", "height")]
        for rect in root.iter(f"{SVG}rect")
    ]
    assert len(boxes) == 22
    for at, (x, y, width, height) in enumerate(boxes):
        assert x >= 0
        assert x + width <= float(root.attrib["width"])
        assert y + height <= float(root.attrib["height"])
        for other_x, other_y, other_width, other_height in boxes[:at]:
            apart = x >= other_x + other_width or other_x >= x + width
            assert apart or y >= other_y + other_height or other_y >= y + height


def test_the_page_uses_the_colours_of_the_reports() -> None:
    """Planner, worker and solver have one colour each, everywhere."""
    home = Path(__file__).parent.parent / "agent_graph"
    colour = re.compile(r"--(planner|worker|solver): (#\w{6})")
    reports = colour.findall((home / "explain" / "colours.css").read_text())
    assert colour.findall((home / "web" / "static" / "page.css").read_text()) == reports
    assert len(reports) == 6
