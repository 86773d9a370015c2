"""Recorded tool calls, replayed as plans: do references bring the recorded arguments, and do writes keep their order?

Each row is the shortest correct sequence of calls that some real model made for one office task. It is written as a
plan in which every argument that stands in an earlier output is a reference, and run through the whole agent against
tools that answer the recorded calls and no others. No model is called; two runs give the same numbers, each in less
than a minute.

    python benchmarks/workbench.py DATA [--out benchmarks/results]

DATA holds workbench/verified_plans.jsonl and workbench/tools.json; AGENT_GRAPH_BENCH_DATA names it as well.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the plans and the tools of the recording are the tests' own

from folders import folders  # noqa: E402
from recorded_calls import (  # noqa: E402
    Ended,
    Recorded,
    Row,
    Slot,
    as_plan,
    is_replayed,
    keeping,
    recorded_writes,
    rows,
    run,
)

from agent_graph import Context  # noqa: E402
from tools.errors import ToolRefusal  # noqa: E402
from tools.extract import make_extract  # noqa: E402

PLANS, TOOLS = "workbench/verified_plans.jsonl", "workbench/tools.json"
ONE_BY_ONE = Context(approval="never", max_replans=0, max_concurrency=1)


def main() -> int:
    asked = folders(__doc__, (PLANS, TOOLS))
    tools = json.loads((asked.data / TOOLS).read_text(encoding="utf-8"))
    numbers, refused = asyncio.run(measure(rows(asked.data / PLANS), tools))
    table = _table(numbers, refused)
    asked.out.mkdir(parents=True, exist_ok=True)
    figures = {**numbers, "refused": refused}
    (asked.out / "workbench.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (asked.out / "workbench.md").write_text(table, encoding="utf-8")
    print(table)
    return 0


async def measure(
    recorded: Sequence[Row], tools: Sequence[Mapping[str, Any]]
) -> tuple[Counter[str], list[str]]:
    """Run every row three times: in parallel, one call at a time, and with nothing marked as writing."""
    count: Counter[str] = Counter()
    count["tools"] = len({step["tool"] for row in recorded for step in row["steps"]})
    refused: list[str] = []
    for number, row in enumerate(recorded):
        plan = as_plan(row)
        count.update({"rows": 1, "calls": len(row["steps"]), "slots": len(plan.slots)})
        count.update(slot.origin for slot in plan.slots)
        count.update(await _text_slots(row, plan, tools))
        ended = await run(row, plan.plan, tools)
        if ended.result["plan"].digest != plan.plan.digest:
            refused.append(f"row {number}: {ended.result['plan'].remarks[0]}")
            continue
        alone = await run(row, plan.plan, tools, context=ONE_BY_ONE)
        reads = {step.tool: "reads" for step in plan.plan.steps}
        unmarked = await run(row, plan.plan, tools, effects=reads)
        count += await _parts(row, plan, tools)
        count.update(_outcome(row, plan, ended, alone, unmarked))
        count["most_at_once"] = max(count["most_at_once"], ended.office.overlapping)
    return count, refused


def _outcome(row: Row, plan: Recorded, ended: Ended, alone: Ended, unmarked: Ended) -> dict[str, int]:
    evidence = ended.result["evidence"]
    exact = [is_replayed(evidence[step], row["steps"][place]) for step, place in plan.place.items()]
    filled = {slot.step for slot in plan.slots if slot.origin != "literal"}
    right = {step for step, place in plan.place.items() if is_replayed(evidence[step], row["steps"][place])}
    writes = recorded_writes(row)
    several = len(writes) > 1
    return {
        "run": 1,
        "run_calls": len(exact),
        "exact_calls": sum(exact),
        "references": sum(slot.origin != "literal" for slot in plan.slots),
        "right_references": sum(slot.step in right for slot in plan.slots if slot.step in filled),
        "writing_rows": bool(writes),
        "several_writes": several,
        "writes": len(writes),
        "order_kept": bool(writes) and ended.office.writes == writes,
        "fenced": bool(writes) and ended.office.fenced,
        "overlapping": ended.office.overlapping > 1,
        "alone_overlapping": alone.office.overlapping > 1,
        "same_state": ended.state == alone.state,
        "unmarked_not_fenced": bool(writes) and not unmarked.office.fenced,
        "unmarked_other_order": several and unmarked.office.writes != writes,
        "unmarked_other_state": unmarked.state != ended.state,
    }


async def _parts(row: Row, recorded: Recorded, tools: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Count the parts of all outputs, and those that their path brought with their type."""
    plan, expected = keeping(row, recorded)
    ended = await run(row, plan, tools)
    pairs = zip(ended.office.kept, expected, strict=True)
    right = sum(json.dumps(taken) == json.dumps(part) for taken, part in pairs)
    numbers = sum(isinstance(part, int | float) for part in expected)
    return Counter(parts=len(expected), right_parts=right, number_parts=numbers)


async def _text_slots(row: Row, plan: Recorded, tools: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Count where else the value of each argument that is cut out of a text stands, and what `extract` makes of it."""
    described = {one["name"]: one["description"] for one in tools}
    count: Counter[str] = Counter()
    for slot in (one for one in plan.slots if one.origin == "text"):
        output = row["steps"][slot.earlier]["observation"]
        documentation = described[row["steps"][plan.place[slot.step]]["tool"]]
        before = [value for step in row["steps"][: slot.earlier + 1] for value in step["args"].values()]
        if slot.value in before:
            count["text_in_earlier_argument"] += 1
        elif slot.value in documentation:
            count["text_in_documentation"] += 1
        elif any(slot.value in one for one in _objects(output)):
            count["text_is_field_name"] += 1
        else:
            count["text_only_there"] += 1
        count[await _extracted(slot, output, documentation)] += 1
    return count


async def _extracted(slot: Slot, output: Any, documentation: str) -> str:
    """Ask the catalogue's `extract`, which works by rules here, for what the tool says of its argument."""
    lines = pairwise(line.strip() for line in documentation.splitlines())
    subject = next(said for line, said in lines if re.match(rf"{slot.argument} ?:", line)).partition(".")[0]
    question = f"What is the {subject[:1].lower()}{subject[1:]}?"
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    try:
        found = await make_extract().ainvoke({"question": question, "text": text})
    except ToolRefusal:
        return "extract_refused"
    return "extract_right" if found == slot.value else "extract_wrong"


def _objects(value: Any) -> list[dict[str, Any]]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [
        *([value] if isinstance(value, dict) else []),
        *(one for item in inside for one in _objects(item)),
    ]


def _table(n: Counter[str], refused: Sequence[str]) -> str:
    listed = "\n".join(f"- {one}" for one in refused) or "- none"
    return f"""\
# Recorded tool calls, replayed as plans

{n["rows"]} rows, {n["calls"]} calls of {n["tools"]} office tools (WorkBench): the shortest correct sequence that a real model found
for a task. Each row is a plan in our notation, read and checked like any planner's; the tools answer exactly the
recorded calls. No model is called. Made by `benchmarks/workbench.py`.

## Where arguments come from

| of {n["slots"]} arguments whose value stands in an earlier output | |
|---|---|
| the whole output: `#E1` | {n["whole"]} |
| a field or element, by its path: `#E1[0].event_id` | {n["path"]} |
| cut out of the output's text by one more step | {n["text"]} |
| written as a literal | {n["literal"]} |

The data's own count over more rows is 618: 1 whole, 444 by path, 173 in a text. Every value is a string; none of the
outputs' numbers is passed on. No text argument embeds an earlier field in words of its own. The cutting step
takes the n-th date or the n-th name_with_underscores; n is known with hindsight.
Of the {n["text"]} values that are cut out, {n["text_in_earlier_argument"]} were already arguments of the earlier call or of one before it,
{n["text_in_documentation"]} are words of the tool's own documentation, {n["text_is_field_name"]} are names of fields of the output,
and {n["text_only_there"]} stand nowhere else. Asked for the same values in the words of that documentation, the catalogue's `extract`
without a model finds {n["extract_right"]}, refuses {n["extract_refused"]} and returns another value for {n["extract_wrong"]}.

## Replay

| | of | |
|---|---|---|
| plans accepted by the check | {n["rows"]} | {n["run"]} |
| calls made with the recorded arguments, types included | {n["run_calls"]} | {n["exact_calls"]} |
| references that brought the recorded value | {n["references"]} | {n["right_references"]} |
| parts of all outputs ({n["number_parts"]:,} of them numbers), each taken by its path with its type | {n["parts"]:,} | {n["right_parts"]:,} |
| plans that write: every write in the recorded order | {n["writing_rows"]} | {n["order_kept"]} |
| plans that write: alone from begin to end, after all earlier calls, before all later ones | {n["writing_rows"]} | {n["fenced"]} |
| plans whose calls overlapped (at most {n["most_at_once"]} at once) | {n["run"]} | {n["overlapping"]} |
| plans whose calls overlapped with max_concurrency=1 | {n["run"]} | {n["alone_overlapping"]} |
| same end state in parallel and one by one: writes with arguments, every value | {n["run"]} | {n["same_state"]} |

Every call takes longer than the ones after it, on a clock of its own, so that nothing but waiting keeps an order.
The same plans with every tool marked as reading: {n["unmarked_not_fenced"]} of {n["writing_rows"]} plans that write do not keep a write apart from other
calls, {n["unmarked_other_order"]} of the {n["several_writes"]} with several writes make them in another order, {n["unmarked_other_state"]} end in another state.

Not accepted:

{listed}
"""


if __name__ == "__main__":
    raise SystemExit(main())
