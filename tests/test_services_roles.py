import asyncio
import json
import socket
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agent_graph import Agent, Context
from agent_graph.errors import ServiceUnavailable, SettingsError
from agent_graph.events import Event
from agent_graph.evidence import Evidence
from agent_graph.graph import Deps, build_graph
from agent_graph.models import Models, choose
from agent_graph.models.ask import asker
from agent_graph.plan import Step
from agent_graph.references import StepId
from agent_graph.services import (
    RemotePlanner,
    RemoteSolver,
    RemoteWorker,
    planner_app,
    solver_app,
    worker_app,
)
from agent_graph.testing import FlakyTool, ScriptedModel, recording_tool
from agent_graph.worker.call import Call
from tools.catalog import Catalog
from tools.extract import make_extract

TOKEN = "tell no one"
NO_MODELS = Models(None, None, None)
ASK: Any = {"task": "Do it"}
PLAN = """Plan: a diamond
#E1 = first(query="go")
#E2 = left(query="#E1.name")
#E3 = right(query="#E1.count")
#E4 = last(query="#E2 and #E3")
"""
ANSWER = "It is done [E4]. Nobody found it [E9]."


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an app on a free port in a thread and give its address; requests wait in the socket until it runs."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def closed_port() -> str:
    """Return an address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def diamond() -> Catalog:
    """Return four tools, the first of which returns a structure."""
    first = recording_tool("first", {"name": "Zoë \u2028 end", "count": 3})
    others = [recording_tool(name, lambda query, name=name: f"{name}({query})") for name in ("left", "right")]
    tools = [first, *others, recording_tool("last", 42)]
    return Catalog(tools, {tool.name: "reads" for tool in tools})


def patient(heard: threading.Event) -> BaseTool:
    """Return a tool that ends only when something was heard; it blocks its thread, as real ones do."""

    def wait(query: str) -> bool:
        """Wait."""
        return heard.wait(60)

    return StructuredTool.from_function(wait, name="patient", description="Waits.")


@contextmanager
def split(catalog: Catalog, planning: Models, solving: Models, **options: Any) -> Iterator[Deps]:
    """Serve the three roles, each in a thread with a loop of its own, and give what a graph needs to use them."""
    with ExitStack() as stack:
        planner = stack.enter_context(served(planner_app(planning.planner, catalog, token=TOKEN)))
        worker = stack.enter_context(served(worker_app(catalog, token=TOKEN)))
        solver = stack.enter_context(served(solver_app(solving.solver, token=TOKEN)))
        yield Deps(
            NO_MODELS,
            catalog,
            plan=RemotePlanner(planner, catalog, token=TOKEN),
            call=RemoteWorker(worker, token=TOKEN),
            solve=RemoteSolver(solver, token=TOKEN),
        )


async def run(agent: Agent, **context: Any) -> tuple[dict[str, Any], list[str]]:
    """Run once and return the final state and the kinds of the events, in order."""
    told: list[str] = []
    state: dict[str, Any] = {}
    async for mode, part in agent.astream(ASK, context=Context(**context), stream_mode=["custom", "values"]):
        if mode == "custom":
            assert isinstance(part, dict)
            told.append(part["type"])
        else:
            assert isinstance(part, dict)
            state = part
    return state, told


def timeless(evidence: dict[StepId, Evidence]) -> dict[StepId, Evidence]:
    """Return evidence without the seconds it took."""
    return {step: one.model_copy(update={"seconds": 0.0, "started": 0.0}) for step, one in evidence.items()}


async def call(
    worker: RemoteWorker,
    tool: str,
    args: dict[str, Any] | None = None,
    *,
    told: Callable[[Event], None] = lambda event: None,
    **context: Any,
) -> Evidence:
    """Run one step on a worker service."""
    step = Step(id=StepId("E1"), tool=tool, args=args or {})
    now = worker.clock()
    asked = Call(step=step, args=step.args, context=Context(**context), started=now - 5, deadline=now + 60)
    return await worker(asked, told)


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
    with served(worker_app(Catalog([patient(heard)]))) as url:
        evidence = await call(RemoteWorker(url), "patient", {"query": ""}, told=lambda event: heard.set())
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
    with served(worker_app(Catalog([tool], {"flaky": "reads"}))) as url:
        evidence = await call(RemoteWorker(url), "flaky", {"query": ""}, told=told.append, retries=1)
        absent = await call(RemoteWorker(url), "unheard_of")
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


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_a_wrong_token_is_refused_by_every_role(token: str | None) -> None:
    """Without the shared secret nothing is planned, called or answered, and the caller is told why."""
    catalog = diamond()
    model = ScriptedModel([PLAN, ANSWER])
    chain = choose(model).planner
    for app, path in (
        (planner_app(chain, catalog, token=TOKEN), "/plan"),
        (worker_app(catalog, token=TOKEN), "/call"),
        (solver_app(chain, token=TOKEN), "/solve"),
    ):
        with served(app) as url:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                assert (await client.post(path, json={}, headers=headers)).status_code == 401
                assert (await client.get("/ok")).json()["ok"] is True
            if path == "/call":
                evidence = await call(RemoteWorker(url, token=token), "first", {"query": ""})
                assert "refused the token" in evidence.error
    assert model.calls == []
    assert catalog["first"].tool.calls == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"not json", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b"[]", 422, "does not fit at body"),
        (b'{"step": {"id": "E1"}}', 422, "does not fit at step.tool"),
        (b'{"context": {"max_steps": -1}}', 422, "does not fit"),
        (b" " * (16 * 1024 * 1024 + 1), 413, "larger than"),
    ],
    ids=["text", "deep", "list", "no tool", "bad knob", "huge"],
)
def test_a_request_that_does_not_fit_is_refused_in_a_sentence(body: bytes, status: int, says: str) -> None:
    """Wrong, deep and huge bodies get a 4xx with one sentence and call nothing."""
    catalog = diamond()
    with served(worker_app(catalog)) as url:
        reply = httpx.post(f"{url}/call", content=body, trust_env=False)
    assert reply.status_code == status
    assert says in reply.json()["error"]


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
        evidence = await call(RemoteWorker(url), "first")
    assert evidence.failure == "interrupted"
    assert evidence.error.startswith("The worker service failed; its log says why.")
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
    evidence = await call(RemoteWorker(url), "stuck", told=lambda event: process.kill())
    await process.wait()
    assert (evidence.status, evidence.failure) == ("failed", "interrupted")
    assert evidence.error == (
        "The worker service was lost before it had answered. "
        "The step may have acted; its outcome is unknown and it was not repeated."
    )


async def test_a_worker_that_is_not_there_has_done_nothing() -> None:
    """Nothing was sent, so nothing can have acted: a passing fault, and the address stays out of the error."""
    evidence = await call(RemoteWorker(closed_port()), "first")
    assert (evidence.failure, evidence.error) == ("transient", "The worker service could not be reached.")


async def test_a_silent_service_counts_as_lost() -> None:
    """A service that takes the call and gives no sign of life is given up."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        evidence = await call(RemoteWorker(url, silence_s=0.2), "first")
    assert evidence.failure == "interrupted"


async def test_a_service_at_work_gives_signs_of_life() -> None:
    """Empty lines flow while a tool takes its time; the outcome is the last line."""
    heard = threading.Event()
    step = {"id": "E1", "tool": "patient", "args": {"query": ""}}
    asked = {"step": step, "args": step["args"], "context": {}, "left_s": 60}
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
    with served(worker_app(Catalog([tool]))) as url:
        calling = asyncio.create_task(
            call(RemoteWorker(url), "stuck", {"query": ""}, told=lambda event: started.set())
        )
        await started.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert await asyncio.to_thread(stopped.wait, 60)


async def test_no_planner_is_a_clear_error() -> None:
    """A run whose planner service is down ends at once, with one sentence."""
    catalog = diamond()
    agent = build_graph(Deps(NO_MODELS, catalog, plan=RemotePlanner(closed_port(), catalog)))
    with pytest.raises(ServiceUnavailable) as caught:
        await agent.ainvoke(ASK)
    assert str(caught.value) == "The planner service could not be reached."


async def test_a_run_goes_on_when_its_solver_is_back() -> None:
    """The evidence is the graph's: after the solver's return only the solver runs again."""
    catalog = diamond()
    config: Any = {"configurable": {"thread_id": "1"}}
    models, saver = choose(ScriptedModel([PLAN])), InMemorySaver()
    down = build_graph(Deps(models, catalog, solve=RemoteSolver(closed_port())), checkpointer=saver)
    with pytest.raises(ServiceUnavailable, match="solver service could not be reached"):
        await down.ainvoke(ASK, config)
    with served(solver_app(choose(ScriptedModel([ANSWER])).solver)) as url:
        up = build_graph(Deps(models, catalog, solve=RemoteSolver(url)), checkpointer=saver)
        state = await up.ainvoke(None, config)
    assert state["answer"].text == "It is done [E4]. Nobody found it."
    assert [len(spec.tool.calls) for spec in catalog.values()] == [1, 1, 1, 1]  # type: ignore[attr-defined]


async def test_a_plan_for_other_tools_never_runs() -> None:
    """A planner service that knows other tools than the graph cannot make it call them."""
    theirs = Catalog([*(spec.tool for spec in diamond().values()), recording_tool("erase")])
    plan = 'Plan: tidy up\n#E1 = erase(query="everything")\n'
    with served(planner_app(choose(ScriptedModel([plan])).planner, theirs)) as url:
        ours = diamond()
        agent = build_graph(Deps(NO_MODELS, ours, plan=RemotePlanner(url, ours)))
        with pytest.raises(ServiceUnavailable, match=r"give both sides the same tools.*erase"):
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
        evidence = await call(RemoteWorker(url), "first", told=told.append)
    assert error in evidence.error
    assert evidence.status == "failed"
    assert told == []


async def test_any_text_survives_the_wire() -> None:
    """Line separators, control characters, and halves of characters that JSON cannot hold, end no line."""
    text = "\u2028 \x85 \x00 \x1b[31m 𝒳"
    with served(worker_app(Catalog([recording_tool("odd", {"text": text, "n": 1.0})]))) as url:
        evidence = await call(RemoteWorker(url), "odd", {"query": f"{text}\ud800"})
    assert evidence.value == {"text": text, "n": 1.0}
    assert isinstance(evidence.value["n"], float)
    assert evidence.args == {"query": f"{text}\ud800"}


@pytest.mark.parametrize("wrong", [{"url": "planner:8000"}, {"url": "http://planner", "token": " "}])
def test_an_address_or_token_that_cannot_work_is_said_at_once(wrong: dict[str, Any]) -> None:
    """Both are caught when the agent is built, not in the middle of a run."""
    with pytest.raises(SettingsError):
        RemoteSolver(**wrong)


def test_a_token_is_not_shown() -> None:
    """Printing where a service is does not print its secret."""
    assert TOKEN not in repr(RemoteSolver("http://solver", token=TOKEN))
