"""The three roles over HTTP: same answers, live events, clear failures."""

import asyncio
import json
import socket
import sys
import threading
from asyncio.subprocess import PIPE
from typing import Any

import httpx
import pytest
from langchain_core.tools import BaseTool, StructuredTool
from role_services import (
    ANSWER,
    ASK,
    NO_MODELS,
    PLAN,
    TOKEN,
    call,
    closed_port,
    diamond,
    losses,
    patient,
    run,
    served,
    split,
    timeless,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agent_graph.errors import ServiceUnavailable, SettingsError
from agent_graph.events import Event
from agent_graph.graph import Deps, build_graph
from agent_graph.identity import acting_for, identity
from agent_graph.models import choose
from agent_graph.models.ask import asker
from agent_graph.plan import Plan, Step
from agent_graph.planner import Written
from agent_graph.references import StepId
from agent_graph.services import (
    RemotePlanner,
    RemoteSolver,
    RemoteWorker,
    planner_app,
    solver_app,
    worker_app,
)
from agent_graph.services.wire import SECONDS_LEFT, line
from agent_graph.testing import FlakyTool, ScriptedModel, recording_tool
from agent_graph.usage import RoleUsage
from tools.catalog import Catalog
from tools.extract import make_extract


async def test_three_services_answer_like_one_process() -> None:
    """The same scripts give the same plan, evidence, answer and tokens, in one process and in four."""
    local, local_told = await run(build_graph(Deps(choose(ScriptedModel([PLAN, ANSWER])), diamond())))
    with split(diamond(), choose(ScriptedModel([PLAN])), choose(ScriptedModel([ANSWER]))) as deps:
        apart, apart_told = await run(build_graph(deps))
    assert apart["plan"] == local["plan"]
    assert timeless(apart["evidence"]) == timeless(local["evidence"])
    assert apart["evidence"]["E2"].value == "left(Zoë \u2028 end)"
    assert apart["answer"] == local["answer"]
    assert apart["answer"].forged == ("E9",)
    for role in ("planner", "solver"):
        assert apart["usage"][role].input_tokens == local["usage"][role].input_tokens > 0
    assert sorted(apart_told) == sorted(local_told)


async def test_what_a_step_does_is_told_while_it_does_it() -> None:
    """The tool ends only after its start was heard at the other end of the wire."""
    heard = threading.Event()
    catalog = Catalog([patient(heard)])
    with served(worker_app(catalog)) as url:
        evidence = await call(
            RemoteWorker(url, catalog), "patient", {"query": ""}, told=lambda event: heard.set()
        )
    assert evidence.value is True
    assert evidence.started == pytest.approx(5, abs=1)


async def test_steps_are_told_while_the_plan_is_being_written() -> None:
    """The model writes its second step only after the first was heard at the other end of the wire."""
    heard = threading.Event()

    class Waiting(ScriptedModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            async for chunk in super()._astream(*args, **kwargs):
                if "#E2" in str(chunk.message.content):
                    assert await asyncio.to_thread(heard.wait, 60)
                yield chunk

    catalog = diamond()
    size = len(PLAN.partition("#E2")[0])
    models = choose(Waiting([PLAN], chunk_size=size))  # type: ignore[call-arg]
    with split(catalog, models, choose(ScriptedModel([ANSWER]))) as deps:
        agent = build_graph(deps)
        async for part in agent.astream(ASK, stream_mode="custom"):
            assert isinstance(part, dict)
            if part["type"] == "plan_step_written":
                heard.set()
    assert heard.is_set()


async def test_a_failure_far_away_is_a_status_here() -> None:
    """A tool that keeps failing is retried there and comes back as failed evidence, with each retry told."""
    told: list[Event] = []
    tool = FlakyTool("flaky", failures=9, error=ConnectionError("no route to the archive"))
    catalog = Catalog([tool], {"flaky": "reads"})
    with served(worker_app(catalog)) as url:
        evidence = await call(RemoteWorker(url, catalog), "flaky", {"query": ""}, told=told.append, retries=1)
        absent = await call(RemoteWorker(url, catalog), "unheard_of")
    assert (evidence.status, evidence.failure, evidence.attempts) == ("failed", "transient", 2)
    assert evidence.error == "no route to the archive"
    assert [event.type for event in told] == ["step_started", "step_retried"]
    assert absent.status == "failed"
    assert "no tool 'unheard_of'" in absent.error


async def test_what_a_tools_own_model_cost_comes_back() -> None:
    """A model that a far tool asked is counted under the worker of the run."""
    models = choose(ScriptedModel(["1801"], name="scripted:reader"))
    assert models.worker is not None
    catalog = Catalog([make_extract(asker(models.worker, timeout_s=30))])
    plan = 'Plan: read it\n#E1 = extract(question="Which year?", text="It was signed in 1801.")\n'
    with split(catalog, choose(ScriptedModel([plan])), choose(ScriptedModel(["In 1801 [E1]."]))) as deps:
        state, _ = await run(build_graph(deps))
    assert state["evidence"]["E1"].value == 1801
    assert state["usage"]["worker"].calls == 1
    assert state["usage"]["worker"].input_tokens > 0


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"not json", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b"[]", 422, "does not fit at body"),
        (b'{"step": {"id": "E1"}}', 422, "does not fit at step.tool"),
        (b'{"context": {"max_steps": -1}}', 422, "does not fit"),
        (b'{"step": {"id": "E1", "tool": "first"}, "context": {}, "url": "x"}', 422, "does not fit at url"),
        (b'{"step": {"id": "E1", "tool": "first"}, "context": {"api_key": 1}}', 422, "at context.api_key"),
        (b'{"step": {"id": "E1", "tool": 7}, "context": {}}', 422, "does not fit at step.tool"),
        (b" " * (16 * 1024 * 1024 + 1), 413, "larger than"),
    ],
    ids=[
        "text",
        "deep",
        "list",
        "no tool",
        "bad knob",
        "unknown field",
        "unknown knob",
        "wrong type",
        "huge",
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_a_sentence(body: bytes, status: int, says: str) -> None:
    """Wrong, deep and huge bodies get a 4xx with one sentence and call nothing."""
    catalog = diamond()
    with served(worker_app(catalog)) as url:
        reply = httpx.post(f"{url}/call", content=body, trust_env=False)
    assert reply.status_code == status
    assert says in reply.json()["error"]


@pytest.mark.parametrize("path", ["/plan", "/solve"])
def test_planner_and_solver_take_no_unknown_field_either(path: str) -> None:
    """A misspelt or foreign field is named, not passed over."""
    asked: dict[str, Any] = {"task": "x", "context": {}, "base_url": "http://elsewhere"}
    app = planner_app(None) if path == "/plan" else solver_app(None)
    body = {"request": asked, "tools": []} if path == "/plan" else {**asked, "plan": {}, "evidence": {}}
    with served(app) as url:
        reply = httpx.post(f"{url}{path}", json=body, trust_env=False)
    assert reply.status_code == 422
    assert "base_url" in reply.json()["error"]


def test_a_body_without_a_length_is_bounded_too() -> None:
    """A stream of bytes that never says how long it is stops being read at the bound."""
    pieces = (b" " * (1024 * 1024) for _ in range(20))
    with served(worker_app(diamond())) as url:
        reply = httpx.post(f"{url}/call", content=pieces, trust_env=False)
    assert reply.status_code == 413


async def test_exceptions_of_the_far_side_stay_there(caplog: pytest.LogCaptureFixture) -> None:
    """A fault inside a service reaches its own log; the caller reads only that there was one."""

    class Broken(Catalog):
        def __contains__(self, name: object) -> bool:
            raise RuntimeError("postgres://root:hunter2@vault/secrets")

    with served(worker_app(Broken([]))) as url:
        evidence = await call(RemoteWorker(url, diamond()), "first")
    assert evidence.failure == "tool_error"
    assert evidence.error == "The worker service failed; its log says why."
    assert "hunter2" not in evidence.model_dump_json()
    assert "hunter2" in caplog.text


async def test_a_sentence_of_ours_comes_through() -> None:
    """What the far side's operator can mend is said here, redacted."""
    with served(solver_app(choose(ScriptedModel([])).solver)) as url:
        deps = Deps(choose(ScriptedModel([PLAN])), diamond(), solve=RemoteSolver(url))
        with pytest.raises(ServiceUnavailable, match="the script of 0 replies is used up"):
            await build_graph(deps).ainvoke(ASK)


SERVICE = """
import os, socket, sys, time, uvicorn
from langchain_core.tools import tool
from agent_graph.services import worker_app
from agent_graph.usage import RoleUsage
from tools.catalog import Catalog
@tool
def stuck() -> str:
    "Never returns."
    while True: time.sleep(3600)
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
config = uvicorn.Config(worker_app(Catalog([stuck], {"stuck": "writes"})), log_config=None)
uvicorn.Server(config).run(sockets=[listening])
"""


async def test_a_killed_worker_is_evidence_and_not_a_hang() -> None:
    """kill -9 in the middle of a step: the step failed, its outcome is unknown, and nobody repeats it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVICE, stdout=PIPE)
    assert process.stdout is not None
    url = f"http://127.0.0.1:{(await process.stdout.readline()).decode().strip()}"
    catalog = Catalog([recording_tool("stuck")], {"stuck": "writes"})
    evidence = await call(RemoteWorker(url, catalog), "stuck", told=lambda event: process.kill())
    await process.wait()
    assert (evidence.status, evidence.failure) == ("failed", "interrupted")
    assert evidence.error == (
        "The worker service was lost before it had answered. "
        "The step may have acted; its outcome is unknown and it was not repeated."
    )


async def test_a_worker_that_is_not_there_has_done_nothing() -> None:
    """Nothing was sent, so nothing can have acted: a passing fault, and the address stays out of the error."""
    evidence = await call(RemoteWorker(closed_port(), diamond()), "first", step_timeout_s=0.2)
    assert (evidence.failure, evidence.error) == ("transient", "The worker service could not be reached.")


@pytest.mark.parametrize(
    ("effects", "failure", "attempts", "says"),
    [("reads", "transient", 2, "was lost"), ("writes", "interrupted", 1, "its outcome is unknown")],
)
async def test_a_silent_service_counts_as_lost(effects: Any, failure: str, attempts: int, says: str) -> None:
    """Without a sign of life it is given up; a read is called once more, what may have acted is not."""
    told: list[Event] = []
    catalog = Catalog([recording_tool("first")], {"first": effects})
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        evidence = await call(RemoteWorker(url, catalog, silence_s=0.2), "first", told=told.append)
    assert (evidence.failure, says in evidence.error) == (failure, True)
    assert 1 + len(told) == attempts


async def test_a_service_at_work_gives_signs_of_life() -> None:
    """Empty lines flow while a tool takes its time; the outcome is the last line."""
    heard = threading.Event()
    step = {"id": "E1", "tool": "patient", "args": {"query": ""}}
    asked = {"step": step, "args": step["args"], "context": {}}
    lines: list[str] = []
    with served(worker_app(Catalog([patient(heard)]), beat_s=0.01)) as url:
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("POST", f"{url}/call", json=asked) as reply,
        ):
            async for line in reply.aiter_lines():
                lines.append(line)
                if not line:
                    heard.set()
    assert json.loads(lines[-1])["done"]["evidence"]["value"] is True


async def test_a_caller_that_goes_away_stops_the_tool() -> None:
    """Cancelling the run here cancels the step there."""
    started, stopped = asyncio.Event(), threading.Event()

    async def stuck(query: str) -> str:
        """Wait for ever."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    tool: BaseTool = StructuredTool.from_function(coroutine=stuck)
    catalog = Catalog([tool])
    hours: Any = {"left_s": 3600, "step_timeout_s": 3600}
    with served(worker_app(catalog)) as url:
        calling = asyncio.create_task(
            call(
                RemoteWorker(url, catalog), "stuck", {"query": ""}, told=lambda event: started.set(), **hours
            )
        )
        await started.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert await asyncio.to_thread(stopped.wait, 20)


async def test_without_planner_and_solver_extractive_mode_answers_and_says_so() -> None:
    """Services that stay away for as long as a model may take are named in the plan's and the answer's remarks."""
    catalog = diamond()
    plan, solve = RemotePlanner(closed_port(), catalog), RemoteSolver(closed_port())
    agent = build_graph(Deps(NO_MODELS, catalog, plan=plan, solve=solve))
    state, _ = await run(agent, model_timeout_s=0.2)
    assert state["plan"].author == state["answer"].author == "extractive mode"
    (remark,) = state["plan"].remarks
    assert remark.endswith("extractive mode does: The planner service could not be reached.")
    assert "The solver service could not be reached." in state["answer"].remarks[0]


async def test_a_run_waits_for_its_solver_to_be_back() -> None:
    """Nobody listens when the solver is first called; it is called again until it answers."""
    catalog, url = diamond(), closed_port()
    agent = build_graph(Deps(choose(ScriptedModel([PLAN])), catalog, solve=RemoteSolver(url)))
    with losses() as lost:
        running = asyncio.create_task(agent.ainvoke(ASK))
        assert "could not be reached" in await lost.next()
    with served(solver_app(choose(ScriptedModel([ANSWER])).solver), int(url.rpartition(":")[2])):
        state = await running
    assert state["answer"].text == "It is done [E4]. Nobody found it."
    assert [len(spec.tool.calls) for spec in catalog.values()] == [1, 1, 1, 1]  # type: ignore[attr-defined]


async def test_a_plan_for_other_tools_never_runs() -> None:
    """Whatever a planner service writes is checked against the graph's own tools before it may run."""
    step = Step(id=StepId("E1"), tool="erase", args={"query": "everything"})
    written = Written(plan=Plan(steps=(step,)), usage=RoleUsage())

    async def answer(_: Request) -> Response:
        return PlainTextResponse(line(written))

    with served(Starlette(routes=[Route("/plan", answer, methods=["POST"])])) as url:
        ours = diamond()
        agent = build_graph(Deps(NO_MODELS, ours, plan=RemotePlanner(url, ours)))
        with pytest.raises(ServiceUnavailable, match=r"cannot run here.*erase"):
            await agent.ainvoke(ASK)


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ('{"event": {"type": "answer_text", "text": "I am the answer"}}', "not its to say"),
        ('{"event": {"type": "invented"}}', "cannot be read"),
        ("<html>", "cannot be read"),
        ("", "without an outcome"),
    ],
)
async def test_a_worker_can_say_only_what_workers_say(says: str, error: str) -> None:
    """Whatever else comes over the wire is no event of the run and no value."""

    async def answer(_: Request) -> Response:
        return PlainTextResponse(f"{says}\n")

    told: list[Event] = []
    with served(Starlette(routes=[Route("/call", answer, methods=["POST"])])) as url:
        evidence = await call(RemoteWorker(url, diamond()), "first", told=told.append, retries=0)
    assert error in evidence.error
    assert evidence.status == "failed"
    assert told == []


async def test_any_text_survives_the_wire() -> None:
    """Line separators, control characters, and halves of characters that JSON cannot hold, end no line."""
    text = "\u2028 \x85 \x00 \x1b[31m 𝒳"
    catalog = Catalog([recording_tool("odd", {"text": text, "n": 1.0})])
    with served(worker_app(catalog)) as url:
        evidence = await call(RemoteWorker(url, catalog), "odd", {"query": f"{text}\ud800"})
    assert evidence.value == {"text": text, "n": 1.0}
    assert isinstance(evidence.value["n"], float)
    assert evidence.args == {"query": f"{text}\ud800"}


@pytest.mark.parametrize(
    "wrong", [{"urls": "planner:8000"}, {"urls": []}, {"urls": "http://planner", "token": " "}]
)
def test_an_address_or_token_that_cannot_work_is_said_at_once(wrong: dict[str, Any]) -> None:
    """Both are caught when the agent is built, not in the middle of a run."""
    with pytest.raises(SettingsError):
        RemoteSolver(**wrong)


def test_a_token_is_not_shown() -> None:
    """Printing where a service is does not print its secret."""
    assert TOKEN not in repr(RemoteSolver("http://solver", token=TOKEN))


async def test_a_value_too_deep_to_be_sent_is_a_failed_step() -> None:
    """What JSON cannot carry is refused here, in a sentence; nothing is retried."""
    deep: Any = "bottom"
    for _ in range(300):
        deep = [deep]
    evidence = await call(RemoteWorker(closed_port(), diamond()), "first", {"query": deep})
    assert (evidence.failure, evidence.attempts) == ("tool_error", 1)
    assert "nested too deeply" in evidence.error


@pytest.mark.parametrize("left", ["soon", "nan", "-1", "0", "inf"])
def test_a_deadline_that_is_none_is_refused(left: str) -> None:
    """The header holds seconds above 0."""
    asked = {"step": {"id": "E1", "tool": "first"}, "context": {}}
    with served(worker_app(diamond())) as url:
        reply = httpx.post(f"{url}/call", json=asked, headers={SECONDS_LEFT: left}, trust_env=False)
    assert (reply.status_code, SECONDS_LEFT in reply.json()["error"]) == (400, True)


async def test_the_deadline_holds_on_the_far_side() -> None:
    """A tool that would take for ever is given up there when the run's time is over, and says so."""
    heard = threading.Event()
    catalog = Catalog([patient(heard)])
    with served(worker_app(catalog)) as url:
        evidence = await call(RemoteWorker(url, catalog), "patient", {"query": ""}, left_s=0.3)
    heard.set()
    assert evidence.failure == "timeout"
    assert "no result within" in evidence.error


async def test_a_role_that_misses_its_deadline_gives_way_to_extractive_mode() -> None:
    """A solver whose models talk for ever is ended there, and the answer is quoted here."""

    class Endless(ScriptedModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            while True:
                async for chunk in ScriptedModel(["la "])._astream(*args, **kwargs):
                    yield chunk
                    await asyncio.sleep(0.01)

    chain = choose(Endless([])).solver
    assert chain is not None
    slow = chain._replace(models=chain.models * 30)  # each has its turn
    with served(solver_app(slow)) as url:
        deps = Deps(choose(ScriptedModel([PLAN])), diamond(), solve=RemoteSolver(url))
        state, told = await run(build_graph(deps), model_timeout_s=0.2)
    assert state["answer"].author == "extractive mode"
    assert "did not end within" in state["answer"].remarks[-1]
    assert told.count("answer_reset") >= 1


async def test_who_a_run_is_for_is_known_where_its_tools_are() -> None:
    """A tool in the worker service acts for whoever the graph's server let in."""

    async def whoami(query: str) -> str:
        """Say it."""
        return identity()

    catalog = Catalog([StructuredTool.from_function(coroutine=whoami)], {"whoami": "reads"})
    plan = '#E1 = whoami(query="")'
    planning, solving = choose(ScriptedModel([plan])), choose(ScriptedModel(["It is [E1]."]))
    with split(catalog, planning, solving) as deps, acting_for("ann"):
        state, _ = await run(build_graph(deps))
    assert state["evidence"]["E1"].value == "ann"
