"""Choosing a model for one run, through the library's own door."""

import pytest

from agent_graph import Context, build_agent
from agent_graph.errors import SettingsError, UserError
from agent_graph.settings import Settings
from agent_graph.testing import OpenAIServer

REPLIES = {"The plan that was run": "Done.", "Question: ": "Plan: no tool is needed."}


async def test_a_run_chooses_among_what_is_offered() -> None:
    """The run says which model plans, only that model is asked, and the next run has the usual one."""
    with OpenAIServer(REPLIES, models=["usual"]) as server:
        settings = Settings(openai_base_url=server.base_url, allowed_models="openai:other", web="off")
        agent = build_agent(settings=settings, tools=[])
        for knobs, name in ((Context(model="openai:other"), "other"), (Context(), "usual")):
            stream = agent.astream({"task": "Hello?"}, context=knobs, stream_mode="custom")
            modes = [part["mode"] async for part in stream if part["type"] == "run_started"]
            assert modes == [f"openai:{name}"]
        asked = [request.body["model"] for request in server.requests if "model" in request.body]
        assert asked == ["other", "other", "usual", "usual"]


async def test_a_model_that_is_not_offered_is_refused() -> None:
    """Nothing is asked of any model, and the sentence lists those there are."""
    with OpenAIServer(REPLIES, models=["usual"]) as server:
        agent = build_agent(settings=Settings(openai_base_url=server.base_url, web="off"), tools=[])
        with pytest.raises(UserError, match=r"'openai:dearest' is not offered. There are: openai:usual\."):
            await agent.ainvoke({"task": "Hello?"}, context=Context(model="openai:dearest"))
        assert not [request for request in server.requests if request.body]


def test_an_offer_that_cannot_be_kept_is_told_at_the_start() -> None:
    """A name without a provider among those offered stops the agent from being built."""
    with pytest.raises(SettingsError, match="provider:name"):
        build_agent(settings=Settings(allowed_models="best", web="off"), tools=[])
