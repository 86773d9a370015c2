"""What real planners wrote, read and checked: every output ends as a plan or as problems, and none passes wrongly.

The samples under `plans/` always run; the whole files do when AGENT_GRAPH_BENCH_DATA names their folder.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool
from plan_readings import (
    FAULTS,
    faults,
    is_recoverable,
    json_steps,
    listed_tools,
    rows,
    seen_tools,
    steps_in,
    strict_json,
    tools_in,
)

from agent_graph import references
from agent_graph.plan import Plan, PlanProblem
from agent_graph.planner import PlanReader, check, read_plan
from tools.catalog import Catalog

SAMPLES = Path(__file__).parent / "plans"
ONE_TEXT = {"type": "object", "properties": {"task": {"type": "string"}}, "required": ["task"]}
ANYTHING = {"type": "object", "properties": {}, "additionalProperties": True}

Read = tuple[Plan, tuple[PlanProblem, ...]]


def files(path: str) -> list[Any]:
    """Return the sample of a file and, where the whole file is at hand, that too."""
    whole = Path(os.environ.get("AGENT_GRAPH_BENCH_DATA", "absent")) / path
    found = [SAMPLES / whole.name, whole]
    return [
        pytest.param(one, id=name)
        for one, name in zip(found, ("sample", "whole"), strict=True)
        if one.is_file()
    ]


def catalog(names: Iterable[str], schema: dict[str, Any]) -> Catalog:
    """Return a catalogue in which every name is a tool that reads."""

    def stand_in(**given: Any) -> str:
        return str(given)

    tools: list[BaseTool] = [
        StructuredTool.from_function(func=stand_in, name=name, description="Do it.", args_schema=schema)
        for name in names
    ]
    return Catalog(tools, {tool.name: "reads" for tool in tools})


def read(text: str | list[str], tools: Catalog) -> Read:
    """Return the plan in the text and all that is wrong with it."""
    plan, unread = read_plan(text, {name: list(spec.properties) for name, spec in tools.items()})
    return plan, (*unread, *check(plan, tools, max_steps=100))


def json_lists(path: Path) -> tuple[list[str], list[tuple[str, Read]]]:
    """Return the tools there are and, for each output of the file, its text and how it was read."""
    raws = [row["raw"] for row in rows(path)]
    names = listed_tools(raws)
    tools = catalog(names, ONE_TEXT)
    return names, [(raw, read(raw, tools)) for raw in raws]


@pytest.mark.parametrize("path", files("plans/json_list_plans.jsonl"))
def test_no_output_is_wrongly_accepted(path: Path) -> None:
    """An accepted plan calls exactly the tools that a strict reading names, in that order, with their messages."""
    names, outputs = json_lists(path)
    for raw, (plan, problems) in outputs:
        if problems:
            continue
        reading = strict_json(raw)
        calling = [step for step in steps_in(reading) for _ in tools_in(step)]
        assert reading is not None, raw
        assert [step.tool for step in plan.steps] == [
            tool for step in steps_in(reading) for tool in tools_in(step)
        ], raw
        assert {step.tool for step in plan.steps} <= set(names)
        assert [step.args["task"] for step in plan.steps] == [step["message"] for step in calling], raw


@pytest.mark.parametrize("path", files("plans/json_list_plans.jsonl"))
def test_what_a_person_could_recover_is_recovered(path: Path) -> None:
    """At least 95 % of the outputs whose every step names an existing tool become plans."""
    names, outputs = json_lists(path)
    recoverable = [read for raw, read in outputs if is_recoverable(strict_json(raw), names)]
    recovered = [plan for plan, problems in recoverable if not problems and plan.steps]
    assert len(recoverable) > len(outputs) / 2
    assert len(recovered) >= 0.95 * len(recoverable)


@pytest.mark.parametrize("path", files("plans/json_list_plans.jsonl"))
def test_what_is_no_plan_is_refused_in_words(path: Path) -> None:
    """An output that names no tool is a typed problem, unless every step in it leaves "tool_use" empty."""
    _, outputs = json_lists(path)
    refused = [(plan, problems) for _, (plan, problems) in outputs if problems]
    assert refused
    for raw, (plan, problems) in outputs:
        reading = strict_json(raw)
        says_none = reading is not None and all(
            not step or step.get("tool_use") == [] for step in steps_in(reading)
        )
        assert problems or plan.steps or says_none, raw
    assert all(problem.message and problem.hint for _, problems in refused for problem in problems)


@pytest.mark.parametrize("path", files("plans/tool_graph_plans.jsonl"))
def test_every_fault_of_a_tool_graph_is_found_and_none_is_invented(path: Path) -> None:
    """Plan by plan, the check names as many faults of each class as a count by other means."""
    graphs = rows(path)
    names = seen_tools(graphs)
    tools = catalog(names, ANYTHING)
    total: Counter[str] = Counter()
    for graph in graphs:
        steps = json_steps(graph["task_nodes"])
        plan, problems = read(json.dumps(steps), tools)
        assert [step.tool for step in plan.steps] == [step["tool"] for step in steps]
        assert Counter(problem.kind for problem in problems) == faults(steps, names), graph["id"]
        total.update(problem.kind for problem in problems)
    assert set(total) == set(FAULTS)


HOSTILE = {
    "plans/react_format_failures.jsonl": "raw",
    "robust/json_repair_pairs.jsonl": "input",
    "robust/langchain_json_cases.jsonl": "input",
    "robust/giskard_prompt_injections.jsonl": "prompt",
    "robust/injected_tool_responses.jsonl": "Tool Response",
    "robust/naughty_strings.jsonl": "s",
    "robust/personal_data.jsonl": "text",
}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        pytest.param(SAMPLES / "hostile_texts.jsonl", "text", id="sample"),
        *(
            pytest.param(one.values[0], field, id=Path(name).stem)
            for name, field in HOSTILE.items()
            for one in files(name)
            if one.id == "whole"
        ),
    ],
)
def test_what_was_never_a_plan_does_no_harm(path: Path, field: str) -> None:
    """Unparsed calls, broken JSON and injections end as a plan of listed tools or as problems, however chunked."""
    tools = catalog(["search", "calculator"], ONE_TEXT)
    for row in rows(path):
        text = row[field]
        plan, problems = read(text, tools)
        assert problems or all(step.tool in tools for step in plan.steps), text
        assert problems or plan.steps or any(mark in text for mark in ("[]", "[[", "Thought:")), text
        assert read([text[at : at + 7] for at in range(0, len(text), 7)], tools) == (plan, problems)


def nemo(placeholder: str, tool: str, tool_input: Any) -> dict[str, Any]:
    """Return one step in the form that NeMo's prompt asks for."""
    return {"plan": "why", "evidence": {"placeholder": placeholder, "tool": tool, "tool_input": tool_input}}


TOOLS = catalog(["search", "calculator"], ANYTHING)
STEPS = json.dumps([nemo("#E1", "search", {"query": "x"}), nemo("#E2", "calculator", {"expression": "#E1"})])
CALLS = [("E1", "search", {"query": "x"}), ("E2", "calculator", {"expression": "#E1"})]

CRASHED_NEMO = {
    "the fence of its own prompt": f"```json\n{STEPS}\n```",
    "prose before the JSON": f"Here is the plan you asked for:\n{STEPS}",
    "prose behind the JSON": f"{STEPS}\nLet me know if it helps!",
    "thinking before the JSON": f'<think>\nMaybe [{{"tool": "fly"}}] first?\n</think>\n{STEPS}',
    "fence, prose and thinking at once": f"<think>hm</think>Sure.\n```json\n{STEPS}\n```\nDone.",
}


@pytest.mark.parametrize("name", CRASHED_NEMO)
def test_nemo_crashes_on_it_and_it_is_read(name: str) -> None:
    """What ends NeMo's run with a JSON error is the same plan here."""
    plan, problems = read(CRASHED_NEMO[name], TOOLS)
    assert problems == ()
    assert [(step.id, step.tool, step.args) for step in plan.steps] == CALLS


def test_nemo_crashes_on_a_lone_step() -> None:
    """One step without the list around it is a plan of one step."""
    plan, problems = read(json.dumps(nemo("#E1", "search", {"query": "x"})), TOOLS)
    assert (problems, [step.tool for step in plan.steps]) == ((), ["search"])


def test_nemo_crashes_on_an_empty_plan() -> None:
    """An empty list means that no tool is needed."""
    assert read("[]", TOOLS) == (Plan(), ())


SILENT_IN_NEMO: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str | None]]]] = {
    "the last of two equal ids wins": (
        [nemo("#E1", "search", {"query": "x"}), nemo("#E1", "search", {"query": "y"})],
        [("duplicate_id", "E1")],
    ),
    "a dangling reference reaches the tool as text": (
        [nemo("#E1", "search", {"query": "about #E9"})],
        [("dangling_reference", "E1")],
    ),
    "so does a step's reference to itself": (
        [nemo("#E1", "search", {"query": "#E1"})],
        [("self_reference", "E1")],
    ),
    "and both of them nested in lists": (
        [nemo("#E1", "search", {"query": [{"of": "#E1"}, ["#E9"]]})],
        [("self_reference", "E1"), ("dangling_reference", "E1")],
    ),
    "an unknown tool's error becomes evidence": (
        [nemo("#E1", "serch", {"query": "x"})],
        [("unknown_tool", "E1")],
    ),
}


@pytest.mark.parametrize("name", SILENT_IN_NEMO)
def test_nemo_is_silent_about_it_and_it_is_reported(name: str) -> None:
    """What NeMo runs as if nothing were wrong is a problem before anything runs."""
    steps, expected = SILENT_IN_NEMO[name]
    _, problems = read(json.dumps(steps), TOOLS)
    assert [(problem.kind, problem.step) for problem in problems] == expected


LOST_BY_LLMCOMPILER: dict[str, tuple[Sequence[str], list[dict[str, Any]]]] = {
    "several lines in one chunk": (
        ['1. search(query="a")\n2. search(query="b")\n3. calculator(expression="$1 + $2")\n4. join()'],
        [{"query": "a"}, {"query": "b"}, {"expression": "#E1 + #E2"}],
    ),
    "words split over chunks": (
        ['1. search(query="area', " of", ' x")', "\n2. se", 'arch(query="b")\n'],
        [{"query": "area of x"}, {"query": "b"}],
    ),
    "an argument over several lines": (
        ['1. search(query="first line\nsecond line")\n2. calculator(\n    expression="$1",\n)'],
        [{"query": "first line\nsecond line"}, {"expression": "#E1"}],
    ),
    "keyword arguments": (['1. search(query="a, b", k=3)'], [{"query": "a, b", "k": 3}]),
    "arguments in an object": (
        ['1. search(query="a")\n2. search({"query": "b", "where": {"near": ["$1", "${1}"]}})'],
        [{"query": "a"}, {"query": "b", "where": {"near": ["#E1", "#E1"]}}],
    ),
    "two million dollars": (
        [
            '1. search(query="a")\n2. search(query="b")\n3. search(query="who paid $2 million, $1.50 or $2,000")'
        ],
        [{"query": "a"}, {"query": "b"}, {"query": "who paid $2 million, $1.50 or $2,000"}],
    ),
}


@pytest.mark.parametrize("name", LOST_BY_LLMCOMPILER)
def test_llmcompiler_loses_it_and_it_is_read(name: str) -> None:
    """What LLMCompiler's stream parser drops, glues, misreads or dies of arrives whole."""
    chunks, expected = LOST_BY_LLMCOMPILER[name]
    plan, problems = read(list(chunks), TOOLS)
    assert problems == ()
    assert [step.args for step in plan.steps] == expected


def test_llmcompiler_dies_of_a_gap_in_the_numbers() -> None:
    """Steps keep the numbers they were given; a reference into the gap is a problem of that step alone."""
    numbered = '1. search(query="a")\n4. search(query="b")\n{}. calculator(expression="$1 + ${})")\n'
    plan, problems = read(numbered.replace("{}", "7", 1).replace("${})", "$4", 1), TOOLS)
    assert (problems, [step.id for step in plan.steps]) == ((), ["E1", "E4", "E7"])
    assert plan.steps[2].args == {"expression": "#E1 + #E4"}
    _, problems = read(numbered.replace("{}", "7", 1).replace("${})", "$3", 1), TOOLS)
    assert [(problem.kind, problem.step) for problem in problems] == [("dangling_reference", "E7")]


def test_llmcompiler_reads_evidence_for_references() -> None:
    """What a step returned is put in once: "$1" and "#E1" in it stay what they are, in objects too."""
    reader = PlanReader({"calculator": ["expression"]})
    steps = reader.feed('2. calculator({"expression": "$1", "notes": ["see $1"]})\n') + reader.close()
    filled = references.fill(steps[0].args, {"E1": "it cost $1, says #E1"}.__getitem__)
    assert filled == {"expression": "it cost $1, says #E1", "notes": ["see it cost $1, says #E1"]}
