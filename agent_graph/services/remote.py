"""The client side of the three roles, each with the signature of the local one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from langgraph.types import interrupt

from agent_graph import guardrails
from agent_graph.context import Context
from agent_graph.errors import ServiceUnavailable
from agent_graph.events import (
    AnswerReset,
    AnswerText,
    Event,
    ModelFellBack,
    PlanReset,
    PlanStepWritten,
    StepRetried,
    StepStarted,
    Tell,
)
from agent_graph.evidence import Evidence, FailureKind
from agent_graph.identity import identity
from agent_graph.planner import PlanRequest, Written, check, write_plan
from agent_graph.services.asking import answers
from agent_graph.services.cards import ToolCard, cards_of
from agent_graph.services.client import GRACE_S, Limits, Lost, Remote, ReplicaLost
from agent_graph.services.wire import Called, CallRequest, PlanCall
from agent_graph.solver import Solved, SolveRequest, write_answer
from agent_graph.worker.call import Call, failed
from tools.catalog import Catalog

UNKNOWN = "The step may have acted; its outcome is unknown and it was not repeated."

TURNS = 4
"""Model calls one plan or answer may come to, each as long as `model_timeout_s`: two models that try twice."""


@dataclass(eq=False)
class RemotePlanner(Remote):
    """Plans over HTTP; as `Deps.plan`."""

    catalog: Catalog
    """The graph's own tools: what the planner is told of, and what its plan is checked against."""

    role = "planner"
    path = "/plan"
    tells = (PlanStepWritten, PlanReset, ModelFellBack)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._cards: tuple[ToolCard, ...] = cards_of(self.catalog)

    async def __call__(self, request: PlanRequest) -> AsyncIterator[Event | Written]:
        """Yield steps as they are written and the checked plan last.

        A plan that was lost half-way is reset and written again; without a replica for `model_timeout_s`,
        extractive mode plans. Raises ServiceUnavailable when the service refuses the call, fails, or writes a
        plan that this graph cannot run.
        """
        asked = PlanCall(request=request, tools=self._cards)
        try:
            async with aclosing(self.ask(asked, Written, _limits(request.context))) as parts:
                async for part in parts:
                    if isinstance(part, Written):
                        yield self._checked(part, request)
                    elif isinstance(part, Lost):
                        yield PlanReset(reason=f"{part.reason} The plan is written afresh.")
                    else:
                        yield part
            return
        except ReplicaLost as error:
            reason = f"no planner service could plan, extractive mode does: {error}"
        yield PlanReset(reason=reason)
        async for part in write_plan(request, None, self.catalog):
            yield part

    def _checked(self, written: Written, request: PlanRequest) -> Written:
        plan = written.plan
        problems = check(
            plan,
            self.catalog,
            max_steps=request.context.max_steps,
            evidence=request.evidence,
            earlier=[replan.plan for replan in request.replans],
        )
        if problems:
            said = " ".join(guardrails.redact(guardrails.printable(str(problems[0]))).split())
            raise ServiceUnavailable(
                f"The planner service wrote a plan that cannot run here; use one version on both sides: {said}"
            )
        tainted = plan.tainted or bool(request.replans)
        return written.model_copy(update={"plan": plan.model_copy(update={"tainted": tainted})})


@dataclass(eq=False)
class RemoteWorker(Remote):
    """Calls steps over HTTP; as `Deps.call`."""

    catalog: Catalog
    """The graph's own tools, which say what may be called once more."""
    clock: Callable[[], float] = field(default=time.time, kw_only=True)
    """The graph's clock, on which `started` and `deadline` are given."""

    role = "worker"
    path = "/call"
    tells = (StepStarted, StepRetried)

    async def __call__(self, call: Call, tell: Tell) -> Evidence:
        """Return the step's evidence; a service that fails is a failed step, not an exception.

        What was not sent to any replica is sent again for `step_timeout_s`; a step that was lost while it ran
        is called once more only if its tool reads or is idempotent.
        """
        now, step = self.clock(), call.step
        left = max(call.deadline - now, 0.001)
        request = CallRequest(
            step=step,
            args=call.args,
            context=call.context,
            key=call.key,
            elapsed_s=now - call.started,
            who=identity(),
            answers=tuple(answers()) if call.asked else (),
        )
        spec = self.catalog.get(step.tool)
        harmless = spec is not None and (spec.effects == "reads" or spec.idempotent)
        patience = min(call.context.step_timeout_s, left)
        limits = Limits(left, patience, again=harmless and call.context.retries > 0)
        kind: FailureKind
        try:
            async with asyncio.timeout(left + GRACE_S):
                return await self._answered(request, limits, tell)
        except TimeoutError:
            kind, error = "timeout", "The worker service did not end the step within the run's time."
        except ServiceUnavailable as lost:
            kind, error = "transient" if isinstance(lost, ReplicaLost) else "tool_error", str(lost)
            if lost.begun and not harmless:
                kind, error = "interrupted", f"{lost} {UNKNOWN}"
        times = {"started": round(now - call.started, 4), "seconds": round(self.clock() - now, 4)}
        return failed(step, kind, error, args=call.args).model_copy(update=times)

    async def _answered(self, request: CallRequest, limits: Limits, tell: Tell) -> Evidence:
        """Call the step; what its tool asks is asked where the graph runs, which ends here until it resumes."""
        while True:
            called = await self._outcome(request, limits, tell)
            if called.evidence is not None:
                return called.evidence
            assert called.question is not None
            answer = interrupt(called.question.value, response_schema=called.question.response_schema)
            request = request.model_copy(update={"answers": (*request.answers, answer)})

    async def _outcome(self, request: CallRequest, limits: Limits, tell: Tell) -> Called:
        lost, started = 0, False
        async with aclosing(self.ask(request, Called, limits)) as parts:
            async for part in parts:
                if isinstance(part, Called):
                    if part.evidence is None:
                        return part
                    attempts = part.evidence.attempts + lost
                    evidence = part.evidence.model_copy(update={"attempts": attempts})
                    return part.model_copy(update={"evidence": evidence})
                if isinstance(part, Lost):
                    lost += 1
                    tell(StepRetried(step=request.step.id, attempt=1 + lost, error=part.reason))
                elif not (started and isinstance(part, StepStarted)):
                    started = started or isinstance(part, StepStarted)
                    tell(part)
        raise AssertionError("ask() ends with an outcome or raises")


@dataclass(eq=False)
class RemoteSolver(Remote):
    """Answers over HTTP; as `Deps.solve`."""

    role = "solver"
    path = "/solve"
    tells = (AnswerText, AnswerReset, ModelFellBack)

    async def __call__(self, request: SolveRequest) -> AsyncIterator[Event | Solved]:
        """Yield the answer's text as it comes and the checked answer last.

        An answer that was lost half-way is reset and written again; without a replica for `model_timeout_s`,
        extractive mode answers. Raises ServiceUnavailable when the service refuses the call or fails.
        """
        try:
            async with aclosing(self.ask(request, Solved, _limits(request.context))) as parts:
                async for part in parts:
                    if isinstance(part, Lost):
                        yield AnswerReset(reason=f"{part.reason} The answer is written afresh.")
                    else:
                        yield part
            return
        except ReplicaLost as error:
            reason = f"no solver service could answer, extractive mode does: {error}"
        yield AnswerReset(reason=reason)
        async for part in write_answer(request, None):
            yield part


def _limits(context: Context) -> Limits:
    return Limits(left_s=TURNS * context.model_timeout_s, patience_s=context.model_timeout_s, again=True)
