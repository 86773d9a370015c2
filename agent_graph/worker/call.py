"""One step: validate its filled arguments, call its tool with deadline and retries, keep what came of it."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from langgraph.errors import GraphBubbleUp
from pydantic import BaseModel, ConfigDict
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from agent_graph import monitoring
from agent_graph.context import Context
from agent_graph.events import StepFinished, StepRetried, StepStarted, Tell
from agent_graph.evidence import Evidence, FailureKind, Source
from agent_graph.journal import is_large
from agent_graph.models.ask import spent
from agent_graph.monitoring import names
from agent_graph.plan import Step
from agent_graph.usage import RoleUsage
from tools.catalog import Catalog, ToolSpec, coerce, validate
from tools.errors import BadArguments, NotPlain
from tools.faults import as_asked, failure_of, is_transient, one_line
from tools.observation import Observation
from tools.observation import call as observe
from tools.plain import as_text, jsonable

SUMMARY_CHARACTERS = 200
"""How much of a value an event shows."""


class Call(BaseModel):
    """One step that can be called: its references are filled."""

    model_config = ConfigDict(frozen=True)

    step: Step
    args: dict[str, Any]
    """As the plan wrote them, references filled by value."""
    context: Context
    key: str = ""
    """For tools that take an idempotency key: the same whenever this step of this run is called."""
    started: float = 0.0
    """When the run began, on the caller's clock."""
    deadline: float
    """When the steps of the plan must have ended, on the caller's clock."""
    asked: bool = False
    """Whether the tool has asked a person in an earlier life of the run, and is called again for it."""


class CallStep(Protocol):
    """Calls one step, in this process or in another."""

    async def __call__(self, call: Call, tell: Tell) -> Evidence:
        """Return the step's evidence; failures are statuses, not exceptions."""
        ...


class StepCaller(NamedTuple):
    """Calls steps in this process."""

    catalog: Catalog
    clock: Callable[[], float]

    async def __call__(self, call: Call, tell: Tell) -> Evidence:
        """Validate the arguments and call the tool; whatever goes wrong becomes the evidence's status."""
        begin, step = self.clock(), call.step
        own_calls: list[RoleUsage] = []
        spent.set(own_calls)
        with monitoring.span(
            names.EXECUTE_TOOL, step.tool, {names.TOOL: step.tool, names.STEP: step.id}
        ) as current:
            outcome = await self._run(call, tell)
            current.set_attribute(names.STATUS, outcome.status)
        times = {"started": round(begin - call.started, 4), "seconds": round(self.clock() - begin, 4)}
        cost = {"usage": sum(own_calls, RoleUsage())} if own_calls else {}
        return outcome.model_copy(update={**times, **cost})

    async def _run(self, call: Call, tell: Tell) -> Evidence:
        spec = self.catalog[call.step.tool]
        try:
            args = coerce(spec, {**_run_defaults(spec, call.context), **call.args})
        except BadArguments as error:
            return failed(call.step, "bad_arguments", one_line(error), args=call.args)
        tell(StepStarted(step=call.step.id, tool=call.step.tool, args=shown(args)))
        outcome = await self._attempts(call, spec, args, tell)
        fallback = self.catalog.fallback(spec.name)
        if outcome.ok or fallback is None or validate(fallback, args):
            return outcome
        second = await self._attempts(call, fallback, args, tell)
        return second.model_copy(update={"attempts": outcome.attempts + second.attempts})

    async def _attempts(self, call: Call, spec: ToolSpec, args: dict[str, Any], tell: Tell) -> Evidence:
        step, attempts = call.step, 0
        # What may have acted is never repeated: only reads, and tools that say repeating is harmless.
        repeatable = spec.effects == "reads" or spec.idempotent
        retrying = AsyncRetrying(
            stop=stop_after_attempt(1 + (call.context.retries if repeatable else 0)),
            wait=_wait,
            retry=retry_if_exception(lambda error: is_transient(error) and self.clock() < call.deadline),
            before_sleep=lambda state: tell(
                StepRetried(step=step.id, attempt=state.attempt_number + 1, error=failure_of(state))
            ),
            sleep=partial(self._sleep, deadline=call.deadline),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    attempts += 1
                    observation = await self._once(call, spec, args)
        except GraphBubbleUp:
            raise  # a tool that asks a person; LangGraph resumes it
        except Exception as error:
            kind: FailureKind = "transient" if is_transient(error) else "tool_error"
            if isinstance(error, _Late):
                kind = "timeout"
            return failed(step, kind, one_line(error), args=call.args, tool=spec.name, attempts=attempts)
        if observation.error:
            return failed(
                step, "tool_error", observation.error, args=call.args, tool=spec.name, attempts=attempts
            )
        return Evidence(
            step=step.id,
            tool=spec.name,
            args=recorded(step, args),
            status="ok",
            value=observation.value,
            sources=tuple(Source(**record) for record in observation.sources),
            attempts=attempts,
            fingerprint=fingerprint(step.tool, call.args),
        )

    async def _sleep(self, seconds: float, *, deadline: float) -> None:
        left = deadline - self.clock()
        if seconds >= left:
            raise _Late(
                f"asked to wait {seconds:g} s, longer than the {max(left, 0):g} s that the run has left"
            )
        await asyncio.sleep(seconds)

    async def _once(self, call: Call, spec: ToolSpec, args: dict[str, Any]) -> Observation:
        seconds = min(call.context.step_timeout_s, call.deadline - self.clock())
        keyed = {**args, spec.key_argument: call.key} if spec.key_argument and call.key else args
        try:
            async with asyncio.timeout(seconds):
                observation = await observe(spec.tool, keyed)
        except TimeoutError:
            raise _Late(f"no result within {max(seconds, 0):g} s") from None
        if observation.cause is not None and is_transient(observation.cause):
            raise observation.cause
        return observation


class _Late(TimeoutError):
    """A call took longer than the step may."""


def _run_defaults(spec: ToolSpec, context: Context) -> dict[str, Any]:
    """Return the arguments whose default the tool leaves to a knob of the run, such as how many passages."""
    knobs: Mapping[str, str] = (spec.tool.metadata or {}).get("run_defaults", {})
    return {
        argument: getattr(context, knob) for argument, knob in knobs.items() if argument in spec.properties
    }


def failed(
    step: Step,
    kind: FailureKind,
    error: str,
    *,
    args: Mapping[str, Any] | None = None,
    tool: str = "",
    attempts: int = 1,
) -> Evidence:
    """Return evidence of a step that has no value, with the reason apart from any value.

    `args` are the filled arguments; None when it did not come to filling them.
    """
    return Evidence(
        step=step.id,
        tool=tool or step.tool,
        args=step.args if args is None else recorded(step, args),
        status="failed",
        error=error,
        failure=kind,
        attempts=attempts,
        fingerprint="" if args is None else fingerprint(step.tool, args),
    )


def skipped(step: Step, reason: str, kind: FailureKind = "dependency") -> Evidence:
    """Return evidence of a step that was not run."""
    return Evidence(
        step=step.id, tool=step.tool, args=step.args, status="skipped", error=reason, failure=kind, attempts=0
    )


def recorded(step: Step, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as evidence keeps them: a 30-digit number as its digits, a large one as written."""
    return {
        name: step.args.get(name, "") if is_large(value) else _plain(value) for name, value in args.items()
    }


def _plain(value: Any) -> Any:
    try:
        return value if isinstance(value, str) else jsonable(value)
    except NotPlain:
        return as_text(value)


def fingerprint(tool: str, args: Mapping[str, Any]) -> str:
    """Return a digest of a tool and its filled arguments: what a result must belong to, to be used."""
    payload = json.dumps([tool, args], sort_keys=True, default=str)
    return hashlib.sha256(payload.encode()).hexdigest()[:16]


def finished(evidence: Evidence) -> StepFinished:
    """Return the event that tells how a step ended."""
    return StepFinished(
        step=evidence.step,
        tool=evidence.tool,
        status=evidence.status,
        summary=_short(evidence.text if evidence.ok else evidence.error),
        failure=evidence.failure,
        attempts=evidence.attempts,
        seconds=evidence.seconds,
        sources=len(evidence.sources),
        usage=evidence.usage if evidence.usage.calls else None,
    )


def shown(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments shortened for an event; the evidence keeps them whole."""
    texts = {name: as_text(value) for name, value in args.items()}
    return {
        name: _short(texts[name]) if len(texts[name]) > SUMMARY_CHARACTERS else value
        for name, value in args.items()
    }


def _short(text: str) -> str:
    return text if len(text) <= SUMMARY_CHARACTERS else f"{text[:SUMMARY_CHARACTERS]}…"


_wait = as_asked(wait_exponential(multiplier=0.2, max=10) + wait_random(0, 0.2))
