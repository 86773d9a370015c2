"""The plan reader: what models really write, in any chunks."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_graph.planner.grammar import PlanReader, read_plan

TOOLS = {
    "search_documents": ["query", "k"],
    "extract": ["question", "text"],
    "calculator": ["expression"],
    "search": ["query"],
    "Google": ["input"],
    "LLM": ["input"],
}

Calls = list[tuple[str, str, dict[str, Any]]]

CANONICAL = """\
Plan: find both signing years, then subtract.
#E1 = search_documents(query="date the Treaty of Ryswick was signed", k=4)  # first treaty
#E2 = search_documents(query="date the Treaty of Aachen was signed", k=4)  # second treaty
#E3 = extract(question="year of signing", text="#E1")  # a bare number
#E4 = extract(question="year of signing", text="#E2") after #E1, #E3  # a bare number
#E5 = calculator(expression="#E4 - #E3")
"""
CANONICAL_CALLS: Calls = [
    ("E1", "search_documents", {"query": "date the Treaty of Ryswick was signed", "k": 4}),
    ("E2", "search_documents", {"query": "date the Treaty of Aachen was signed", "k": 4}),
    ("E3", "extract", {"question": "year of signing", "text": "#E1"}),
    ("E4", "extract", {"question": "year of signing", "text": "#E2"}),
    ("E5", "calculator", {"expression": "#E4 - #E3"}),
]
PAPER = """\
Plan: Search for the film. #E1 = Google[who directed "Oldboy [2003]"]
Plan: Ask when he was born.
#E2 = LLM[Given #E1, what's the year?]
"""
COMPILER = """\
1. search("Ronaldo's number of kids")
2. search("it's $2 million, $1, $9")
3. calculator("$1 + ${2} * 2")
Thought: I can answer the question now.
4. join()<END_OF_PLAN>
"""
NEMO = """\
<think>Maybe #E1 = search(query="a draft") would do.</think>
Here is the plan:
```json
[{"plan": "find", "evidence": {"placeholder": "#E1", "tool": "search", "tool_input": {"query": "x"}}},
 {"plan": "count", "evidence": {"placeholder": "#E2", "tool": "calculator", "tool_input": "#E1 + 2"}},]
```
I hope this helps!
"""
ACCEPTED: dict[str, tuple[str, Calls]] = {
    "canonical": (CANONICAL, CANONICAL_CALLS),
    "fenced": (f"Sure!\n\n```python\n{CANONICAL}```\nDone.", CANONICAL_CALLS),
    "windows": (CANONICAL.replace("\n", "\r\n"), CANONICAL_CALLS),
    "thinking": (f'<think>\n#E1 = search(query="no")\n</think>\n{CANONICAL}', CANONICAL_CALLS),
    "thinking without its opening tag": (f'#E1 = search(query="no")\n</think>\n{CANONICAL}', CANONICAL_CALLS),
    "bold and lists": (
        CANONICAL.replace("#E1 =", "- **#E1** =").replace("#E2 =", "2. #E2 =").replace("#E3 =", "* `#E3` ="),
        CANONICAL_CALLS,
    ),
    "paper": (
        PAPER,
        [
            ("E1", "Google", {"input": 'who directed "Oldboy [2003]"'}),
            ("E2", "LLM", {"input": "Given #E1, what's the year?"}),
        ],
    ),
    "llmcompiler": (
        COMPILER,
        [
            ("E1", "search", {"query": "Ronaldo's number of kids"}),
            ("E2", "search", {"query": "it's $2 million, #E1, $9"}),
            ("E3", "calculator", {"expression": "#E1 + #E2 * 2"}),
        ],
    ),
    "nemo": (NEMO, [("E1", "search", {"query": "x"}), ("E2", "calculator", {"expression": "#E1 + 2"})]),
    "placeholders of another name": (
        '[{"plan": "a", "evidence": {"placeholder": "#A", "tool": "search", "tool_input": {"query": "x"}}},'
        '{"plan": "b", "evidence": {"placeholder": "#B", "tool": "search", "tool_input": {"query": "#A, not #AB"}}}]',
        [("E1", "search", {"query": "x"}), ("E2", "search", {"query": "#E1, not #AB"})],
    ),
    "nodes counted from zero": (
        '[{"tool": "search", "args": {"query": "x"}}, {"tool": "search", "args": {"query": "<node-0> <Node_0>"}}]',
        [("E1", "search", {"query": "x"}), ("E2", "search", {"query": "#E1 #E1"})],
    ),
    "a number too long to keep": (
        "#E1 = search(123456789012345678901234567890)",
        [("E1", "search", {"query": "123456789012345678901234567890"})],
    ),
    "lone object": ('{"tool": "search", "args": {"query": "a"}}', [("E1", "search", {"query": "a"})]),
    "json lines": (
        '{"id": 1, "tool": "search", "args": {"query": "a"}}\n{"id": 2, "tool": "search", "args": {"query": "$1"}}\n',
        [("E1", "search", {"query": "a"}), ("E2", "search", {"query": "#E1"})],
    ),
    "object with steps": (
        '{"strategy": "s", "steps": [{"id": "E1", "tool": "search", "input": "x"}, {"id": 2, "tool_name": "search", "parameters": {"query": "y"}, "depends_on": [1]}]}',
        [("E1", "search", {"query": "x"}), ("E2", "search", {"query": "y"})],
    ),
    "json arguments": ('#E1 = search({"query": "a (b) ] c"})', [("E1", "search", {"query": "a (b) ] c"})]),
    "positional": ('#E1 = search_documents("x", 3)', [("E1", "search_documents", {"query": "x", "k": 3})]),
    "bare words with commas": ("#E1 = search(Paris, France)", [("E1", "search", {"query": "Paris, France"})]),
    "unquoted references": (
        "#E2 = calculator(expression=#E1 - 3)",
        [("E2", "calculator", {"expression": "#E1 - 3"})],
    ),
    "typographic quotes": ("#E1 = search(query=“what’s up”)", [("E1", "search", {"query": "what’s up"})]),
    "inner quotes": (
        '#E1 = search(query="the "best" film")',
        [("E1", "search", {"query": 'the "best" film'})],
    ),
    "apostrophes": ("#E1 = search(query='it\\'s Ann's')", [("E1", "search", {"query": "it's Ann's"})]),
    "triple quotes": ('#E1 = search(query="""a\nb "c" )""")', [("E1", "search", {"query": 'a\nb "c" )'})]),
    "multi-line arguments": (
        '#E1 = search_documents(\n    query="a",\n    k=2,\n)\n#E2 = search(query="b")',
        [("E1", "search_documents", {"query": "a", "k": 2}), ("E2", "search", {"query": "b"})],
    ),
    "constants and structures": (
        "#E1 = f(a=true, b=None, c=[1, 'x'], d={\"y\": 1.5}, e=-2e3,)",
        [("E1", "f", {"a": True, "b": None, "c": [1, "x"], "d": {"y": 1.5}, "e": -2000.0})],
    ),
    "calls without ids": (
        'search(query="a")\nsearch(query="#E1")',
        [("E1", "search", {"query": "a"}), ("E2", "search", {"query": "#E1"})],
    ),
    "no tool is needed": ("Plan: answer directly, no tool is needed.", []),
    "empty list": ("[]", []),
    "unknown tools are kept for the check": ('#E1 = serch(query="a")', [("E1", "serch", {"query": "a"})]),
    "more arguments than parameters": (
        '#E1 = search("a", "b")',
        [("E1", "search", {"query": "a", "argument_1": "b"})],
    ),
}


def calls(text: str | list[str]) -> Calls:
    plan, problems = read_plan(text, TOOLS)
    assert problems == ()
    return [(step.id, step.tool, step.args) for step in plan.steps]


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_reads_what_models_write(name: str) -> None:
    """Every form with one reading is read, and nothing around it is taken for a step."""
    text, expected = ACCEPTED[name]
    assert calls(text) == expected


@settings(max_examples=30)
@given(name=st.sampled_from(sorted(ACCEPTED)), seed=st.integers(0, 2**32))
def test_chunking_never_matters(name: str, seed: int) -> None:
    """Any split of any accepted text yields the same steps, reasons and order."""
    text, _ = ACCEPTED[name]
    choice, chunks, at = random.Random(seed), [], 0
    while at < len(text):
        size = choice.choice([1, 1, 2, 3, 7, 20])
        chunks.append(text[at : at + size])
        at += size
    assert read_plan(chunks, TOOLS) == read_plan(text, TOOLS)


def test_a_step_exists_as_soon_as_its_call_is_complete() -> None:
    """The step is out before its reason, and before the next line is written."""
    reader = PlanReader(TOOLS)
    assert reader.feed('Plan: p\n#E1 = search(query="a"') == []
    assert [step.id for step in reader.feed(")  #")] == ["E1"]
    assert reader.feed(" because\n#E2 = sea") == []
    assert [step.id for step in reader.feed('rch(query="b")\n')] == ["E2"]
    assert [step.reason for step in reader.plan().steps] == ["because", ""]


def test_reasons_order_and_strategy_are_kept() -> None:
    """What the planner wrote around its calls is part of the plan."""
    plan, _ = read_plan(CANONICAL, TOOLS)
    assert plan.strategy == "find both signing years, then subtract."
    assert [step.reason for step in plan.steps] == [
        "first treaty",
        "second treaty",
        "a bare number",
        "a bare number",
        "",
    ]
    assert plan.by_id["E4"].after == ("E1", "E3")
    paper, _ = read_plan(PAPER, TOOLS)
    assert [step.reason for step in paper.steps] == ["Search for the film.", "Ask when he was born."]


def test_the_canonical_text_of_a_plan_reads_back_as_the_same_plan() -> None:
    """What is shown to a person for editing is what the reader reads."""
    plan, _ = read_plan(CANONICAL, TOOLS)
    again, problems = read_plan(str(plan), TOOLS)
    assert problems == ()
    assert again == plan


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("#E1 = search for the thing\n", "E1"),
        ('#E1 = search(query="a\n#E2 = calculator(1+2)', "E1"),
        ('#E1 = search(query="a", k=', "E1"),
        ('[{"id": 1, "tool": "search", "args": {"query": "who wa', "E1"),
        ("I would call search(query) and then think about #E1 = nothing", None),
        ("An unexpected error occurred: the model is loading", None),
        ('[{"message": "Use the search tool to find it."}]', None),
        ("", None),
        ("Thought: I know what to respond.", None),
    ],
)
def test_what_looks_like_a_step_and_cannot_be_read_is_a_problem(text: str, step: str | None) -> None:
    """A malformed step is reported with its id; it never disappears."""
    _, problems = read_plan(text, TOOLS)
    assert [(problem.kind, problem.step) for problem in problems] == [("unreadable", step)]


def test_parallel_tool_calls_of_a_chat_model_are_a_plan() -> None:
    """A model that answers with tool calls instead of text has planned too."""
    reader = PlanReader(TOOLS)
    reader.close()
    reader.take(
        [
            {"name": "search", "args": {"query": "a"}, "id": "call_x"},
            {"name": "calculator", "args": {"expression": "1"}, "id": "call_y"},
        ]
    )
    assert [(step.id, step.tool) for step in reader.plan().steps] == [("E1", "search"), ("E2", "calculator")]


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [
                "#E1 = search(",
                '"',
                "'",
                ")",
                "]",
                "[",
                "{",
                "}",
                "#E2",
                "\n",
                "Plan:",
                "<think>",
                "</think>",
                "1. f(",
                "after #E1",
                "x",
                " = ",
                "“",
                "\\",
                "```",
            ]
        ),
        max_size=30,
    )
)
def test_noise_never_crashes_the_reader(pieces: list[str]) -> None:
    """Any mixture of the grammar's own pieces ends as a plan or as problems, the same for any chunking."""
    assert read_plan(pieces, TOOLS) == read_plan("".join(pieces), TOOLS)


@pytest.mark.parametrize(
    "piece",
    ["(", "#E1 = f(", '"', "[{", "<think>", "#E1 = f[", "\n1. a(", '{"a":', "Plan: x\n", "after #E1 "],
)
def test_a_megabyte_of_hostile_text_is_read_in_bounded_time(piece: str) -> None:
    """No input makes the reader backtrack or rescan without end (the suite's timeout is the bound)."""
    reader = PlanReader(TOOLS)
    reader.feed(piece * (1_000_000 // len(piece)))
    reader.close()


def test_a_step_of_another_name_is_a_problem_and_not_silence() -> None:
    """A line that names its step otherwise than E and a number is reported, also beside good ones."""
    plan, problems = read_plan('#A = look(name="Ann")\n#E2 = look(name="#A")\n', {"look": ["name"]})
    assert [step.id for step in plan.steps] == ["E2"]
    assert [problem.message for problem in problems] == ["'#A' is no name of a step."]
