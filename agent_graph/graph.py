"""The whole topology on one screen: nodes, edges, routers.

    intake -> planner -> approval -> worker -> solver -> end
                 ^          |           |         |
                 +----------+-----------+---------+

Back to the planner, within `max_replans`: a plan was rejected, a step failed, evidence is insufficient.
"""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

from langchain_core.messages import HumanMessage
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from agent_graph.agent import Agent
from agent_graph.approval import approval_node
from agent_graph.checkpoint import prepared
from agent_graph.context import Context
from agent_graph.models import Models
from agent_graph.plan import Plan, PlanProblem
from agent_graph.planner import check, read_plan, write_plan
from agent_graph.planner.node import WritePlan, planner_node
from agent_graph.solver import write_answer
from agent_graph.solver.node import Solve, solver_node
from agent_graph.state import AgentState, InputState, OutputState, Run, decode, task_of
from agent_graph.usage import Usage
from agent_graph.worker.call import StepCaller
from agent_graph.worker.dataflow import CallStep
from agent_graph.worker.node import worker_node
from retrieval.knowledge import Knowledge
from tools.catalog import Catalog

AfterPlanner = Literal["approval", "solver"]
AfterApproval = Literal["worker", "planner", "solver"]
AfterWorker = Literal["planner", "solver"]
AfterSolver = Literal["planner", "__end__"]


class Deps(NamedTuple):
    """What serves every run: built once, closed over by the nodes, never in the state."""

    models: Models
    catalog: Catalog
    knowledge: Knowledge | None = None
    clock: Callable[[], float] = time.time
    plan: WritePlan | None = None
    """Who plans, when it is not this process with `models.planner`; see `services`."""
    call: CallStep | None = None
    """Who calls tools, when it is not this process; `catalog` still says what they take and do."""
    solve: Solve | None = None
    """Who answers, when it is not this process with `models.solver`."""

    @property
    def mode(self) -> str:
        """What a person is told about who plans."""
        return "planner service" if self.plan else self.models.mode

    @property
    def writing(self) -> frozenset[str]:
        """The tools that have side effects."""
        return frozenset(name for name, spec in self.catalog.items() if spec.effects == "writes")


def build_graph(deps: Deps, *, checkpointer: Any = None, store: Any = None, name: str = "agent") -> Agent:
    """Compile the agent from what serves it."""
    models, catalog, clock = deps.models, deps.catalog, deps.clock
    can_replan = models.planner is not None or deps.plan is not None
    planner = planner_node(
        deps.plan or partial(write_plan, chain=models.planner, catalog=catalog),
        mode=deps.mode,
        knowledge=deps.knowledge if can_replan else None,
        clock=clock,
    )
    approval = approval_node(writing=deps.writing, read_plan=partial(_read_edited, catalog), clock=clock)
    worker = worker_node(deps.call or StepCaller(catalog, clock), writing=deps.writing, clock=clock)
    solve = deps.solve or partial(write_answer, chain=models.solver)
    solver = solver_node(solve, can_replan=can_replan, clock=clock)

    graph = StateGraph(AgentState, context_schema=Context, input_schema=InputState, output_schema=OutputState)
    graph.add_node("intake", _intake(clock))
    graph.add_node("planner", planner)
    graph.add_node("approval", approval)
    graph.add_node("worker", worker)
    graph.add_node("solver", solver)
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "planner")
    graph.add_conditional_edges("planner", _after_planner)
    after_approval = partial(_after_approval, can_replan=can_replan)
    graph.add_conditional_edges("approval", after_approval, list(get_args(AfterApproval)))
    after_worker = partial(_after_worker, can_replan=can_replan)
    graph.add_conditional_edges("worker", after_worker, list(get_args(AfterWorker)))
    graph.add_conditional_edges("solver", _after_solver)
    agent = graph.compile(checkpointer=prepared(checkpointer), store=store, name=name)
    agent.__class__ = Agent  # adds no state, only the synchronous entrances
    return agent  # type: ignore[return-value]


def _intake(clock: Callable[[], float]) -> Callable[..., Any]:
    async def intake(state: AgentState, runtime: Runtime[Context]) -> dict[str, Any]:
        """Start a turn: fresh plan and evidence, and the knobs kept for a resumed run."""
        task = task_of(state)
        question = _question(state, task)
        return {
            "task": task,
            "messages": [question],  # one that is there already is replaced by itself
            "asked": question.id,
            "context": runtime.context or Context(),
            "started": clock(),
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


def _question(state: AgentState, task: str) -> HumanMessage:
    """Return the message that asks the task: the newest one, or one made of a bare task."""
    last = next(iter(reversed(state.get("messages", []))), None)
    if isinstance(last, HumanMessage) and str(last.text) == task:
        return last
    return HumanMessage(task, id=str(uuid.uuid4()))


def _read_edited(catalog: Catalog, text: str, run: Run) -> tuple[Plan, tuple[PlanProblem, ...]]:
    """Read and check a plan that a person wrote, like any other."""
    plan, problems = read_plan(text, catalog.parameters, author="person")
    earlier = [replan.plan for replan in run.replans]
    limit = run.context.max_steps
    return plan, (*problems, *check(plan, catalog, max_steps=limit, evidence=run.evidence, earlier=earlier))


def _after_planner(state: AgentState) -> AfterPlanner:
    return "approval" if decode(state).plan.steps else "solver"


def _after_approval(state: AgentState, *, can_replan: bool) -> AfterApproval:
    run = decode(state)
    if run.approval is None or run.approval.decision != "reject":
        return "worker"
    return "planner" if _may_replan(run, can_replan) and run.approval.reason else "solver"


def _after_worker(state: AgentState, *, can_replan: bool) -> AfterWorker:
    run = decode(state)
    failed = any(run.evidence[step.id].status == "failed" for step in run.plan.steps)
    return "planner" if failed and _may_replan(run, can_replan) else "solver"


def _after_solver(state: AgentState) -> AfterSolver:
    return "planner" if decode(state).missing else "__end__"


def _may_replan(run: Run, can_replan: bool) -> bool:
    return can_replan and len(run.replans) < run.context.max_replans
