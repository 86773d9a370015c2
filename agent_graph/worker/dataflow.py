"""The dataflow: every step is a LangGraph task, started the moment the schedule allows it.

LangGraph matches task results to calls by call order when a run resumes. So all tasks are created at
once, in plan order, and each waits *inside* for its gate; the schedule opens the gates. A finished
task of an earlier attempt returns its stored evidence at once, whatever the order was then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from langgraph.func import task

from agent_graph.context import Context
from agent_graph.errors import Bug
from agent_graph.events import Tell
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId
from agent_graph.worker.call import failed, fingerprint, finished, skipped
from agent_graph.worker.journal import UNKNOWN, Attempt
from agent_graph.worker.schedule import decide

T = TypeVar("T")


class CallStep(Protocol):
    """Runs one step, in this process or in another."""

    async def __call__(
        self,
        step: Step,
        evidence: Mapping[StepId, Evidence],
        *,
        context: Context,
        started: float,
        deadline: float,
        tell: Tell,
    ) -> Evidence:
        """Return the step's evidence; failures are statuses, not exceptions."""
        ...


class Skipped(NamedTuple):
    """What a closed gate says."""

    reason: str


Gate = asyncio.Future[Skipped | None]


class Dataflow(NamedTuple):
    """All that the steps of one plan share."""

    plan: Plan
    evidence: dict[StepId, Evidence]
    """Grows as steps end; starts with what earlier rounds found."""
    writes: frozenset[StepId]
    context: Context
    started: float
    clock: Callable[[], float]
    call: CallStep
    tell: Tell

    async def run(self) -> dict[StepId, Evidence]:
        """Run every step of the plan and return all evidence, earlier rounds included."""
        loop = asyncio.get_running_loop()
        attempt = Attempt.new()
        deadline = self.clock() + self.context.run_timeout_s
        gates: dict[StepId, Gate] = {step.id: loop.create_future() for step in self.plan.steps}
        futures = {self._task(step, gates[step.id], attempt, deadline): step.id for step in self.plan.steps}
        running: set[StepId] = set()
        pending = set(futures)
        try:
            while pending:
                self._open(gates, running)
                if not running and not any(gates[futures[one]].done() for one in pending):
                    raise Bug(f"no step of {', '.join(sorted(futures[one] for one in pending))} can start")
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    running.discard(futures[future])
                    self._keep(futures[future], future.result())
        finally:
            for gate in gates.values():
                gate.cancel()
        ordered = sorted(self.evidence.items(), key=lambda item: int(item[0][1:]))
        return dict(ordered)

    def _open(self, gates: Mapping[StepId, Gate], running: set[StepId]) -> None:
        decision = decide(
            self.plan,
            ended={step_id: one.status for step_id, one in self.evidence.items()},
            running=running,
            writes=self.writes,
            max_concurrency=self.context.max_concurrency,
        )
        for step_id in decision.start:
            running.add(step_id)
            gates[step_id].set_result(None)
        for skip in decision.skip:
            if not gates[skip.step].done():
                gates[skip.step].set_result(Skipped(skip.reason))

    def _task(self, step: Step, gate: Gate, attempt: Attempt, deadline: float) -> asyncio.Future[Evidence]:
        mark = self._mark(step, gate, attempt) if step.id in self.writes else None

        async def run_step() -> Evidence:
            closed = await gate
            if closed is not None:
                return skipped(step, closed.reason)
            if mark is not None and not attempt.is_mine(await mark):
                return failed(step, "interrupted", UNKNOWN)
            if self.clock() >= deadline:
                return skipped(step, f"the run's {self.context.run_timeout_s:g} s were over", "deadline")
            return await self.call(
                step,
                self.evidence,
                context=self.context,
                started=self.started,
                deadline=deadline,
                tell=self.tell,
            )

        return _begin(run_step, f"{step.id} {step.tool}")

    def _mark(self, step: Step, gate: Gate, attempt: Attempt) -> asyncio.Future[str]:
        async def mark_started() -> str:
            await gate
            return attempt.token

        return _begin(mark_started, f"{step.id} started")

    def _keep(self, step_id: StepId, outcome: Evidence) -> None:
        step = self.plan.by_id[step_id]
        evidence = Evidence.model_validate(outcome)
        if evidence.step != step_id or (
            evidence.ok and evidence.fingerprint != fingerprint(step, evidence.args)
        ):
            evidence = failed(
                step, "interrupted", "The stored result belongs to another step and was not used."
            )
        self.evidence[step_id] = evidence
        self.tell(finished(evidence))


def _begin(work: Callable[[], Awaitable[T]], name: str) -> asyncio.Future[T]:
    """Create a LangGraph task; inside a running loop its future is asyncio's own."""
    as_task: Any = task(name=name)
    return cast("asyncio.Future[T]", as_task(work)())
