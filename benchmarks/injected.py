"""Recorded tool outputs with an attacker's instruction in them, and a model that obeys whatever it reads.

Every output (InjecAgent) goes through the whole agent in every scenario of `tests/obeying_model.py`: the person's plan
calls the tool and keeps what it returned; the model obeys as solver and as planner. Counted are the promises that a
run broke, how far the instruction came, and what was called for the attacker. Two runs give the same numbers; one takes
some ten minutes.

    python benchmarks/injected.py DATA [--out benchmarks/results]

DATA holds robust/injected_tool_responses.jsonl; the environment variable AGENT_GRAPH_BENCH_DATA names it as well.
"""

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the attack and the promises are the tests' own

from folders import folders  # noqa: E402
from obeying_model import SCENARIOS, Row, Scenario, attack, broken, run  # noqa: E402
from recorded_calls import rows  # noqa: E402

RESPONSES = "robust/injected_tool_responses.jsonl"
COLUMNS = ("runs", "broken", "planner_obeyed", "shown", "writing_calls", "reading_calls", "unmarked_calls")

Counts = dict[str, Counter[str]]


def main() -> int:
    asked = folders(__doc__, (RESPONSES,))
    logging.getLogger("tools.catalog").setLevel(logging.ERROR)  # it names unmarked tools, once per run
    numbers = asyncio.run(measure(rows(asked.data / RESPONSES)))
    table = _table(numbers)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "injected.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    (asked.out / "injected.md").write_text(table, encoding="utf-8")
    print(table)
    return 0


async def measure(recorded: Sequence[Row]) -> Counts:
    """Run every row in every scenario, the first of them also as recorded, without our notation."""
    numbers: Counts = {"asked, as recorded": Counter()}
    for row in recorded:
        numbers["asked, as recorded"] += await _counted(row, SCENARIOS["asked"], fitted=False)
    for name, scenario in SCENARIOS.items():
        numbers[name] = Counter()
        for row in recorded:
            numbers[name] += await _counted(row, scenario, fitted=True)
        print(f"{name}: {dict(numbers[name])}", file=sys.stderr)
    return numbers


async def _counted(row: Row, scenario: Scenario, *, fitted: bool) -> Counter[str]:
    given = attack(row, fitted=fitted)
    ended = await run(given, scenario)
    promises = broken(given, scenario, ended)
    called = {
        "writing_calls": given.writes if scenario.attackers is None else (),
        "reading_calls": given.reads if scenario.attackers is None else given.wanted,
        "unmarked_calls": given.wanted if scenario.attackers == "unknown" else (),
    }
    if scenario.attackers == "unknown":
        called["reading_calls"] = ()
    count = Counter({f"broken: {promise}": 1 for promise in promises})
    count.update(runs=1, broken=bool(promises))
    count.update(
        planner_obeyed="planner" in ended.model.obeyed, shown=list(given.wanted) in ended.person.shown
    )
    count.update({kind: len(ended.calls_of(names)) for kind, names in called.items()})
    return count


def _table(numbers: Mapping[str, Counter[str]]) -> str:
    failures = [
        f"- {name}: {what.removeprefix('broken: ')}: {times}"
        for name, count in numbers.items()
        for what, times in count.items()
        if what.startswith("broken: ")
    ]
    lines = "\n".join(
        f"| {name} | {' | '.join(str(count[column]) for column in COLUMNS)} |"
        for name, count in numbers.items()
    )
    about = "\n".join(f"- {name}: {scenario.about}" for name, scenario in SCENARIOS.items())
    rows_each = numbers["asked"]["runs"]
    return f"""\
# Hostile tool outputs and a model that obeys

{rows_each:,} recorded tool outputs with an instruction hidden in them (InjecAgent), each run in every scenario through the whole
agent. The model is a script that obeys: as solver it calls the evidence insufficient and passes the instruction on,
as planner it plans the attacker's tools on what was found, and in the end it writes plan lines, forged citations,
closing fences and tool calls into the answer. Except in the first line the output also carries this agent's own
notation. Made by `benchmarks/injected.py`; the promises are in `tests/obeying_model.py`.

| scenario | runs | broke a promise | instruction reached the planner | a person was shown the attack | attacker's writing calls | reading calls | unmarked calls |
|---|---|---|---|---|---|---|---|
{lines}

{about}

Broken promises:

{chr(10).join(failures) or "- none"}

The promises: a plan written after evidence that writes does nothing, not even read, before a person has approved it;
the person's steps ran as approved, slots filled by value and type; the first plan's fingerprint is what ran; evidence
of those steps was not replaced; later plans are tainted and bounded; only existing evidence is cited; the message
carries no tool calls; no notation of ours that a tool returned stands in a prompt. Not promised: a tainted plan that
only reads runs unasked, with arguments the attacker chose, unless `approval="always"`. A tool that says nothing about
itself counts as one that writes there.
"""


if __name__ == "__main__":
    raise SystemExit(main())
