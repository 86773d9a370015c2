"""From the environment to an agent, with a model over real HTTP."""

import asyncio
from pathlib import Path

import pytest
from langchain_core.tools import BaseTool, tool

from agent_graph import build_agent
from agent_graph.bootstrap import choose_models, find_knowledge, offer
from agent_graph.errors import SettingsError
from agent_graph.settings import read_settings
from agent_graph.testing import OpenAIServer

DIAMOND = """\
Plan: a diamond with a tail.
#E1 = first(x="go")
#E2 = slow(x="#E1")
#E3 = quick(x="#E1")
#E4 = meet(x="#E2 #E3")
#E5 = early(x="#E3")
#E6 = last(x="#E4 #E5")
"""


def diamond() -> list[BaseTool]:
    """Return six tools; `slow` only returns once `early` has begun, which no level-wise runner lets happen."""
    early_began = asyncio.Event()

    def make(name: str) -> BaseTool:
        async def run(x: str) -> str:
            if name == "early":
                early_began.set()
            if name == "slow":
                await early_began.wait()
            return f"{name}({x})"

        return tool(name, description=f"Do the {name} thing.")(run)

    return [make(name) for name in ("first", "slow", "quick", "meet", "early", "last")]


async def test_an_openai_compatible_server_is_all_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With only OPENAI_BASE_URL set, the served model plans and answers, as a dataflow, with usage by role."""
    with OpenAIServer(
        {"The plan that was run": "Done [E6].", "Question: ": DIAMOND}, models=["served"]
    ) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        tools = diamond()
        agent = build_agent(tools=tools, effects={one.name: "reads" for one in tools})
        result = await agent.ainvoke({"task": "go"})
    assert (
        result["evidence"]["E6"].value
        == "last(meet(slow(first(go)) quick(first(go))) early(quick(first(go))))"
    )
    assert result["answer"].text == "Done [E6]."
    assert result["plan"].author == "openai:served"
    for role in ("planner", "solver"):
        assert result["usage"][role].calls == 1
        assert result["usage"][role].input_tokens > result["usage"][role].output_tokens > 0


def test_no_model_means_extractive_mode() -> None:
    """Nothing in the environment, nothing pretended."""
    assert choose_models(None, read_settings()).mode == "extractive mode"


def test_a_key_alone_means_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_API_KEY is enough; nothing is called to find out."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert choose_models(None, read_settings()).mode == "openai:gpt-5-mini"


def test_each_role_may_have_its_own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role's variable wins over the common one, and commas make a chain."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("AGENT_GRAPH_MODEL", "openai:big,openai:spare")
    monkeypatch.setenv("AGENT_GRAPH_SOLVER_MODEL", "openai:small")
    models = choose_models(None, read_settings())
    assert models.planner is not None
    assert models.solver is not None
    assert [one.name for one in models.planner.models] == ["openai:big", "openai:spare"]
    assert models.solver.name == "openai:small"


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which address was asked and what to set instead."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1:9/v1/models.*AGENT_GRAPH_MODEL"):
        choose_models(None, read_settings())


def test_a_wrong_setting_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person can find what to change."""
    monkeypatch.setenv("AGENT_GRAPH_WEB", "sometimes")
    with pytest.raises(SettingsError, match="AGENT_GRAPH_WEB"):
        read_settings()


def test_without_documents_there_is_no_knowledge_and_it_is_said() -> None:
    """Nothing is created by looking, and the absent tool has its reason."""
    settings = read_settings()
    assert find_knowledge(settings) is None
    assert not Path(settings.where).exists()
    offered = offer(settings, choose_models(None, settings), None)
    assert "ingest" in offered.absent["search_documents"]
    assert {one.name for one in offered.tools} == {"calculator", "clock", "extract"}
