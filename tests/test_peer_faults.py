"""Faults that other plan-first agents have, or had: each one as a story that ends well here.

The peers: the original ReWOO, NVIDIA NeMo Agent Toolkit's ReWOO agent (1.9.0), the original LLMCompiler and
LlamaIndex's copy of it, LangGraph's tutorials of both (as last published), LazyLLM's ReWOO agent, CrewAI's
plan-and-act runtime, LangChain's experimental plan-and-execute.
"""

import asyncio
from typing import Any, NamedTuple

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.memory import InMemorySaver

from agent_graph import Context, build_agent
from agent_graph.evidence import Answer, Evidence
from agent_graph.testing import FlakyTool, ScriptedModel

ROWS = [{"code": "A", "n": 1}, {"code": "B", "n": 2}]


class Ran(NamedTuple):
    """What came of a run."""

    evidence: dict[str, Evidence]
    answer: Answer
    prompts: list[str]
    """The last message of every model call, in order."""

    @property
    def values(self) -> dict[str, Any]:
        """The value of each step."""
        return {step: one.value for step, one in self.evidence.items()}


async def run(*replies: str, tools: list[Any] | None = None, **knobs: Any) -> Ran:
    """Run an agent whose models read from a script and whose tools all read."""
    model = ScriptedModel(list(replies))
    listed = [give, take, keep] if tools is None else tools
    effects: Any = {getattr(one, "name", getattr(one, "__name__", "")): "reads" for one in listed}
    agent = build_agent(models=model, tools=listed, effects=effects)
    result = await agent.ainvoke({"task": "go"}, context=Context(**{"max_replans": 0, **knobs}))
    prompts = [str(messages[-1].content) for messages in model.prompts]
    return Ran(result["evidence"], result["answer"], prompts)


GIVEN: dict[str, Any] = {
    "number": 12,
    "part": 0.5,
    "bool": True,
    "nothing": None,
    "text": "12",
    "texts": ["a", "b"],
    "numbers": [3, 1, 2],
    "empty": [],
    "rows": ROWS,
    "object": {"name": "Ann", "n": 3},
    "reference": "see #E2 and #E1.name",
    "dollars": "it is $1, ${1} or {E1}",
    "bird": "a rare bird called the hoatzin",
    "json": '{"text": "chosen by the evidence", "to": "eve"}',
}


def give(what: str) -> Any:
    """Return a thing."""
    return GIVEN[what]


def take(value: Any) -> str:
    """Say the type and value that arrived."""
    return f"{type(value).__name__} {value!r}"


def keep(text: str, to: str = "nobody") -> list[str]:
    """Return the arguments as they arrived."""
    return [text, to]


async def test_a_tenth_step_has_evidence() -> None:
    """ReWOO, original: `#E10` and up became "No evidence found", for an id was three characters long."""
    steps = [f'#E{n} = keep(text="value {n}")' for n in range(1, 12)]
    ran = await run("\n".join([*steps, '#E12 = keep(text="#E10[0], #E11[0]")']), "Done.")
    assert ran.values["E12"] == ["value 10, value 11", "nobody"]


async def test_a_reference_does_not_end_in_the_middle_of_a_number() -> None:
    """ReWOO, original and LangGraph's tutorial: `#E1` was replaced inside `#E10`, which left "<v1>0"."""
    steps = [f'#E{n} = keep(text="value {n}")' for n in range(1, 11)]
    ran = await run("\n".join([*steps, '#E11 = keep(text="#E1[0] / #E10[0] / #E1[1]0")']), "Done.")
    assert ran.values["E11"][0] == "value 1 / value 10 / nobody0"


async def test_an_unknown_tool_goes_back_to_the_planner() -> None:
    """ReWOO, original and NeMo: an unknown tool's error sentence became evidence, and the run went on with it."""
    ran = await run('#E1 = kep(text="a")\n#E2 = take(value="#E1")', '#E1 = keep(text="a")', "Done.")
    assert "There is no tool 'kep'. Did you mean 'keep'?" in ran.prompts[1]
    assert ran.values == {"E1": ["a", "nobody"]}


@pytest.mark.parametrize(
    "plan", ['#E1 = take(value="#E9")', '#E1 = take(value="#E1")', '#E1 = take(value="#E2")']
)
async def test_a_reference_to_nothing_goes_back_to_the_planner(plan: str) -> None:
    """NeMo and ReWOO: dangling, self and forward references reached the tool as the text "#E9"."""
    ran = await run(plan, '#E1 = keep(text="a")', "Done.")
    assert "#E1: " in ran.prompts[1]
    assert ran.values == {"E1": ["a", "nobody"]}


async def test_ids_of_another_form_do_not_reach_a_tool_as_text() -> None:
    """NeMo: a step called `#A` was never waited for, and what referred to it ran at once on the text "#A"."""
    ran = await run('#A = give(what="text")\n#B = take(value="#A")', '#E1 = keep(text="a")', "Done.")
    assert "Write #E1 = tool(" in ran.prompts[1]
    assert ran.values == {"E1": ["a", "nobody"]}


@pytest.mark.parametrize("again", ['#E1 = keep(text="b")', '#E2 = keep(text="b")\n#E2 = keep(text="c")'])
async def test_two_steps_of_one_name_go_back_to_the_planner(again: str) -> None:
    """NeMo lost the first of them; LangGraph's ReWOO tutorial called tools until the recursion limit of 10,007."""
    ran = await run(f'#E1 = keep(text="a")\n{again}', '#E1 = keep(text="d")', "Done.")
    assert "2 steps are called #E" in ran.prompts[1]
    assert ran.values == {"E1": ["d", "nobody"]}


async def test_evidence_that_looks_like_a_reference_is_text() -> None:
    """LangGraph's ReWOO tutorial: `#E2` inside evidence was replaced by the evidence of step 2."""
    plan = (
        '#E1 = give(what="reference")\n#E2 = give(what="object")\n'
        '#E3 = keep(text="#E1")\n#E4 = keep(text="(#E1) #E2.name")'
    )
    ran = await run(plan, "Done.")
    assert ran.values["E3"][0] == "see #E2 and #E1.name"
    assert ran.values["E4"][0] == "(see #E2 and #E1.name) Ann"


async def test_evidence_with_dollars_is_text() -> None:
    """LLMCompiler, original: `$1` inside evidence was replaced by the first task's result."""
    ran = await run('#E1 = give(what="dollars")\n#E2 = keep(text="#E1")\n#E3 = keep(text="as #E1")', "Done.")
    assert ran.values["E2"][0] == "it is $1, ${1} or {E1}"
    assert ran.values["E3"][0] == "as it is $1, ${1} or {E1}"


async def test_money_is_no_reference() -> None:
    """LLMCompiler, original: "$2 million" was a reference to task 2."""
    plan = '#E1 = keep(text="$2 million, #Eurovision, $1")\n#E2 = keep(text="x", to="${1} $2")'
    ran = await run(plan, "Done.")
    assert ran.values == {"E1": ["$2 million, #Eurovision, $1", "nobody"], "E2": ["x", "${1} $2"]}


@pytest.mark.parametrize(
    ("what", "arrives"),
    [
        ("number", "int 12"),
        ("part", "float 0.5"),
        ("bool", "bool True"),
        ("nothing", "NoneType None"),
        ("text", "str '12'"),
        ("texts", "list ['a', 'b']"),
        ("numbers", "list [3, 1, 2]"),
        ("empty", "list []"),
        ("rows", f"list {ROWS!r}"),
        ("object", "dict {'name': 'Ann', 'n': 3}"),
    ],
)
async def test_a_value_arrives_with_its_type(what: str, arrives: str) -> None:
    """NeMo: numbers became text, nothing became a sentence, a list of texts ended the run, and of rows one was left.

    An empty list raised IndexError in whatever step came next. LangGraph's LLMCompiler made everything text.
    """
    ran = await run(f'#E1 = give(what="{what}")\n#E2 = take(value="#E1")\n#E3 = keep(text="b")', "Done.")
    assert ran.values["E2"] == arrives
    assert ran.evidence["E3"].ok


async def test_a_reference_may_name_a_field() -> None:
    """NeMo: `#E1.name` became "{'name': 'Ann', 'n': 3}.name"."""
    plan = '#E1 = give(what="object")\n#E2 = keep(text="#E1.name")\n#E3 = take(value="#E1.n")'
    ran = await run(plan, "Done.")
    assert (ran.values["E2"][0], ran.values["E3"]) == ("Ann", "int 3")


async def test_one_argument_may_hold_two_references() -> None:
    """LangGraph's LLMCompiler tutorial: two references in one argument failed, "and silently too"."""
    plan = '#E1 = give(what="number")\n#E2 = give(what="part")\n#E3 = keep(text="#E1 * #E2 = ?")'
    assert (await run(plan, "Done.")).values["E3"][0] == "12 * 0.5 = ?"


async def test_references_are_filled_wherever_they_stand() -> None:
    """NeMo until its issue 2003, and LLMCompiler: references inside lists or objects reached the tool as text."""
    plan = (
        '#E1 = give(what="number")\n#E2 = give(what="rows")\n'
        '#E3 = take(value={"numbers": ["#E1", {"of": "#E2[1].n"}], "said": "#E1 rows"})'
    )
    ran = await run(plan, "Done.")
    assert ran.values["E3"] == "dict {'numbers': [12, {'of': 2}], 'said': '12 rows'}"


async def test_evidence_does_not_choose_arguments() -> None:
    """NeMo and LlamaIndex read a filled argument as JSON or Python again: evidence chose what a tool was called with."""
    plan = '#E1 = give(what="json")\n#E2 = keep("#E1")\n#E3 = keep(text="#E1", to="ann")\n#E4 = take(value="#E1")'
    ran = await run(plan, "Done.")
    assert ran.values["E2"] == [GIVEN["json"], "nobody"]
    assert ran.values["E3"] == [GIVEN["json"], "ann"]
    assert ran.values["E4"] == f"str {GIVEN['json']!r}"


async def test_evidence_is_opened_only_where_an_object_is_asked_for() -> None:
    """The line that is drawn: JSON text fills a parameter declared as an object, and that one alone."""

    def store(record: dict[str, str], to: str = "nobody") -> list[Any]:
        """Store a record."""
        return [record, to]

    ran = await run('#E1 = give(what="json")\n#E2 = store(record="#E1")', "Done.", tools=[give, store])
    assert ran.values["E2"] == [{"text": "chosen by the evidence", "to": "eve"}, "nobody"]


def fail(text: str = "") -> str:
    """Fail."""
    raise RuntimeError("the disk is full")


async def test_a_tool_that_raises_loses_no_finished_evidence() -> None:
    """NeMo by default, and LangGraph's ReWOO tutorial: one tool's exception ended the run and lost every result."""
    plan = '#E1 = keep(text="a")\n#E2 = fail(text="#E1[0]")\n#E3 = keep(text="b")'
    ran = await run(plan, "One and three are known [E1][E3].", tools=[keep, fail])
    assert ran.values == {"E1": ["a", "nobody"], "E2": None, "E3": ["b", "nobody"]}
    assert [one.step for one in ran.answer.citations] == ["E1", "E3"]


async def test_the_text_of_an_error_is_no_evidence() -> None:
    """NeMo, asked to go on, put "Tool call failed after all retry attempts" into the steps that followed.

    In CrewAI a dependency that failed counts as satisfied.
    """
    plan = '#E1 = fail()\n#E2 = keep(text="#E1")\n#E3 = keep(text="about #E2[0]")'
    ran = await run(plan, "Nothing is known.", tools=[keep, fail])
    assert [one.status for one in ran.evidence.values()] == ["failed", "skipped", "skipped"]
    assert ran.evidence["E1"].error == "the disk is full"
    assert ran.evidence["E2"].error == "#E1 has no value: it failed"


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_tool_that_raises_keeps_nobody_waiting(streamed: bool) -> None:
    """LLMCompiler, original: the event that others waited for was never set, and the run hung for ever."""
    plan = '#E1 = fail()\n#E2 = keep(text="#E1")\n#E3 = keep(text="b")'
    ran = await run(plan, "Done.", tools=[keep, fail], eager=streamed)
    assert [one.status for one in ran.evidence.values()] == ["failed", "skipped", "ok"]


async def test_wrong_arguments_are_never_tried_again() -> None:
    """NeMo retried every exception: a wrong argument cost three attempts and six seconds."""
    look = FlakyTool("look", failures=9, error=ValueError("no such city"))
    ran = await run('#E1 = look(query="x")', "Done.", tools=[look], retries=5)
    assert (len(look.calls), ran.evidence["E1"].attempts) == (1, 1)


async def test_evidence_that_does_not_fit_never_reaches_the_tool() -> None:
    """NeMo checked what it had filled in only inside the call, and made that call three times."""
    called: list[int] = []

    def double(number: int) -> int:
        """Double a number."""
        called.append(number)
        return 2 * number

    ran = await run('#E1 = give(what="reference")\n#E2 = double(number="#E1")', "Done.", tools=[give, double])
    assert (ran.evidence["E2"].failure, called) == ("bad_arguments", [])
    assert "number" in ran.evidence["E2"].error


async def test_a_second_turn_on_one_thread() -> None:
    """LangGraph's ReWOO tutorial: the second turn on a checkpointed thread raised TypeError."""
    model = ScriptedModel(['#E1 = keep(text="a")', "One [E1].", '#E1 = keep(text="b")', "Two [E1]."])
    agent = build_agent(models=model, tools=[keep], effects={"keep": "reads"}, checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    first = await agent.ainvoke({"task": "one"}, thread)
    second = await agent.ainvoke({"task": "two"}, thread)
    assert [one["evidence"]["E1"].value[0] for one in (first, second)] == ["a", "b"]
    assert second["answer"].text == "Two [E1]."


async def test_runs_of_one_agent_do_not_see_each_other() -> None:
    """LangChain's experimental plan-and-execute keeps its steps in an object that all runs share."""

    def reply(messages: list[BaseMessage]) -> str:
        """Plan with the question's own word, and answer with what was found."""
        asked = str(messages[-1].content)
        word = "ann" if "ann?" in asked else "bo"
        return f"It is {word} [E1]." if "The plan that was run" in asked else f'#E1 = keep(text="{word}")'

    agent = build_agent(models=ScriptedModel(reply), tools=[keep], effects={"keep": "reads"})
    tasks = ("Who is ann?", "Who is bo?")
    results = await asyncio.gather(*(agent.ainvoke({"task": one}) for one in tasks))
    assert [one["evidence"]["E1"].value[0] for one in results] == ["ann", "bo"]
    assert [one["answer"].text for one in results] == ["It is ann [E1].", "It is bo [E1]."]


FENCED = '```json\n[{"plan": "keep it", "evidence": {"placeholder": "#E1", "tool": "keep", "tool_input": {"text": "a"}}}]\n```'
READ = {
    "NeMo crashed on a fence, its own prompt's example": FENCED,
    "NeMo crashed on prose before the plan": f"Here is the plan you asked for:\n{FENCED}",
    "NeMo crashed on thinking": f"<think>\nPerhaps #E9?\n</think>\n{FENCED}",
    "NeMo crashed on a single object": FENCED.replace("[{", "{").replace("}]", "}"),
    "ReWOO crashed on a plan line without a step": 'Plan: think.\nPlan: keep it.\n#E1 = keep[a]\n',
    "LangGraph's tutorial dropped bold markdown": '**Plan:** keep it.\n**#E1** = keep("a")',
    "LangGraph's tutorial dropped plans of two lines": 'Plan: keep it,\nand no more.\n#E1 = keep[a]',
    "LLMCompiler took keywords for one text": '1. keep(text="a")\n2. join()<END_OF_PLAN>',
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
async def test_a_plan_that_a_peer_could_not_read_is_run(name: str) -> None:
    """Fences, prose, thinking and markdown around a plan crash a peer or cost it steps."""
    ran = await run(READ[name], "Done [E1].", tools=[keep])
    assert len(ran.prompts) == 2  # the planner was not asked again
    assert ran.values == {"E1": ["a", "nobody"]}


async def test_a_call_that_is_not_closed_goes_back_to_the_planner() -> None:
    """ReWOO, original: the last character of a call was dropped, whether or not it was the closing bracket."""
    ran = await run("Plan: keep it.\n#E1 = keep[abc", "#E1 = keep[abc]", "Done.")
    assert "The call of keep is not closed." in ran.prompts[1]
    assert ran.values == {"E1": ["abc", "nobody"]}


@pytest.mark.parametrize("nothing", ["[]", "```json\n[]\n```", "Plan: no tool is needed."])
async def test_a_plan_without_steps_is_a_plan(nothing: str) -> None:
    """NeMo raised "executor invoked after all levels complete"; LangGraph's tutorial, IndexError."""
    ran = await run(nothing, "Hello.")
    assert (ran.answer.text, ran.evidence) == ("Hello.", {})


async def test_tool_names_and_inputs_keep_their_characters() -> None:
    """LangGraph's ReWOO tutorial dropped tools with a dash in their name, and cut inputs at the first "]"."""
    dashed: BaseTool = StructuredTool.from_function(keep, name="keep-it", description="Keep.")
    ran = await run('#E1 = keep-it(text="a[0] and [b]")\n#E2 = keep-it[x[1] or y]', "Done.", tools=[dashed])
    assert [value[0] for value in ran.values.values()] == ["a[0] and [b]", "x[1] or y"]


async def test_a_list_may_be_an_argument() -> None:
    """LazyLLM: everything after the first "]" of a call was cut off, and with it every list argument."""
    ran = await run('#E1 = take[{"value": [["a", "b"], ["c"]]}]', "Done.")
    assert ran.values["E1"] == "list [['a', 'b'], ['c']]"


async def test_numbers_of_steps_may_have_gaps() -> None:
    """LLMCompiler, original: a gap in the numbers raised KeyError."""
    ran = await run('#E2 = keep(text="a")\n#E7 = keep(text="#E2[0]!")', "Done.")
    assert ran.values["E7"] == ["a!", "nobody"]


async def test_an_answer_is_whole() -> None:
    """LLMCompiler cut answers at the first ")" and lost those of several lines; LlamaIndex, those that ended in a newline."""
    said = "First for Women (magazine) came first [E1].\n\nIt began (as a monthly) in 1989 [E1].\n"
    ran = await run('#E1 = keep(text="First for Women (magazine) began as a monthly in 1989")', said)
    assert ran.answer.text == said.strip()


async def test_evidence_stands_in_the_solvers_prompt_once() -> None:
    """NeMo printed filled inputs and results: three chained steps put one piece of evidence there eight times."""

    def measure(text: str, unit: str = "m") -> str:
        """Measure a text."""
        return f"{len(text)} {unit}"

    plan = '#E1 = give(what="bird")\n#E2 = measure(text="#E1")\n#E3 = measure(text="#E1 is #E2", unit="cm")'
    ran = await run(plan, "Done.", tools=[give, measure])
    assert ran.values["E3"] == "38 cm"
    assert ran.prompts[-1].count(GIVEN["bird"]) == 1


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_planning_again_has_an_end(limit: int) -> None:
    """LangGraph's LLMCompiler tutorial planned again without bound; LLMCompiler raised UnboundLocalError at a bound of 0."""
    rounds = [
        part for n in range(limit + 1) for part in (f'#E{n + 1} = keep(text="{n}")', "INSUFFICIENT: more")
    ]
    ran = await run(*rounds, max_replans=limit)
    assert ran.answer.insufficient == "more"
    assert len(ran.evidence) == limit + 1


async def test_planning_again_happens_and_may_refer_to_what_is_known() -> None:
    """LlamaIndex's replanning never fired; in LLMCompiler a second plan that named an earlier step raised KeyError."""
    ran = await run(
        '#E1 = keep(text="a")',
        "INSUFFICIENT: the rest",
        '#E2 = keep(text="#E1[0] and b")',
        "All of it [E2].",
        max_replans=1,
    )
    assert ran.values["E2"] == ["a and b", "nobody"]
    assert ran.answer.text == "All of it [E2]."
