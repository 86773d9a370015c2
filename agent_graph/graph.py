"""The whole topology on one screen: nodes, edges, routers.

    intake -> planner -> approval -> worker -> solver -> end
                 ^          |           |         |
                 +----------+-----------+---------+

Back to the planner, within `max_replans`: a plan was rejected, a step failed, evidence is insufficient.
With `eager`, and when no plan can need approval, the planner's node runs the steps while it writes them, and
goes on to where the worker would.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast, get_args

from langchain_core.messages import HumanMessage, RemoveMessage
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from agent_graph import monitoring
from agent_graph.agent import Agent
from agent_graph.approval import approval_node
from agent_graph.checkpoint import prepared
from agent_graph.context import Context
from agent_graph.eager import Eager
from agent_graph.errors import UserError
from agent_graph.events import Tell
from agent_graph.evidence import Evidence
from agent_graph.models import Models
from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.planner import check, read_plan, write_plan
from agent_graph.planner.node import WritePlan, planner_node
from agent_graph.planner.surroundings import Shown
from agent_graph.solver import write_answer
from agent_graph.solver.node import Solve, solver_node
from agent_graph.solver.top_up import SEARCH
from agent_graph.state import AgentState, InputState, Node, OutputState, Run, decode, task_of
from agent_graph.usage import Usage
from agent_graph.worker.call import Call, CallStep, StepCaller, finished
from agent_graph.worker.dataflow import Effects
from agent_graph.worker.node import worker_node
from tools.catalog import Catalog

AfterPlanner = Literal["approval", "planner", "solver"]
AfterApproval = Literal["worker", "planner", "solver"]
AfterWorker = Literal["planner", "solver"]
AfterSolver = Literal["planner", "__end__"]


class Deps(NamedTuple):
    """What serves every run: built once, closed over by the nodes, never in the state."""

    models: Models
    catalog: Catalog
    knowledge: Shown | None = None
    """The documents whose trusted part a planner may see."""
    clock: Callable[[], float] = time.time
    plan: WritePlan | None = None
    """Who plans, when it is not this process with `models.planner`; see `services`."""
    call: CallStep | None = None
    """Who calls tools, when it is not this process; `catalog` still says what they take and do."""
    solve: Solve | None = None
    """Who answers, when it is not this process with `models.solver`."""
    offered: Mapping[str, Models] = MappingProxyType({})
    """Models that a run may choose instead, by name."""

    def mode(self, context: Context) -> str:
        """Return what a person is told about who plans."""
        return "planner service" if self.plan else self.chosen(context).mode

    def chosen(self, context: Context) -> Models:
        """Return the models of a run.

        Raises UserError for one that is not offered, or not chosen here.
        """
        if context.model is None or context.model == self.models.mode:
            return self.models
        if self.plan or self.solve:
            raise UserError("The model is chosen by the role's service here; leave out the knob model.")
        if context.model not in self.offered:
            known = ", ".join(dict.fromkeys((self.models.mode, *self.offered)))
            raise UserError(f"The model {context.model!r} is not offered. There are: {known}.")
        return self.offered[context.model]

    @property
    def effects(self) -> Effects:
        """Which tools have side effects, and which of those must not be repeated."""
        writing = {name: spec for name, spec in self.catalog.items() if spec.effects == "writes"}
        once = frozenset(name for name, spec in writing.items() if not spec.idempotent)
        unsure = frozenset(name for name, spec in self.catalog.items() if spec.effects == "unknown")
        return Effects(writing=frozenset(writing), once=once, unsure=unsure)


def build_graph(deps: Deps, *, checkpointer: Any = None, store: Any = None, name: str = "agent") -> Agent:
    """Compile the agent from what serves it."""
    models, catalog, clock, effects = deps.models, deps.catalog, deps.clock, deps.effects
    call = deps.call or StepCaller(catalog, clock)
    can_replan = models.planner is not None or deps.plan is not None
    planner = planner_node(
        deps.plan
        or (lambda asked: write_plan(asked, chain=deps.chosen(asked.context).planner, catalog=catalog)),
        begin=Eager(catalog, call, effects, clock).begin,
        mode=deps.mode,
        knowledge=deps.knowledge if can_replan else None,
        clock=clock,
    )
    approval = approval_node(
        writing=effects.writing,
        unsure=effects.unsure,
        read_plan=partial(_read_edited, catalog),
        clock=clock,
    )
    worker = worker_node(call, effects=effects, clock=clock)
    solve = deps.solve or (lambda asked: write_answer(asked, chain=deps.chosen(asked.context).solver))
    # Extractive mode would search for the same words again.
    can_search = SEARCH in catalog and (models.solver is not None or deps.solve is not None)
    search = partial(_search, call, clock) if can_search else None
    solver = solver_node(solve, can_replan=can_replan, search=search, clock=clock)

    graph = StateGraph(AgentState, context_schema=Context, input_schema=InputState, output_schema=OutputState)
    graph.add_node("intake", _intake(clock, deps.chosen))
    graph.add_node("planner", _traced(planner))
    graph.add_node("approval", _traced(approval))
    graph.add_node("worker", _traced(worker))
    graph.add_node("solver", _traced(solver))
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "planner")
    after_planner = partial(_after_planner, can_replan=can_replan)
    graph.add_conditional_edges("planner", after_planner, list(get_args(AfterPlanner)))
    after_approval = partial(_after_approval, can_replan=can_replan)
    graph.add_conditional_edges("approval", after_approval, list(get_args(AfterApproval)))
    after_worker = partial(_after_worker, can_replan=can_replan)
    graph.add_conditional_edges("worker", after_worker, list(get_args(AfterWorker)))
    graph.add_conditional_edges("solver", _after_solver)
    agent = graph.compile(checkpointer=prepared(checkpointer), store=store, name=name)
    agent.__class__ = Agent
    ours = cast("Agent", agent)
    ours.offered = () if deps.plan or deps.solve else tuple(deps.offered)
    return ours


def _intake(clock: Callable[[], float], chosen: Callable[[Context], Models]) -> Callable[..., Any]:
    async def intake(state: AgentState, runtime: Runtime[Context]) -> dict[str, Any]:
        """Start a turn: fresh plan and evidence, and the knobs kept for a resumed run."""
        task, context = task_of(state), runtime.context or Context()
        chosen(context)  # a model there is not is told before anything is done
        question = _question(state, task)
        with monitoring.in_invocation({}):
            trace = monitoring.write_trace()
        return {
            "task": task,
            "messages": [
                *_too_old(state, question, context),
                question,
            ],  # one that is there is replaced by itself
            "asked": question.id,
            "context": context,
            "started": clock(),
            "trace": trace,
            "plan": None,
            "evidence": {},
            "replans": [],
            "approval": None,
            "answer": None,
            "missing": "",
            "usage": Usage(),
            "findings": [],
        }

    return intake


def _traced(node: Node) -> Node:
    """Return the node with its spans in the invocation's, which is in the trace of the run in every process."""

    async def traced(state: AgentState) -> dict[str, Any]:
        with monitoring.in_invocation(state.get("trace") or {}):
            return await node(state)

    return traced


def _too_old(state: AgentState, question: HumanMessage, context: Context) -> list[RemoveMessage]:
    """Return what takes the oldest messages out of the state: a long conversation must not grow for ever."""
    earlier = [message.id for message in state.get("messages", []) if message.id != question.id]
    return [RemoveMessage(id=old) for old in earlier[: -context.history_messages] if old]


def _question(state: AgentState, task: str) -> HumanMessage:
    """Return the message that asks the task: the newest one, or one made of a bare task."""
    last = next(iter(reversed(state.get("messages", []))), None)
    if isinstance(last, HumanMessage) and str(last.text) == task:
        return last
    return HumanMessage(task, id=str(uuid.uuid4()))


async def _search(call: CallStep, clock: Callable[[], float], step: Step, run: Run, tell: Tell) -> Evidence:
    """Run the one step that the solver may ask for itself."""
    deadline = clock() + run.context.step_timeout_s
    asked = Call(step=step, args=step.args, context=run.context, started=run.started, deadline=deadline)
    evidence = await call(asked, tell)
    tell(finished(evidence))
    return evidence


def _read_edited(catalog: Catalog, text: str, run: Run) -> tuple[Plan, tuple[PlanProblem, ...]]:
    """Read and check a plan that a person wrote, like any other."""
    plan, problems = read_plan(text, catalog.parameters, author="person")
    earlier = [replan.plan for replan in run.replans]
    limit = run.context.max_steps
    return plan, (*problems, *check(plan, catalog, max_steps=limit, evidence=run.evidence, earlier=earlier))


def _after_planner(state: AgentState, *, can_replan: bool) -> AfterPlanner:
    run = decode(state)
    if any(step.id not in run.evidence for step in run.plan.steps):
        return "approval"
    return _after_steps(run, can_replan)


def _after_approval(state: AgentState, *, can_replan: bool) -> AfterApproval:
    run = decode(state)
    if run.approval is None or run.approval.decision != "reject":
        return "worker"
    return "planner" if _may_replan(run, can_replan) and run.approval.reason else "solver"


def _after_worker(state: AgentState, *, can_replan: bool) -> AfterWorker:
    return _after_steps(decode(state), can_replan)


def _after_steps(run: Run, can_replan: bool) -> AfterWorker:
    failed = any(run.evidence[step.id].status == "failed" for step in run.plan.steps)
    return "planner" if failed and _may_replan(run, can_replan) else "solver"


def _after_solver(state: AgentState) -> AfterSolver:
    return "planner" if decode(state).missing else "__end__"


def _may_replan(run: Run, can_replan: bool) -> bool:
    return can_replan and len(run.replans) < run.context.max_replans
