"""The plan check: every problem at once, in words that say what would be right."""

import pytest
from langchain_core.tools import BaseTool, tool

from agent_graph.evidence import Evidence
from agent_graph.plan import PlanProblem
from agent_graph.planner import check, read_plan
from tools.catalog import Catalog


@tool
def look(name: str, depth: int = 1) -> str:
    """Look something up."""
    return name * depth


@tool
def total(numbers: list[float]) -> float:
    """Add numbers."""
    return sum(numbers)


MCP_LIKE: BaseTool = tool(
    "ship",
    description="Ship a parcel.",
    args_schema={
        "type": "object",
        "properties": {"to": {"type": "string"}, "speed": {"enum": ["slow", "fast"]}},
        "required": ["to"],
    },
)(lambda **given: given)


@tool
def count(name: str) -> int:
    """Count letters."""
    return len(name)


@tool
def people(name: str) -> list[dict[str, int]]:
    """List people."""
    return [{"age": len(name)}]


count.metadata = {"effects": "reads", "returns": "number"}
people.metadata = {"effects": "reads", "returns": "list"}

CATALOG = Catalog(
    [look, total, MCP_LIKE, count, people], {"look": "reads", "total": "reads", "ship": "writes"}
)


def problems(text: str, **options: object) -> tuple[PlanProblem, ...]:
    plan, unread = read_plan(text, {name: list(spec.properties) for name, spec in CATALOG.items()})
    assert unread == ()
    return check(plan, CATALOG, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kinds", "said"),
    [
        ('#E1 = look(name="a")', [], ""),
        ("Plan: nothing to do.", [], ""),
        ('#E1 = loook(name="a")', ["unknown_tool"], "There is no tool 'loook'. Did you mean 'look'?"),
        ('#E1 = fly(name="a")', ["unknown_tool"], "The tools are: look, total, ship, count, people."),
        ("#E1 = look()", ["bad_argument"], "name"),
        ('#E1 = look(name="a", depht=2)', ["bad_argument"], "depht"),
        ('#E1 = look(name="a", depth="deep")', ["bad_argument"], "depth"),
        ('#E1 = ship(to="x", speed="warp")', ["bad_argument"], "speed"),
        ("#E1 = ship(speed=3)", ["bad_argument", "bad_argument"], "to"),
        ('#E1 = total(numbers="#E1")', ["self_reference"], "refers to its own evidence"),
        ('#E1 = look(name="#E9")', ["dangling_reference"], "There is no step #E9. No step comes before it."),
        (
            '#E1 = look(name="a")\n#E2 = look(name="#E7")',
            ["dangling_reference"],
            "There is no step #E7. Steps that exist before it: #E1.",
        ),
        (
            '#E1 = look(name="#E2")\n#E2 = look(name="a")',
            ["forward_reference"],
            "#E2 comes later in the plan.",
        ),
        (
            '#E1 = look(name="#E2")\n#E2 = look(name="#E1")',
            ["forward_reference", "cycle", "cycle"],
            "waits for itself",
        ),
        ('#E1 = look(name="a") after #E1', ["self_reference"], "own evidence"),
        ('#E1 = look(name="a")\n#E1 = look(name="b")', ["duplicate_id"], "2 steps are called #E1."),
        ('#E1 = look(name="a", depth="#E1x")', ["bad_argument"], "depth"),
        ('#E1 = look(name="a")\n#E2 = total(numbers=["#E1", "#E1.x"])', [], ""),
        (f'#E1 = look(name="{"a" * 20_001}")', ["too_large"], "too large"),
    ],
)
def test_a_plan_is_checked_before_anything_runs(text: str, kinds: list[str], said: str) -> None:
    """Each fault is found, typed, tied to its step, and says what would be right."""
    found = problems(text)
    assert [problem.kind for problem in found] == kinds
    assert said in " ".join(map(str, found))


def test_all_problems_come_at_once() -> None:
    """A planner gets the whole list, not the first fault."""
    found = problems('#E1 = fly()\n#E2 = look(name="#E8")\n#E2 = total(number=[1])')
    assert {problem.kind for problem in found} == {
        "unknown_tool",
        "dangling_reference",
        "duplicate_id",
        "bad_argument",
    }


def test_a_call_made_twice_is_reported_unless_it_writes() -> None:
    """A second read cannot tell more; a second write may be meant."""
    (found,) = problems('#E1 = look(name="a")\n#E2 = look(name="a")\n#E3 = look(name="b")')
    assert (found.kind, found.step, found.hint) == ("duplicate_step", "E2", "Refer to #E1 instead.")
    assert problems('#E1 = ship(to="a")\n#E2 = ship(to="a")') == ()


def test_a_plan_may_not_be_longer_than_the_run_allows() -> None:
    """The limit and the way out are named."""
    text = "\n".join(f'#E{number} = look(name="{number}")' for number in range(1, 5))
    (found,) = problems(text, max_steps=3)
    assert (found.kind, found.message) == ("too_many_steps", "The plan has 4 steps.")


def test_evidence_of_an_earlier_round_may_be_referred_to_but_not_run_again() -> None:
    """A replan goes on numbering where the last plan stopped."""
    earlier, _ = read_plan('#E1 = look(name="a")\n#E2 = look(name="b")\n#E3 = look(name="#E2")', {})
    status = {"E1": "ok", "E2": "failed", "E3": "skipped"}
    evidence = {
        step.id: Evidence(step=step.id, tool="look", status=status[step.id])  # type: ignore[arg-type]
        for step in earlier.steps
    }
    past = {"evidence": evidence, "earlier": [earlier]}
    assert problems('#E4 = look(name="#E1")', **past) == ()
    for text, kind, hint in (
        ('#E2 = look(name="c")', "duplicate_id", "Refer to it, and number new steps from #E4."),
        ('#E4 = look(name="#E2")', "dangling_reference", "Steps that exist before it: #E1."),
        ('#E4 = look(name="b")', "duplicate_step", "Refer to #E2 instead."),
    ):
        (found,) = problems(text, **past)
        assert (found.kind, found.hint) == (kind, hint)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('#E1 = count(name="a")\n#E2 = total(numbers="#E1")', ["bad_argument"]),
        ('#E1 = count(name="a")\n#E2 = look(name="#E1")', []),  # a number is rendered as text
        ('#E1 = count(name="a")\n#E2 = look(name="a", depth="#E1")', []),
        ('#E1 = count(name="a")\n#E2 = look(name="#E1.digits")', ["bad_argument"]),
        ('#E1 = people(name="a")\n#E2 = look(name="a", depth="#E1")', ["bad_argument"]),
        ('#E1 = people(name="a")\n#E2 = total(numbers="#E1")', []),
        ('#E1 = people(name="a")\n#E2 = look(name="a", depth="#E1[0].age")', []),
        ('#E1 = look(name="a")\n#E2 = total(numbers="#E1")', []),  # says nothing about what it returns
    ],
)
def test_a_reference_has_the_type_its_tool_declares(text: str, kinds: list[str]) -> None:
    """What a tool says that it returns is checked against what the argument takes, before anything runs."""
    assert [problem.kind for problem in problems(text)] == kinds


def test_what_hangs_off_a_cycle_is_not_called_a_cycle() -> None:
    """Only the steps that really wait for themselves are named."""
    found = problems(
        '#E1 = look(name="#E2")\n#E2 = look(name="#E1")\n#E3 = look(name="#E2")\n#E4 = look(name="a")'
    )
    assert [problem.step for problem in found if problem.kind == "cycle"] == ["E1", "E2"]
