"""The dataflow: steps run the moment the schedule allows it, while the plan is still written or after.

Every step is a LangGraph task. LangGraph matches stored results to tasks by name and by the order in which
tasks were created, so tasks are created in the order in which the steps were written, whatever order they
start in: each waits *inside* for its gate, and the schedule opens the gates. The name carries a digest of
the step and of all that it needs, so a plan that was written differently in another life of the run never
gets this one's results.

One coroutine does everything: it takes what happens from a queue (a step was written, a step ended, the
plan is complete) and starts what may start.
"""

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Interrupt

from agent_graph import references
from agent_graph.context import Context
from agent_graph.durable import begin
from agent_graph.errors import Bug
from agent_graph.events import StepStarted, Tell
from agent_graph.evidence import Evidence, StepStatus
from agent_graph.journal import Journal, JournalLost, is_large, load
from agent_graph.plan import Plan, Step
from agent_graph.references import ReferenceMissing, StepId
from agent_graph.usage import Usage
from agent_graph.worker.call import (
    Call,
    CallStep,
    failed,
    fingerprint,
    finished,
    shown,
    skipped,
)
from agent_graph.worker.schedule import decide
from tools.faults import one_line

UNKNOWN = (
    "The run was interrupted while this step may have acted; its outcome is unknown and it was not repeated."
)
"""Error of a writing step that had started before a crash."""

BEGINNING_CHARACTERS = 2_000
"""How much of a value that is kept apart stays with the evidence."""

Gate = asyncio.Future[Call | Evidence]
"""Opens with the call to make, or with the evidence of a step that is not called."""


class Effects(NamedTuple):
    """What the tools do, by name."""

    writing: frozenset[str] = frozenset()
    """Their steps are fences."""
    once: frozenset[str] = frozenset()
    """Those of them that must never be called twice for one step."""
    unsure: frozenset[str] = frozenset()
    """Tools that do not say whether they write."""


@dataclass(eq=False)
class _Begun:
    """A step that was written, in this plan or in a draft of it, and what became of it."""

    step: Step
    digest: str
    gate: Gate
    future: asyncio.Future[Evidence] | None = None
    call: Call | None = None
    value: Any = None
    """The whole value, when the evidence keeps it apart."""
    work: asyncio.Task[Evidence] | None = None
    outcome: Evidence | None = None


class _Written(NamedTuple):
    step: Step
    held: bool


class _Forgotten(NamedTuple):
    pass


class _Complete(NamedTuple):
    plan: Plan


_Happening = _Written | _Forgotten | _Complete | _Begun


@dataclass(eq=False)
class Dataflow:
    """Runs the steps of one plan; use it as an asynchronous context manager inside a node."""

    context: Context
    call: CallStep
    effects: Effects
    tell: Tell
    started: float
    """When the run began, on the clock."""
    clock: Callable[[], float]
    before: Mapping[StepId, Evidence]
    """What earlier plans of this turn found."""

    _plan: Plan = field(default_factory=Plan)
    """As far as it is known."""
    _digests: dict[StepId, str] = field(default_factory=dict)
    _ended: dict[StepId, Evidence] = field(default_factory=dict)
    _status: dict[StepId, StepStatus] = field(default_factory=dict)
    _told: set[StepId] = field(default_factory=set)
    _held: set[StepId] = field(default_factory=set)
    _writes: set[StepId] = field(default_factory=set)
    _asking: dict[str, tuple[Interrupt, ...]] = field(default_factory=dict)
    """What the tools of steps ask a person, by the step's digest."""
    _begun: dict[str, _Begun] = field(default_factory=dict)
    """Every step that was written, by digest; also those of drafts."""
    _uncreated: deque[_Begun] = field(default_factory=deque)
    _running: dict[str, _Begun] = field(default_factory=dict)
    """What runs, by digest; also what an abandoned draft had begun."""
    _active: set[StepId] = field(default_factory=set)
    """Those of them that are steps of this plan."""
    _deadline: float | None = None
    _complete: bool = False

    async def __aenter__(self) -> "Dataflow":
        self._journal = Journal.here()
        self._returning = await self._journal.paused()
        self.before = await self._journal.fetch(self.before)
        self._happenings: asyncio.Queue[_Happening] = asyncio.Queue()
        self._settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._forget()
        self._driver = asyncio.create_task(self._drive())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._driver.cancel()
        for one in self._begun.values():
            if one.work is not None:
                one.work.cancel()
            if not one.gate.done() and kind is None:
                one.gate.set_result(_withdrawn(one.step))
            else:
                one.gate.cancel()

    def write(self, step: Step, *, held: bool = False) -> None:
        """Take a step of a plan that is still being written; unless held, it starts as soon as it may."""
        self._happenings.put_nowait(_Written(step, held))

    def forget(self) -> None:
        """Take note that the plan is being written afresh; steps that come again keep what they found."""
        self._happenings.put_nowait(_Forgotten())

    async def finish(self, plan: Plan) -> dict[StepId, Evidence]:
        """Run the complete plan to its end and return its evidence and that of earlier plans.

        Steps that were begun and are not in the plan are cancelled, and never seen. Raises GraphInterrupt
        when all that is left waits for a tool that asks a person.
        """
        self._happenings.put_nowait(_Complete(plan))
        await asyncio.wait({self._driver, self._settled}, return_when=asyncio.FIRST_COMPLETED)
        if self._driver.done():
            self._driver.result()  # raises what went wrong
        self._settled.result()
        ordered = sorted(self._ended.items(), key=lambda item: int(item[0][1:]))
        return {step_id: _stored(one) for step_id, one in ordered}

    def account(self, usage: Usage) -> Usage:
        """Return the usage with what the steps of this plan cost added to it."""
        for step_id, one in self._ended.items():
            if step_id not in self.before and one.attempts:
                usage = usage.with_step(step_id, one.attempts, one.seconds, one.usage)
        return usage

    async def _drive(self) -> None:
        while True:
            happening = await self._happenings.get()
            if isinstance(happening, _Begun):
                await self._end(happening)
            elif isinstance(happening, _Written):
                self._add(happening.step, held=happening.held)
            elif isinstance(happening, _Complete):
                self._adopt(happening)
            else:
                self._forget()
                self._told = set()
            if self._happenings.empty():
                self._advance()

    def _forget(self) -> None:
        self._plan, self._digests = Plan(), {}
        self._held, self._writes, self._active = set(), set(), set()
        self._ended = dict(self.before)
        self._status = {step_id: one.status for step_id, one in self._ended.items()}

    def _adopt(self, complete: _Complete) -> None:
        """Take the finished plan in place of its draft; give up what is not in it."""
        self._complete = True
        self._forget()
        for step in complete.plan.steps:
            if step.id not in self._ended:
                self._add(step)
        for one in [*self._running.values()]:
            if not self._is_current(one):
                del self._running[one.digest]
                if one.work is not None:
                    one.work.cancel()

    def _add(self, step: Step, *, held: bool = False) -> None:
        if step.id in self._digests:
            return  # a second step of that name: the check will refuse the plan
        digest = self._digest(step)
        self._plan = Plan.model_construct(steps=(*self._plan.steps, step))
        self._digests[step.id] = digest
        if held:
            self._held.add(step.id)
        if step.tool in self.effects.writing:
            self._writes.add(step.id)
        one = self._begun.get(digest)
        if one is None:
            one = _Begun(step, digest, asyncio.get_running_loop().create_future())
            self._begun[digest] = one
            self._uncreated.append(one)
        elif one.outcome is not None:
            self._keep(step.id, one.outcome)
        elif digest in self._running:
            self._active.add(step.id)
            if one.call is not None and not self._complete:
                self.tell(StepStarted(step=step.id, tool=step.tool, args=shown(one.call.args)))

    def _digest(self, step: Step) -> str:
        """Return a digest of the step and, through what it needs, of all that its outcome depends on."""
        needs = {need: self._origin(need) for need in sorted(step.needs)}
        payload = json.dumps([step.id, step.tool, step.args, needs], sort_keys=True, default=str)
        return hashlib.sha256(payload.encode()).hexdigest()[:12]

    def _origin(self, step_id: StepId) -> str:
        earlier = self.before.get(step_id)
        return self._digests.get(step_id, "") if earlier is None else earlier.fingerprint

    def _advance(self) -> None:
        while True:
            waiting = [self._begun[digest].step.id for digest in self._asked()]
            # What an abandoned draft still runs takes room, but is no step of this plan; a person takes none.
            room = self.context.max_concurrency - len(self._running)
            decision = decide(
                self._plan,
                ended=self._status,
                running={*self._active, *waiting} if waiting else self._active,
                writes=self._writes,
                held=self._held,
                max_concurrency=len(self._active) + len(waiting) + room,
            )
            for skip in decision.skip:
                one = self._begun[self._digests[skip.step]]
                self._decided(one, skipped(one.step, skip.reason))
            for step_id in decision.start:
                self._start(self._begun[self._digests[step_id]])
            if not decision.skip:  # a skipped step may open a fence
                break
        if self._complete and not self._active:
            self._settle(decision.done)

    def _settle(self, done: bool) -> None:
        if self._settled.done():
            return
        if asked := self._asked():
            every = [interrupt for digest in asked for interrupt in self._asking[digest]]
            self._settled.set_exception(GraphInterrupt(tuple(every)))
        elif not done:
            lost = [step.id for step in self._plan.steps if step.id not in self._ended]
            self._settled.set_exception(Bug(f"no step of {', '.join(lost)} can start"))
        else:
            self._settled.set_result(None)

    def _asked(self) -> list[str]:
        return [digest for digest in self._asking if self._is_current(self._begun[digest])]

    def _is_current(self, one: _Begun) -> bool:
        return self._digests.get(one.step.id) == one.digest

    def _start(self, one: _Begun) -> None:
        self._running[one.digest] = one
        self._active.add(one.step.id)
        ready = self._ready(one.step)
        one.call = ready if isinstance(ready, Call) else None
        while one.future is None:  # tasks are created in the order in which their steps were written
            self._create(self._uncreated.popleft())
        if one.future.done():  # with the result of an earlier life
            self._happenings.put_nowait(one)
        elif not one.gate.done():
            one.gate.set_result(ready)

    def _ready(self, step: Step) -> Call | Evidence:
        """Fill the references of a step whose inputs are all there, by value and in one pass."""
        if self._deadline is None:
            self._deadline = self.clock() + self.context.run_timeout_s
        if self.clock() >= self._deadline:
            return skipped(step, f"the run's {self.context.run_timeout_s:g} s were over", "deadline")
        try:
            args = references.fill(step.args, self._value)
        except ReferenceMissing as error:
            return failed(step, "missing_reference", str(error))
        mark = fingerprint(step.tool, args)
        for other in self._ended.values():
            if other.status == "failed" and other.fingerprint == mark:
                return failed(
                    step, "repeated", f"The same call has failed before, as #{other.step}: {other.error}"
                )
        return Call(
            step=step,
            args=args,
            context=self.context,
            key=self._journal.key(self._digests[step.id]),
            started=self.started,
            deadline=self._deadline,
            asked=self._digests[step.id] in self._returning,
        )

    def _create(self, one: _Begun) -> None:
        async def run_step() -> Evidence:
            ready = await one.gate
            if isinstance(ready, Evidence):
                return ready
            one.work = asyncio.create_task(self._run(one, ready))
            try:
                return await one.work
            except asyncio.CancelledError:
                if one.digest in self._running:
                    raise
                return _withdrawn(one.step)

        one.future = begin(run_step, f"{one.step.id} {one.step.tool} {one.digest}")
        one.future.add_done_callback(lambda future: self._arrived(one, future))

    def _arrived(self, one: _Begun, future: asyncio.Future[Evidence]) -> None:
        if not future.cancelled():
            future.exception()  # looked at here, because a step that was given up is looked at nowhere else
        self._happenings.put_nowait(one)

    async def _run(self, one: _Begun, call: Call) -> Evidence:
        if one.step.tool in self.effects.once:
            try:
                if not await self._journal.claim(one.digest):
                    return failed(one.step, "interrupted", UNKNOWN, args=call.args)
            except JournalLost as error:  # what else goes wrong there ends the run, which can be resumed
                reason = f"It was not called: {one_line(error)}"
                return failed(one.step, "tool_error", reason, args=call.args)
        try:
            return await self._apart(one, await self.call(call, self.tell))
        except GraphBubbleUp:
            await self._journal.pause(one.digest)
            raise

    async def _apart(self, one: _Begun, evidence: Evidence) -> Evidence:
        """Keep a large value apart from the evidence that goes into checkpoints."""
        if not evidence.ok or not is_large(evidence.value):
            return evidence
        whole = await self._journal.keep(one.digest, evidence.value)
        if whole is None:
            return evidence
        one.value = evidence.value
        return evidence.model_copy(
            update={"value": None, "whole": whole, "beginning": evidence.text[:BEGINNING_CHARACTERS]}
        )

    def _value(self, step_id: StepId) -> Any:
        evidence = self._ended[step_id]
        if evidence.whole is not None and evidence.value is None:
            raise ReferenceMissing(f"#{step_id}: its value is not in the checkpointer any more")
        return evidence.value

    async def _end(self, one: _Begun) -> None:
        assert one.future is not None
        if one.outcome is not None or one.digest not in self._running:
            return  # a stored result that came before its turn, or a step that was given up
        try:
            outcome = Evidence.model_validate(one.future.result())
            if outcome.failure == "withdrawn" and one.call is not None:
                # Given up in an earlier life, in which the plan was written differently.
                outcome = await self._run(one, one.call)
            evidence = await self._checked(one, outcome)
        except GraphInterrupt as asking:
            self._asking[one.digest] = tuple(asking.args[0]) if asking.args else ()
            return
        finally:
            del self._running[one.digest]
            if self._is_current(one):
                self._active.discard(one.step.id)
        self._decided(one, evidence)

    async def _checked(self, one: _Begun, evidence: Evidence) -> Evidence:
        """Return evidence that belongs to the step, with its value whole; a foreign one is a failure."""
        expected = fingerprint(one.step.tool, one.call.args) if one.call else evidence.fingerprint
        if evidence.step != one.step.id or (evidence.ok and evidence.fingerprint != expected):
            return failed(
                one.step, "interrupted", "The stored result belongs to another step and was not used."
            )
        if evidence.whole is None:
            return evidence
        try:
            value = one.value if one.value is not None else await load(self._journal.saver, evidence.whole)
        except JournalLost as error:
            return failed(one.step, "interrupted", str(error))
        return evidence.model_copy(update={"value": value})

    def _decided(self, one: _Begun, evidence: Evidence) -> None:
        one.outcome = evidence
        if self._is_current(one):
            self._keep(one.step.id, evidence)

    def _keep(self, step_id: StepId, evidence: Evidence) -> None:
        self._ended[step_id] = evidence
        self._status[step_id] = evidence.status
        if step_id not in self._told:
            self._told.add(step_id)
            self.tell(finished(evidence))


def _withdrawn(step: Step) -> Evidence:
    """Return what stands for a step of a draft that did not become the plan; nobody ever sees it."""
    return skipped(step, "the plan was written differently", "withdrawn")


def _stored(evidence: Evidence) -> Evidence:
    return evidence if evidence.whole is None else evidence.model_copy(update={"value": None})
