"""What the planner's prompt costs: tools as one line each, beside the JSON schemas that providers are sent."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from tokenizers import Tokenizer

from agent_graph.planner import prompt
from tools.catalog import Catalog, signature

TOOLS = Path(__file__).parent / "plans" / "workbench_tools.json"
VOCABULARY = "tokenizers/l2_supercat_tokenizer_config.json"


@pytest.fixture(scope="module")
def tools() -> list[BaseTool]:
    """Six office tools, with the dots in their names made something that a plan can write."""

    def stand_in(**given: Any) -> str:
        return str(given)

    return [
        StructuredTool.from_function(
            func=stand_in,
            name=one["name"].replace(".", "_"),
            description=one["description"],
            args_schema={"type": "object", "title": one["name"], "properties": one["args"]},
        )
        for one in json.loads(TOOLS.read_text(encoding="utf-8"))
    ]


@pytest.fixture(scope="module")
def vocabulary() -> Tokenizer:
    """The tokenizer that comes inside the wordllama wheel."""
    return Tokenizer.from_file(str(files("wordllama").joinpath(VOCABULARY)))


def test_tool_lines_cost_at_most_a_third_of_json_schemas(
    tools: list[BaseTool], vocabulary: Tokenizer
) -> None:
    """With one tokenizer for both, our lines for six documented tools are a third of their schemas or less."""
    catalog = Catalog(tools, {tool.name: "reads" for tool in tools})
    lines = "\n".join(f"- {signature(spec)}" for spec in catalog.values())
    schemas = json.dumps([convert_to_openai_tool(tool) for tool in tools], separators=(",", ":"))
    ours, theirs = (len(vocabulary.encode(text, add_special_tokens=False).ids) for text in (lines, schemas))
    assert ours <= theirs / 3
    assert lines in str(prompt.system(catalog, 16).content)


def test_no_tool_and_no_argument_is_saved_on(tools: list[BaseTool]) -> None:
    """Every tool stands in the prompt on a line of its own, with all its arguments and what it does."""
    catalog = Catalog(tools, {tool.name: "reads" for tool in tools})
    lines = {
        line.partition("(")[0].removeprefix("- "): line
        for line in str(prompt.system(catalog, 16).content).splitlines()
    }
    for tool in tools:
        shown = lines[tool.name].replace("?: ", ": ")
        assert all(f"{argument}: any" in shown for argument in catalog[tool.name].properties)
        assert tool.description.partition(".")[0] in shown
