"""What Studio draws its forms from, as real servers serve it."""

from typing import Any

import pytest
from langgraph_sdk import get_client
from served import Locked

from agent_graph import Context, build_agent
from agent_graph.settings import Settings

BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


async def schemas(opened: Locked, graph: str) -> dict[str, Any]:
    async with get_client(url=opened.url, api_key=opened.bob) as bob:
        found = await bob.assistants.search(graph_id=graph, limit=100)
        (assistant,) = [one for one in found if one["name"] == graph]
        return dict(await bob.assistants.get_schemas(assistant["assistant_id"]))


@pytest.mark.server
async def test_the_model_is_chosen_from_a_list(either: Locked) -> None:
    """The form offers the models that the operator allowed, or none of them."""
    knob = (await schemas(either, "agent"))["context_schema"]["properties"]["model"]
    assert knob["anyOf"] == [{"type": "string", "enum": ["openai:other-model"]}, {"type": "null"}]
    assert knob["default"] is None


@pytest.mark.server
async def test_every_knob_can_be_drawn(either: Locked) -> None:
    """Each has a title, a description and its default; numbers have bounds, words a list."""
    knobs = (await schemas(either, "agent"))["context_schema"]["properties"]
    assert set(knobs) == set(Context.model_fields)
    for name, knob in knobs.items():
        assert {"title", "description", "default"} <= set(knob), name
        if knob.get("type") in ("integer", "number"):
            assert len(BOUNDS & set(knob)) == 2, name
        elif knob.get("type") == "string":
            assert knob["enum"], name


@pytest.mark.server
@pytest.mark.parametrize(
    ("graph", "part", "names"),
    [
        ("agent", "input_schema", {"messages", "task"}),
        (
            "agent",
            "output_schema",
            {"messages", "task", "plan", "evidence", "replans", "answer", "usage", "findings"},
        ),
        ("ingest", "input_schema", {"folder", "prune"}),
        ("ingest", "output_schema", {"report"}),
    ],
)
async def test_every_field_can_be_drawn(either: Locked, graph: str, part: str, names: set[str]) -> None:
    """What goes in and what comes out has titles and descriptions; a folder is chosen from a list."""
    fields = (await schemas(either, graph))[part]["properties"]
    assert set(fields) == names
    for name, field in fields.items():
        assert field["description"], name
        assert field.get("title") or field["$ref"], name  # what it refers to has one
    if "folder" in fields:
        assert fields["folder"]["enum"] == ["handbook", "private"]


def test_where_there_is_no_choice_no_model_is_asked_for() -> None:
    """Without a list the form has no such field, and a copy of the agent has the same form."""
    for allowed, offered in (("", False), ("openai:other", True)):
        agent = build_agent(
            settings=Settings(allowed_models=allowed, openai_api_key="x", web="off"), tools=[]
        )
        for one in (agent, agent.with_config(tags=["copied"])):
            assert ("model" in one.get_context_jsonschema()["properties"]) == offered
