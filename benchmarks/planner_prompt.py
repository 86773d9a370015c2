"""How many tokens the planner's prompt spends on 27 office tools, beside two other ways to show the same tools.

The tools are WorkBench's. One tokenizer counts everything: the one inside the wordllama wheel (32,000 words, of the
Llama 2 family), so nothing is downloaded. No model is called; two runs give the same numbers.

    python benchmarks/planner_prompt.py DATA [--out benchmarks/results]

DATA holds workbench/tools.json; the environment variable AGENT_GRAPH_BENCH_DATA names it as well.
"""

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from folders import folders
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, create_model
from tokenizers import Tokenizer

from agent_graph.context import Context
from agent_graph.planner import prompt
from tools.catalog import Catalog, Effects, signature
from tools.signature import first_sentence

TOOLS = "workbench/tools.json"
VOCABULARY = "tokenizers/l2_supercat_tokenizer_config.json"
WRITES = ("create", "update", "add", "delete", "send", "forward", "reply")
"""First words of the tools that change something, as their names plainly say."""
BOUND = 1 / 3
"""Our lines must cost at most this share of the JSON schemas."""


def main() -> int:
    asked = folders(__doc__, (TOOLS,))
    described = json.loads((asked.data / TOOLS).read_text(encoding="utf-8"))
    numbers = measure([office_tool(one) for one in described])
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "planner_prompt.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    (asked.out / "planner_prompt.md").write_text(_table(numbers), encoding="utf-8")
    print(_table(numbers))
    return 0 if numbers["tool_lines"] <= BOUND * numbers["openai_schemas"] else 1


def measure(tools: Sequence[BaseTool]) -> dict[str, int]:
    """Return the tokens of each way to show these tools, and of our whole fixed prompt."""
    count = counter()
    effects: dict[str, Effects] = {tool.name: "writes" if _writes(tool.name) else "reads" for tool in tools}
    catalog = Catalog(tools, effects)
    bare = [tool.model_copy(update={"description": first_sentence(tool.description)}) for tool in tools]
    return {
        "tools": len(tools),
        "tool_lines": count("\n".join(f"- {signature(spec)}" for spec in catalog.values())),
        "fixed_prompt": count(str(prompt.system(catalog, Context().max_steps).content)),
        "openai_schemas": count(openai_schemas(tools)),
        "openai_schemas_first_sentence": count(openai_schemas(bare)),
        "field_dump": count(field_dump(tools)),
        "field_dump_first_sentence": count(field_dump(bare)),
    }


def office_tool(described: dict[str, Any]) -> BaseTool:
    """Return a tool of the file; "." becomes "_", for neither a plan nor a provider takes it in a name."""

    def stand_in(**given: Any) -> str:
        return str(given)

    name = described["name"].replace(".", "_")
    fields: dict[str, Any] = {
        argument: (Any, Field(default=said["default"], title=said["title"]))
        for argument, said in described["args"].items()
    }
    return StructuredTool.from_function(
        func=stand_in,
        name=name,
        description=described["description"],
        args_schema=create_model(name, __base__=BaseModel, **fields),
    )


def openai_schemas(tools: Sequence[BaseTool]) -> str:
    """Return the tools as OpenAI's function schemas, in compact JSON."""
    return json.dumps([convert_to_openai_tool(tool) for tool in tools], separators=(",", ":"))


def field_dump(tools: Sequence[BaseTool]) -> str:
    """Return the tools as NeMo Agent Toolkit's ReWOO planner prints them."""
    return "\n".join(
        f"{tool.name}: {tool.description}. Arguments must be provided as a valid JSON object following this "
        f"format: {tool.get_input_schema().model_fields}"  # type: ignore[union-attr]
        for tool in tools
    )


def counter() -> Callable[[str], int]:
    """Return a function that counts tokens."""
    vocabulary = Tokenizer.from_file(str(files("wordllama").joinpath(VOCABULARY)))
    return lambda text: len(vocabulary.encode(text, add_special_tokens=False).ids)


def _writes(name: str) -> bool:
    return any(f"_{word}_" in name for word in WRITES)


def _table(numbers: dict[str, int]) -> str:
    ours = numbers["tool_lines"]
    shown = {
        "our tool lines": "tool_lines",
        "(a) OpenAI function schemas, compact JSON": "openai_schemas",
        "(b) NeMo's field dump": "field_dump",
        "(a) with the first sentence of each description only": "openai_schemas_first_sentence",
        "(b) with the first sentence of each description only": "field_dump_first_sentence",
    }
    rows = "\n".join(
        f"| {what} | {numbers[key]:,} | {ours / numbers[key]:.1%} |" for what, key in shown.items()
    )
    return f"""\
# Tokens of the planner's prompt for {numbers["tools"]} tools

WorkBench's {numbers["tools"]} office tools. One tokenizer for all: the one in the wordllama wheel (32,000 words, of the
Llama 2 family). Made by `benchmarks/planner_prompt.py`.

| the tools as | tokens | ours beside it |
|---|---|---|
{rows}

The whole fixed prompt, with rules and our tool lines, is {numbers["fixed_prompt"]:,} tokens.

Read it with care: most of the saving against (a) and (b) is that a tool line keeps the first sentence of a
description. These tools say their argument types, formats and an example call in the rest of it, and their schemas
have no types, so our lines show every argument as `any`. With the same first sentence on all sides the form alone is
measured: the last two rows.
"""


if __name__ == "__main__":
    raise SystemExit(main())
