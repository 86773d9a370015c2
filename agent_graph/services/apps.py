"""The service side: three small stateless HTTP apps."""

import time

from langgraph.errors import GraphInterrupt
from langgraph.types import Interrupt
from starlette.applications import Starlette

from agent_graph.errors import SettingsError
from agent_graph.events import Tell
from agent_graph.identity import acting_for
from agent_graph.models import EXTRACTIVE_MODE, ModelChain
from agent_graph.planner import write_plan
from agent_graph.services import health
from agent_graph.services.asking import answered
from agent_graph.services.cards import cards_of, catalog_of
from agent_graph.services.service import Put, Service
from agent_graph.services.wire import BEAT_S, Called, CallRequest, Offered, PlanCall, Question
from agent_graph.solver import SolveRequest, write_answer
from agent_graph.worker.call import Call, StepCaller, failed
from tools.catalog import Catalog
from tools.errors import CatalogError, NotPlain
from tools.faults import one_line
from tools.plain import jsonable


def planner_app(
    chain: ModelChain | None,
    *,
    token: str | None = None,
    reach: health.Reach | None = None,
    beat_s: float = BEAT_S,
) -> Starlette:
    """Return the planner service; it holds the planner's model keys, and the tools come with each question.

    `token` is the secret that both sides of a call must know; None asks for none, which is for loopback only.
    `reach` asks a model for a sign of life, for `/ready`; None leaves them unasked.
    """

    async def plan(call: PlanCall, _: float, put: Put) -> None:
        try:
            catalog = catalog_of(call.tools)
        except CatalogError as error:
            raise SettingsError(f"The tools of the call cannot be planned with: {error}.") from error
        async for part in write_plan(call.request, chain, catalog):
            put(part)

    look = health.models(chain, reach)
    return Service("planner", "/plan", PlanCall, plan, look, _mode(chain), token, beat_s).app()


def worker_app(catalog: Catalog, *, token: str | None = None, beat_s: float = BEAT_S) -> Starlette:
    """Return the worker service; it alone holds what the tools need. `token` as in `planner_app`."""
    caller = StepCaller(catalog, time.time)
    offered = Offered(tools=cards_of(catalog))

    async def call(request: CallRequest, left: float, put: Put) -> None:
        put(await _call(caller, request, left, put))

    look = health.tools(catalog)
    service = Service("worker", "/call", CallRequest, call, look, "tools", token, beat_s)
    return service.app([("/tools", lambda: offered)])


def solver_app(
    chain: ModelChain | None,
    *,
    token: str | None = None,
    reach: health.Reach | None = None,
    beat_s: float = BEAT_S,
) -> Starlette:
    """Return the solver service; it holds the solver's model keys. `token` and `reach` as in `planner_app`."""

    async def solve(request: SolveRequest, _: float, put: Put) -> None:
        async for part in write_answer(request, chain):
            put(part)

    look = health.models(chain, reach)
    return Service("solver", "/solve", SolveRequest, solve, look, _mode(chain), token, beat_s).app()


async def _call(caller: StepCaller, request: CallRequest, left: float, tell: Tell) -> Called:
    step = request.step
    if step.tool not in caller.catalog:
        return Called(evidence=failed(step, "tool_error", f"The worker service has no tool {step.tool!r}."))
    now = caller.clock()
    call = Call(
        step=step,
        args=request.args,
        context=request.context,
        key=request.key,
        started=now - request.elapsed_s,
        deadline=now + left,
    )
    with acting_for(request.who), answered(request.answers):
        try:
            return Called(evidence=await caller(call, tell))
        except GraphInterrupt as asking:
            return _asked(call, asking.args[0][0])


def _asked(call: Call, asked: Interrupt) -> Called:
    schema = asked.response_schema if isinstance(asked.response_schema, dict) else None
    try:
        return Called(question=Question(value=jsonable(asked.value), response_schema=schema))
    except NotPlain as error:
        reason = f"What it asks a person cannot be sent: {one_line(error)}"
        return Called(evidence=failed(call.step, "tool_error", reason, args=call.args))


def _mode(chain: ModelChain | None) -> str:
    return chain.name if chain else EXTRACTIVE_MODE
