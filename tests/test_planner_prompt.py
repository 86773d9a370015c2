"""What the planner reads, and in which form it may be made to answer."""

import json

import pytest
from langchain_core.tools import BaseTool, StructuredTool

from agent_graph import Context, build_agent
from agent_graph.planner import prompt
from agent_graph.planner.relevance import most_relevant
from agent_graph.testing import OpenAIServer, ScriptedModel
from tools.catalog import Catalog


def named(name: str, about: str) -> BaseTool:
    """Return a tool that only has a name and a description."""
    return StructuredTool.from_function(func=lambda text="": text, name=name, description=about)


NOUNS = ("invoice", "calendar", "customer", "parcel", "ticket", "contract", "budget", "device")
VERBS = ("create", "delete", "list", "archive", "share", "export", "find", "rename")
MANY = [
    named(f"{verb}_{noun}", f"{verb.title()}s one {noun} of the office.") for noun in NOUNS for verb in VERBS
] * 2


def large() -> Catalog:
    """Return 130 tools."""
    tools = [
        named(f"{one.name}_{at}" if at >= 64 else one.name, one.description) for at, one in enumerate(MANY)
    ]
    extra = [named("extract", "Reads a value."), named("getWeather", "Tells the forecast.")]
    return Catalog([*tools, *extra], {})


@pytest.mark.parametrize(
    ("task", "tool"),
    [
        ("Please rename the contract with Acme", "rename_contract"),
        ("export all parcels", "export_parcel"),
        ("What will the weather be?", "getWeather"),
        ("Which tickets were archived?", "archive_ticket"),
    ],
)
def test_a_large_catalogue_is_cut_to_what_the_task_speaks_of(task: str, tool: str) -> None:
    """The prompt stays bounded, the tools that matter and the core are in it."""
    shown = most_relevant(large(), task, 12)
    assert len(shown) == 12
    assert tool in shown
    assert "extract" in shown


@pytest.mark.parametrize("task", ["", "?!", '" OR *', "NEAR(a b", "\x00", "x" * 100_000])
def test_odd_questions_choose_tools_too(task: str) -> None:
    """Nothing in a question is search syntax."""
    assert len(most_relevant(large(), task, 12)) == 12


def test_a_small_catalogue_is_shown_whole_and_in_order() -> None:
    """Within the limit the fixed part of the prompt never changes."""
    catalog = Catalog(MANY[:5], {})
    assert most_relevant(catalog, "anything", 5) is catalog


def test_the_prompt_of_a_run_is_bounded() -> None:
    """`max_tools_in_prompt` is a knob of the run; a tool not shown may still be called by a plan."""
    model = ScriptedModel(['#E1 = delete_device(text="x")', "Done [E1]."])
    agent = build_agent(models=model, tools=[spec.tool for spec in large().values()])
    result = agent.invoke({"task": "export the parcels"}, context=Context(max_tools_in_prompt=8))
    asked = str(model.prompts[0][0].content)
    assert asked.count("\n- ") - asked.split("Tools:")[0].count("\n- ") == 8
    assert "export_parcel(" in asked
    assert result["evidence"]["E1"].value == "x"


def test_examples_name_only_tools_that_exist() -> None:
    """A planner is never taught to call what is not there; a tool's own examples are shown."""
    bare = str(prompt.system(Catalog(MANY[:1], {}), 16).content)
    assert "search_documents" not in bare
    own = named("zip", "Packs files.")
    own.metadata = {"examples": ['zip(text="a.txt")'], "effects": "writes", "returns": "text"}
    shown = str(prompt.system(Catalog([own]), 16).content)
    assert 'zip(text="a.txt")' in shown
    assert "[writes]" in shown
    assert "-> text" in shown


async def test_a_model_that_supports_it_can_be_held_to_a_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """With plan_format="json" the request carries a strict schema, and its reply is read like any plan."""
    plan = {
        "strategy": "look",
        "steps": [
            {"id": "E1", "tool": "look", "arguments": '{"text": "a \\"b\\""}', "after": [], "reason": "why"}
        ],
    }
    for name, strict in (("gpt-5-mini", True), ("some-local-model", False)):
        with OpenAIServer([json.dumps(plan), "Done [E1]."], models=[name]) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            agent = build_agent(tools=[named("look", "Looks.")], effects={"look": "reads"})
            result = await agent.ainvoke({"task": "go"}, context=Context(plan_format="json"))
            asked = [request.body.get("response_format") for request in server.requests if request.body]
        assert (asked[0] is not None) == strict
        assert asked[1] is None  # only the planner
        assert result["evidence"]["E1"].value == 'a "b"'
        assert result["plan"].strategy == "look"
        if strict:
            schema = asked[0]["json_schema"]
            assert schema["strict"] is True
            assert schema["schema"]["properties"]["steps"]["items"]["properties"]["tool"]["enum"] == ["look"]
