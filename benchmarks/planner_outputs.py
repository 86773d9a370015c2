"""What becomes of real planners' outputs: read, checked, and counted beside a count made by other means.

943 outputs of five models asked for a JSON list of steps are read; 1,042 tool graphs of two models are read and
checked for planted faults; texts that were never plans are read. No model is called; two runs give the same numbers.

    python benchmarks/planner_outputs.py DATA [--out benchmarks/results]

DATA holds plans/json_list_plans.jsonl, plans/tool_graph_plans.jsonl and plans/react_format_failures.jsonl, and
robust/; the environment variable AGENT_GRAPH_BENCH_DATA names it as well.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.tools import BaseTool, StructuredTool

from agent_graph.plan import Plan, PlanProblem
from agent_graph.planner import check, read_plan
from tools.catalog import Catalog

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the second reading is the tests' own

import plan_readings as second  # noqa: E402
from folders import folders  # noqa: E402

LISTS = "plans/json_list_plans.jsonl"
GRAPHS = "plans/tool_graph_plans.jsonl"
OTHERS = {
    "plans/react_format_failures.jsonl": "raw",
    "robust/json_repair_pairs.jsonl": "input",
    "robust/langchain_json_cases.jsonl": "input",
    "robust/giskard_prompt_injections.jsonl": "prompt",
    "robust/injected_tool_responses.jsonl": "Tool Response",
    "robust/naughty_strings.jsonl": "s",
    "robust/personal_data.jsonl": "text",
}
MAX_STEPS = 100
ONE_TEXT = {"type": "object", "properties": {"task": {"type": "string"}}, "required": ["task"]}
ANYTHING = {"type": "object", "properties": {}, "additionalProperties": True}
COLUMNS = (
    "outputs",
    "plan",
    "no_tool",
    "problems",
    "wrongly_accepted",
    "remarks",
    "remarks_lost",
    "recoverable",
    "recovered",
    "mentioned",
    "mentioned_recovered",
)


class Reading(NamedTuple):
    """A text as a plan, and all that is wrong with it."""

    plan: Plan
    problems: tuple[PlanProblem, ...]


def main() -> int:
    asked = folders(__doc__, (LISTS, GRAPHS, *OTHERS))
    data = asked.data
    numbers = {
        "json_lists": json_lists(data / LISTS),
        "tool_graphs": tool_graphs(data / GRAPHS),
        "never_plans": {name: never_plans(data / name, field) for name, field in OTHERS.items()},
    }
    table = _table(numbers)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "planner_outputs.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    (asked.out / "planner_outputs.md").write_text(table, encoding="utf-8")
    print(table)
    return 0


def json_lists(path: Path) -> dict[str, dict[str, int]]:
    """Count by "class / model" what became of each output."""
    rows = second.rows(path)
    names = second.listed_tools(row["raw"] for row in rows)
    catalog = _catalog(names, ONE_TEXT)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[f"{row['class']} / {row['model']}"].update(_ended(row["raw"], names, catalog))
    return {group: {column: counts[group][column] for column in COLUMNS} for group in sorted(counts)}


def _ended(raw: str, names: Sequence[str], catalog: Catalog) -> Counter[str]:
    reading, strict = _read(raw, catalog), second.strict_json(raw)
    steps = second.steps_in(strict)
    named = [tool for step in steps for tool in second.tools_in(step)]
    accepted, right = not reading.problems, [step.tool for step in reading.plan.steps] == named
    recoverable, mentioned = second.is_recoverable(strict, names), second.mentions_tools(strict, names)
    recovered = accepted and right and bool(reading.plan.steps)
    remarks = [str(step.get("message")) for step in steps if accepted and not second.tools_in(step)]
    said = _flat(f"{reading.plan}")
    ends = {
        "outputs": 1,
        "plan": recovered,
        "no_tool": accepted and not reading.plan.steps,
        "problems": not accepted,
        "wrongly_accepted": accepted and not right,
        "remarks": len(remarks),
        "remarks_lost": sum(_flat(remark) not in said for remark in remarks),
        "recoverable": recoverable,
        "recovered": recoverable and recovered,
        "mentioned": mentioned,
        "mentioned_recovered": mentioned and recovered,
    }
    return Counter({end: int(count) for end, count in ends.items()})


def tool_graphs(path: Path) -> dict[str, dict[str, list[int]]]:
    """Count by "dataset / model" and fault: found by the check, found by the second count, plans that differ."""
    rows = second.rows(path)
    names = second.seen_tools(rows)
    catalog = _catalog(names, ANYTHING)
    counts: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(
        lambda: defaultdict(lambda: [0, 0, 0])
    )
    for row in rows:
        steps = second.json_steps(row["task_nodes"])
        found: Counter[str] = Counter(problem.kind for problem in _read(json.dumps(steps), catalog).problems)
        there = second.faults(steps, names)
        group = counts[f"{row['dataset']} / {row['model']}"]
        for kind in sorted({*second.FAULTS, *found}):
            told, counted = found[kind], there[kind]
            group[kind] = [
                one + more
                for one, more in zip(group[kind], (told, counted, int(told != counted)), strict=True)
            ]
    return {group: dict(counts[group]) for group in sorted(counts)}


def never_plans(path: Path, field: str) -> dict[str, int]:
    """Count how texts that are no plans end, for a catalogue of two other tools."""
    catalog = _catalog(["search", "calculator"], ONE_TEXT)
    ends = Counter(texts=0, problems=0, plan=0, no_tool=0)
    for row in second.rows(path):
        reading = _read(row[field], catalog)
        end = "problems" if reading.problems else "plan" if reading.plan.steps else "no_tool"
        ends.update(["texts", end])
    return dict(ends)


def _read(text: str, catalog: Catalog) -> Reading:
    plan, unread = read_plan(text, {name: list(spec.properties) for name, spec in catalog.items()})
    return Reading(plan, (*unread, *check(plan, catalog, max_steps=MAX_STEPS)))


def _catalog(names: Iterable[str], schema: dict[str, Any]) -> Catalog:
    def stand_in(**given: Any) -> str:
        return str(given)

    tools: list[BaseTool] = [
        StructuredTool.from_function(func=stand_in, name=name, description="Do it.", args_schema=schema)
        for name in names
    ]
    return Catalog(tools, {tool.name: "reads" for tool in tools})


def _flat(text: str) -> str:
    return " ".join(text.split())


def _table(numbers: dict[str, Any]) -> str:
    lists: dict[str, dict[str, int]] = numbers["json_lists"]
    graphs: dict[str, dict[str, list[int]]] = numbers["tool_graphs"]
    total = {column: sum(group[column] for group in lists.values()) for column in COLUMNS}
    outputs = "\n".join(_list_row(name, group) for name, group in [*lists.items(), ("**all**", total)])
    kinds = sorted({kind for group in graphs.values() for kind in group})
    faults = "\n".join(_graph_row(kind, graphs) for kind in kinds)
    others = "\n".join(
        f"| {Path(name).stem} | {ends['texts']} | {ends['problems']} | {ends['plan']} | {ends['no_tool']} |"
        for name, ends in numbers["never_plans"].items()
    )
    return f"""\
# What becomes of real planners' outputs

No model is called: the outputs were recorded. Made by `benchmarks/planner_outputs.py`; the second count is
`tests/plan_readings.py`, which shares no code with the reader or the check.

## JSON lists of steps: {total["outputs"]:,} outputs of five models

| class / model | outputs | plan | no tool | problems | accepted wrongly | recovered of recoverable | of mentioned |
|---|---|---|---|---|---|---|---|
{outputs}

Plan: accepted with steps. No tool: accepted without any, as the output says ("tool_use" is empty everywhere).
Accepted wrongly: accepted, and the tools are not, in order, exactly those that `json.loads` of the text or of its
outermost brackets finds in "tool_use". Recoverable: every step so found names at least one existing tool there.
Mentioned, a wider measure: every step has an existing tool's name anywhere in it, in prose too.
Steps that name no tool beside steps that do are taken for remarks, not for steps: {total["remarks"]} in all accepted
outputs, of whose texts {total["remarks_lost"]} are not in the plan's strategy or reasons.

## Tool graphs: faults found by the check / by the second count

| fault | {" | ".join(graphs)} | all | plans that differ |
|---|{"---|" * (len(graphs) + 2)}
{faults}

Tools named fewer than {second.SEEN_OFTEN} times in the file count as unknown. Unknown tools, cycles and repetitions
are counted in steps (a step on a cycle of two or more), references in pairs of a step and its target. References
are `<node-k>` (also `<node_k>`, `<Node-k>`) in argument values; those in argument names stay text on both sides.

## Texts that were never plans

| file | texts | problems | accepted as a plan | accepted as "no tool" |
|---|---|---|---|---|
{others}

Read against a catalogue of two tools that none of them is about.
"""


def _list_row(name: str, group: dict[str, int]) -> str:
    shares = [
        f"{group[done]} of {group[of]}{f' ({group[done] / group[of]:.1%})' if group[of] else ''}"
        for done, of in (("recovered", "recoverable"), ("mentioned_recovered", "mentioned"))
    ]
    cells = [group["outputs"], group["plan"], group["no_tool"], group["problems"], group["wrongly_accepted"]]
    return f"| {name} | {' | '.join(map(str, cells))} | {' | '.join(shares)} |"


def _graph_row(kind: str, graphs: dict[str, dict[str, list[int]]]) -> str:
    each = [group.get(kind, [0, 0, 0]) for group in graphs.values()]
    found, there, differing = (sum(column) for column in zip(*each, strict=True))
    cells = [f"{told} / {counted}" for told, counted, _ in [*each, (found, there, 0)]]
    return f"| {kind} | {' | '.join(cells)} | {differing} |"


if __name__ == "__main__":
    raise SystemExit(main())
