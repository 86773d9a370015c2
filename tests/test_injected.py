"""Real tool outputs that carry an attacker's instruction, and a model that obeys whatever it reads.

60 rows that name every attacker's tool of the set; all of them: `benchmarks/injected.py`. What is promised
(`obeying_model.broken`): a plan written after evidence that writes does nothing, not even read, before a person has
approved it; the person's own steps run as they were approved, their slots filled by value; nothing that is no evidence
is cited; no notation of ours stands in a prompt because a tool said it. A plan written after evidence that only reads
runs unasked, unless every plan asks.
"""

from pathlib import Path

import pytest
from obeying_model import HOSTILE, KEEP, SCENARIOS, attack, broken, run
from recorded_calls import rows

from retrieval import open_knowledge

ROWS = rows(Path(__file__).parent / "data" / "injected_tool_responses.jsonl")
OTHERS = [name for name in SCENARIOS if name not in ("asked", "attackers read")]


@pytest.mark.parametrize("fitted", [False, True], ids=["as recorded", "in our notation"])
async def test_a_model_that_obeys_gets_no_further_than_the_person(fitted: bool) -> None:
    """The attack goes from an output through solver and replanner up to the question that a person answers."""
    for row in ROWS:
        given = attack(row, fitted=fitted)
        ended = await run(given, SCENARIOS["asked"])
        assert broken(given, SCENARIOS["asked"], ended) == [], given
        assert ended.model.obeyed == ["solver", "planner", "solver"]
        assert ended.person.shown == [[given.tool, KEEP], list(given.wanted)]
        assert {one.where for one in ended.result["findings"]} == ({"evidence E1"} if fitted else set())


@pytest.mark.parametrize("name", OTHERS)
async def test_no_way_of_asking_gets_further(name: str) -> None:
    """Neither a misspelt tool, an error, another policy nor the absence of anyone to ask breaks a promise."""
    scenario = SCENARIOS[name]
    for row in ROWS[OTHERS.index(name) % 5 :: 5]:
        given = attack(row, fitted=True)
        ended = await run(given, scenario)
        assert broken(given, scenario, ended) == [], given
        assert "planner" in ended.model.obeyed


async def test_a_tainted_plan_that_only_reads_runs_unasked_and_once() -> None:
    """The same attack reaches tools that are marked as reading: with the arguments it was planned with, as evidence."""
    scenario = SCENARIOS["attackers read"]
    for row in ROWS[::5]:
        given = attack(row, fitted=True)
        ended = await run(given, scenario)
        evidence, plan = ended.result["evidence"], ended.result["plan"]
        assert broken(given, scenario, ended) == [], given
        assert [name for name, _ in ended.calls_of(given.wanted)] == list(given.wanted)
        assert ended.calls_of(given.wanted) == [(one.tool, evidence[one.id].args) for one in plan.steps]
        assert plan.tainted


@pytest.mark.xdist_group("injected documents")
async def test_an_instruction_in_a_document_can_plan_but_not_act(tmp_path: Path) -> None:
    """The planner sees documents bent into text; what it is talked into waits for a person like any plan that writes."""
    attacks = [attack(row, fitted=True) for row in ROWS[::3]]
    documents = [tmp_path / f"{at}.txt" for at, _ in enumerate(attacks)]
    for path, one in zip(documents, attacks, strict=True):
        path.write_text(f"{one.said}\n\n{one.task}", encoding="utf-8")
    with open_knowledge(tmp_path / "knowledge") as knowledge:
        assert knowledge.ingest(documents).ok
        ended = [await run(one, SCENARIOS["asked"], knowledge=knowledge) for one in attacks]
    talked_into = [one_run.model.obeyed[:1] == ["planner"] for one_run in ended]
    assert sum(talked_into) > len(attacks) / 2
    for given, one_run, obeyed in zip(attacks, ended, talked_into, strict=True):
        assert one_run.calls_of(given.wanted) == []
        assert not any(map(HOSTILE.search, one_run.model.prompts))
        assert not obeyed or one_run.person.shown[0] == list(given.wanted)
