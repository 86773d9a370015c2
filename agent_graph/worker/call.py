"""One step: fill its references, validate, call its tool with deadline and retries, keep what came of it."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from langgraph.errors import GraphBubbleUp
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from agent_graph import monitoring, references
from agent_graph.context import Context
from agent_graph.events import StepFinished, StepRetried, StepStarted, Tell
from agent_graph.evidence import Evidence, FailureKind, Source
from agent_graph.monitoring import names
from agent_graph.plan import Step
from agent_graph.references import ReferenceMissing, StepId
from tools.catalog import Catalog, ToolSpec, coerce, validate
from tools.errors import BadArguments, NotPlain
from tools.faults import as_asked, failure_of, is_transient, one_line
from tools.observation import Observation, call
from tools.plain import as_text, jsonable

SUMMARY_CHARACTERS = 200
"""How much of a value an event shows."""


class StepCaller(NamedTuple):
    """Calls steps in this process; a remote worker offers the same `__call__`."""

    catalog: Catalog
    clock: Callable[[], float]

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
        """Run one step on the evidence it needs; whatever goes wrong becomes the evidence's status.

        `started` is the run's begin and `deadline` the latest end, both on the clock.
        """
        begin = self.clock()
        labels = {names.TOOL: step.tool, names.STEP: step.id}
        with monitoring.span(names.EXECUTE_TOOL, step.tool, labels) as current:
            outcome = await self._run(step, evidence, context, deadline, tell)
            current.set_attribute(names.STATUS, outcome.status)
        return outcome.model_copy(
            update={"started": round(begin - started, 4), "seconds": round(self.clock() - begin, 4)}
        )

    async def _run(
        self, step: Step, evidence: Mapping[StepId, Evidence], context: Context, deadline: float, tell: Tell
    ) -> Evidence:
        spec = self.catalog[step.tool]
        try:
            filled = references.fill(step.args, lambda need: evidence[need].value)
        except ReferenceMissing as error:
            return failed(step, "missing_reference", str(error))
        try:
            args = coerce(spec, {**_run_defaults(spec, context), **filled})
        except BadArguments as error:
            return failed(step, "bad_arguments", one_line(error), args=filled)
        tell(StepStarted(step=step.id, tool=step.tool, args=shown(args)))
        outcome = await self._attempts(step, spec, args, context, deadline, tell)
        fallback = self.catalog.fallback(spec.name)
        if outcome.ok or fallback is None or validate(fallback, args):
            return outcome
        second = await self._attempts(step, fallback, args, context, deadline, tell)
        return second.model_copy(update={"attempts": outcome.attempts + second.attempts})

    async def _attempts(
        self,
        step: Step,
        spec: ToolSpec,
        args: dict[str, Any],
        context: Context,
        deadline: float,
        tell: Tell,
    ) -> Evidence:
        attempts = 0
        # What may have acted is never repeated: only reads, and tools that say repeating is harmless.
        repeatable = spec.effects == "reads" or spec.idempotent
        retrying = AsyncRetrying(
            stop=stop_after_attempt(1 + (context.retries if repeatable else 0)),
            wait=_wait,
            retry=retry_if_exception(lambda error: is_transient(error) and self.clock() < deadline),
            before_sleep=lambda state: tell(
                StepRetried(step=step.id, attempt=state.attempt_number + 1, error=failure_of(state))
            ),
            sleep=partial(self._sleep, deadline=deadline),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    attempts += 1
                    observation = await self._once(spec, args, context, deadline)
        except GraphBubbleUp:
            raise  # a tool that asks a person; LangGraph resumes it
        except Exception as error:
            kind: FailureKind = "transient" if is_transient(error) else "tool_error"
            if isinstance(error, _Late):
                kind = "timeout"
            return failed(step, kind, one_line(error), args=args, tool=spec.name, attempts=attempts)
        if observation.error:
            return failed(step, "tool_error", observation.error, args=args, tool=spec.name, attempts=attempts)
        kept = _plain(args)
        return Evidence(
            step=step.id,
            tool=spec.name,
            args=kept,
            status="ok",
            value=observation.value,
            sources=tuple(Source(**record) for record in observation.sources),
            attempts=attempts,
            fingerprint=fingerprint(step, kept),
        )

    async def _sleep(self, seconds: float, *, deadline: float) -> None:
        left = deadline - self.clock()
        if seconds >= left:
            raise _Late(
                f"asked to wait {seconds:g} s, longer than the {max(left, 0):g} s that the run has left"
            )
        await asyncio.sleep(seconds)

    async def _once(
        self, spec: ToolSpec, args: dict[str, Any], context: Context, deadline: float
    ) -> Observation:
        seconds = min(context.step_timeout_s, deadline - self.clock())
        try:
            async with asyncio.timeout(seconds):
                observation = await call(spec.tool, args)
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
    args: dict[str, Any] | None = None,
    tool: str = "",
    attempts: int = 1,
) -> Evidence:
    """Return evidence of a step that has no value, with the reason apart from any value."""
    return Evidence(
        step=step.id,
        tool=tool or step.tool,
        args=_plain(args) if args is not None else step.args,
        status="failed",
        error=error,
        failure=kind,
        attempts=attempts,
        fingerprint=fingerprint(step, _plain(args or {})),
    )


def _plain(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as a checkpoint can hold them: a 30-digit number as its digits."""
    try:
        return {name: value if isinstance(value, str) else jsonable(value) for name, value in args.items()}
    except NotPlain:
        return {name: as_text(value) for name, value in args.items()}


def skipped(step: Step, reason: str, kind: FailureKind = "dependency") -> Evidence:
    """Return evidence of a step that was not run."""
    return Evidence(
        step=step.id, tool=step.tool, args=step.args, status="skipped", error=reason, failure=kind, attempts=0
    )


def fingerprint(step: Step, args: Mapping[str, Any]) -> str:
    """Return a digest of step, tool and filled arguments: what a result must belong to, to be used."""
    payload = json.dumps([step.id, step.tool, args], sort_keys=True, default=str)
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
