"""The agent divided: what a test builds as one graph answers from three services, over HTTP on loopback.

`build_agent` puts models and tools into a graph. Divided, they go into services of their own, and the graph gets
their addresses and the cards of the tools, as it does from the settings of a real installation. A test does not
notice, or it has a row in NOT_DIVIDED.
"""

import itertools
import threading
from functools import lru_cache, partial
from typing import Any

import pytest
import uvicorn
from role_services import NO_MODELS, TOKEN, listening
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_graph import Agent, bootstrap
from agent_graph.graph import Deps, build_graph
from agent_graph.services import (
    Offered,
    RemotePlanner,
    RemoteSolver,
    RemoteWorker,
    cards_of,
    catalog_of,
    planner_app,
    solver_app,
    worker_app,
)

CLOCK = "its clock moves when all tasks of one loop wait; what is on its way over HTTP is none of them"
ORDER = "says in which order steps begin that do not depend on one another; over connections that is open"
LOOP = "looks into the loop or the thread that tools, planner or solver run in, which is the service's"
MODE = "says which model plans; the graph knows that its planner's service does"
CHOICE = "chooses a model by the run's knobs; with services that is each service's to say, and refused"
CLASS = "names the class of an error; what comes over HTTP has the sentence and is ServiceUnavailable"
SPANS = "names every span there is; each service adds one of its own"

NOT_DIVIDED = {
    "test_steps_run_as_a_dataflow_not_in_levels": CLOCK,
    "test_a_read_starts_while_the_plan_is_written": CLOCK,
    "test_a_write_is_never_early_and_fences_what_follows": CLOCK,
    "test_a_repaired_plan_keeps_what_did_not_change": CLOCK,
    "test_what_depends_on_a_changed_step_has_changed": CLOCK,
    "test_what_a_dropped_stream_had_begun_is_taken_over": CLOCK,
    "test_a_plan_of_too_many_steps_is_cut_short_early": CLOCK,
    "test_the_agent_is_as_fast_as_the_critical_path": CLOCK,
    "test_failure_is_a_status_and_dependents_are_skipped": ORDER,
    "test_a_failed_step_leads_to_one_replan_that_keeps_the_evidence": ORDER,
    "test_reads_that_need_nothing_of_each_other_overlap": ORDER,
    "test_invoke_inside_a_run_of_invoke_is_refused_not_stuck": LOOP,
    "test_a_tool_that_ignores_its_cancellation_is_left_behind": LOOP,
    "test_much_evidence_is_read_in_a_thread": LOOP,
    "test_a_forked_process_can_invoke": "a fork has not the thread that serves",
    "test_an_answer_without_a_model": MODE,
    "test_the_json_of_a_run": MODE,
    "test_a_run_chooses_among_what_is_offered": CHOICE,
    "test_a_model_that_is_not_offered_is_refused": CHOICE,
    "test_a_question_that_fails_is_a_row": CLASS,
    "test_every_role_has_its_spans": SPANS,
}
"""Tests that are about one process, and why."""

END_TO_END = {
    "test_agent",
    "test_asking",
    "test_conversation",
    "test_eager",
    "test_hostile_tools",
    "test_journal",
    "test_peer_faults",
    "test_planner_faults",
    "test_taint",
    "test_top_up",
    "test_trust",
    "test_bounds_end_a_run_and_are_named",
    "test_evidence_cannot_add_a_step_or_change_an_argument",
    "test_a_model_that_supports_it_can_be_held_to_a_schema",
    "test_the_prompt_of_a_run_is_bounded",
    "test_a_forged_citation_is_removed_however_the_model_writes_it",
    "test_a_model_that_repeats_evidence_forges_no_citation",
    "test_evidence_cannot_alter_the_structure_of_the_prompt",
}
"""Files, and tests of other files, that every test run has divided too; `--divided` has all that build an agent."""


class Houses:
    """All services of this test process at one address, each under a path of its own.

    A server for each would take longer than most tests.
    """

    def __init__(self) -> None:
        self._apps: dict[str, ASGIApp] = {}
        self._numbers = itertools.count(1)
        socket = listening()
        self._url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._route, interface="asgi3", lifespan="off", loop="asyncio", log_config=None, ws="none"
        )
        # It ends with the process: tools that ignore their cancellation would keep it from ending before.
        serve = partial(uvicorn.Server(config).run, sockets=[socket])
        threading.Thread(target=serve, name="services", daemon=True).start()

    def add(self, app: ASGIApp) -> str:
        """Serve an app and return its address."""
        number = str(next(self._numbers))
        self._apps[number] = app
        return f"{self._url}/{number}"

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        number, _, path = scope["path"].removeprefix("/").partition("/")
        await self._apps[number]({**scope, "path": f"/{path}"}, receive, send)


houses = lru_cache(maxsize=1)(Houses)


def build_divided(deps: Deps, **options: Any) -> Agent:
    """Build the graph over services of the roles; those that are services already stay."""
    house, catalog, models = houses(), deps.catalog, deps.models
    offered = Offered(tools=cards_of(catalog)).model_dump_json()
    known = catalog_of(Offered.model_validate_json(offered).tools)
    planner = house.add(planner_app(models.planner, token=TOKEN))
    worker = house.add(worker_app(catalog, token=TOKEN))
    solver = house.add(solver_app(models.solver, token=TOKEN))
    divided = deps._replace(
        models=NO_MODELS,
        catalog=known,
        plan=deps.plan or RemotePlanner(planner, known, token=TOKEN),
        call=deps.call or RemoteWorker(worker, known, token=TOKEN, clock=deps.clock),
        solve=deps.solve or RemoteSolver(solver, token=TOKEN),
    )
    return build_graph(divided, **options)


def divide(module: Any, patch: pytest.MonkeyPatch) -> None:
    """Have every agent divided that is built from now on, by `build_agent` or by the test's own module."""
    for place in (bootstrap, module):
        if getattr(place, "build_graph", None) is build_graph:
            patch.setattr(place, "build_graph", build_divided)
