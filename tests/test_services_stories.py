"""The stories of test_agent.py once more, with each role behind HTTP, named by the settings."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import test_agent
from langchain_core.tools import BaseTool
from pydantic import SecretStr
from role_services import TOKEN, served

from agent_graph import Agent, build_agent
from agent_graph.models import choose
from agent_graph.services import planner_app, solver_app, worker_app
from agent_graph.settings import read_settings
from agent_graph.testing import ScriptedModel
from tools.catalog import Catalog

LOCAL_ONLY = {
    "test_a_tool_may_ask_a_person",  # LangGraph's interrupt() works where the graph runs
    "test_a_forked_process_can_invoke",  # a fork has not the threads that serve
    # They say in which order steps begin that do not depend on one another; over connections that is open.
    "test_failure_is_a_status_and_dependents_are_skipped",
    "test_a_failed_step_leads_to_one_replan_that_keeps_the_evidence",
}


@pytest.fixture
def scripted(catalogue: list[BaseTool]) -> Iterator[Callable[..., tuple[Agent, ScriptedModel]]]:
    """Build an agent that has no models and no tools of its own, over services that read from a script."""
    with ExitStack() as stack:

        def build(*replies: Any, **options: Any) -> tuple[Agent, ScriptedModel]:
            model = ScriptedModel(list(replies))
            models = choose(model)
            planner = stack.enter_context(served(planner_app(models.planner, token=TOKEN)))
            worker = stack.enter_context(served(worker_app(Catalog(catalogue), token=TOKEN)))
            solver = stack.enter_context(served(solver_app(models.solver, token=TOKEN)))
            urls = {"planner_urls": planner, "worker_urls": worker, "solver_urls": solver}
            settings = read_settings().model_copy(update={**urls, "service_token": SecretStr(TOKEN)})
            return build_agent(settings=settings, **options), model

        yield build


globals().update(
    {
        name: story
        for name, story in vars(test_agent).items()
        if name.startswith("test_")
        and name not in LOCAL_ONLY
        and "scripted" in inspect.signature(story).parameters
    }
)
