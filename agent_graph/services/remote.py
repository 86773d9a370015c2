"""The client side: where a role's service is, with the signature of the local role."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

import httpx
from pydantic import BaseModel

from agent_graph import guardrails
from agent_graph.errors import ServiceUnavailable, SettingsError
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
    decode,
)
from agent_graph.evidence import Evidence, FailureKind
from agent_graph.planner import PlanRequest, Written, check
from agent_graph.services.wire import SILENCE_S, Called, CallRequest, check_token
from agent_graph.solver import Solved, SolveRequest
from agent_graph.usage import Role
from agent_graph.worker.call import Call, failed
from tools.catalog import Catalog
from tools.faults import one_line

_log = logging.getLogger("agent_graph.services")

GRACE_S = 2.0
"""Seconds a worker service gets beyond the step's own deadline, to say that it was missed."""
CONNECT_S = 5.0
"""Seconds to open a connection; tried three times, because nothing has been asked yet."""

Done = TypeVar("Done", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class _Remote:
    """Where a role's service is; opened anew for each call, so it may be used from any event loop."""

    url: str
    """For example `http://planner:8000`; the path of the call is added."""
    token: str | None = field(default=None, repr=False, kw_only=True)
    """The secret the service asks for."""
    silence_s: float = field(default=SILENCE_S, kw_only=True)
    """Seconds without a sign of life after which the service counts as lost; more than its `beat_s`."""

    role: ClassVar[Role]
    path: ClassVar[str]
    tells: ClassVar[tuple[type[BaseModel], ...]]
    """The events this role may send."""

    def __post_init__(self) -> None:
        check_token(self.token)
        if not self.url.startswith(("http://", "https://")):
            raise SettingsError(
                f"{self.url!r} is no address of a {self.role} service; write http://host:port."
            )

    async def ask(self, request: BaseModel, kind: type[Done]) -> AsyncGenerator[Event | Done, None]:
        """Yield the events of one call and its outcome last.

        Raises ServiceUnavailable when the service does not carry the call out.
        """
        body = json.dumps(request.model_dump(mode="json"))
        headers = {"content-type": "application/json"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        url = f"{self.url.rstrip('/')}{self.path}"
        try:
            async with (
                self._client() as client,
                client.stream("POST", url, content=body, headers=headers) as reply,
            ):
                await self._check(reply)
                async for line in reply.aiter_lines():
                    if not line.strip():
                        continue
                    part = self._part(line, kind)
                    yield part
                    if isinstance(part, kind):
                        return
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise self._lost("could not be reached", error) from error
        except httpx.HTTPError as error:
            raise self._lost("was lost before it had answered", error, begun=True) from error
        raise ServiceUnavailable(f"The {self.role} service ended its reply without an outcome.", begun=True)

    def _client(self) -> httpx.AsyncClient:
        # The environment's proxies are not for calls between our own services.
        transport = httpx.AsyncHTTPTransport(verify=_trust(), retries=2, trust_env=False)
        wait = httpx.Timeout(self.silence_s, connect=CONNECT_S)
        return httpx.AsyncClient(transport=transport, timeout=wait, trust_env=False)

    def _lost(self, what: str, error: httpx.HTTPError, *, begun: bool = False) -> ServiceUnavailable:
        # The address is for whoever runs the services, not for whoever asks the agent.
        _log.warning("the %s service at %s %s: %s", self.role, self.url, what, one_line(error))
        return ServiceUnavailable(f"The {self.role} service {what}.", begun=begun)

    async def _check(self, reply: httpx.Response) -> None:
        if reply.status_code == 200:
            return
        if reply.status_code == 401:
            raise ServiceUnavailable(
                f"The {self.role} service refused the token; give both sides the same one."
            )
        said = _said(await reply.aread()) if 400 <= reply.status_code < 500 else ""
        text = said or f"it answered with status {reply.status_code}"
        # A proxy's 502 or 504 says nothing about whether the service behind it has acted.
        begun = reply.status_code >= 500
        raise ServiceUnavailable(f"The {self.role} service did not carry out the call: {text}", begun=begun)

    def _part(self, line: str, kind: type[Done]) -> Event | Done:
        try:
            told = json.loads(line)
            if "error" in told:
                raise ServiceUnavailable(_clean(str(told["error"])), begun=True)
            if "done" in told:
                return kind.model_validate(told["done"])
            event = decode(told["event"])
            if isinstance(event, self.tells):
                return event
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            _log.warning("the %s service at %s sent %r", self.role, self.url, line[:200])
            raise ServiceUnavailable(
                f"The {self.role} service sent what cannot be read.", begun=True
            ) from error
        raise ServiceUnavailable(f"The {self.role} service sent what is not its to say.", begun=True)


@dataclass(frozen=True, eq=False)
class RemotePlanner(_Remote):
    """Plans over HTTP; as `Deps.plan`."""

    catalog: Catalog
    """The graph's own tools: a plan from elsewhere is checked against them before it may run."""

    role = "planner"
    path = "/plan"
    tells = (PlanStepWritten, PlanReset, ModelFellBack)

    async def __call__(self, request: PlanRequest) -> AsyncIterator[Event | Written]:
        """Yield steps as they are written and the checked plan last.

        Raises ServiceUnavailable when the service fails, or writes a plan that this graph cannot run.
        """
        async with aclosing(self.ask(request, Written)) as parts:
            async for part in parts:
                yield self._checked(part, request) if isinstance(part, Written) else part

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
            raise ServiceUnavailable(
                f"The planner service wrote a plan that cannot run here, give both sides the same tools: "
                f"{_clean(str(problems[0]))}"
            )
        tainted = plan.tainted or bool(request.replans)
        return written.model_copy(update={"plan": plan.model_copy(update={"tainted": tainted})})


@dataclass(frozen=True, eq=False)
class RemoteWorker(_Remote):
    """Calls steps over HTTP; as `Deps.call`."""

    clock: Callable[[], float] = field(default=time.time, kw_only=True)
    """The graph's clock, on which `started` and `deadline` are given."""

    role = "worker"
    path = "/call"
    tells = (StepStarted, StepRetried)

    async def __call__(self, call: Call, tell: Tell) -> Evidence:
        """Return the step's evidence; a service that fails is a failed step, not an exception."""
        now, step = self.clock(), call.step
        left = max(call.deadline - now, 0.001)
        request = CallRequest(
            step=step,
            args=call.args,
            context=call.context,
            key=call.key,
            elapsed_s=now - call.started,
            left_s=left,
        )
        kind: FailureKind
        try:
            async with asyncio.timeout(left + GRACE_S):
                return await self._outcome(request, tell)
        except TimeoutError:
            kind, error = "timeout", "The worker service did not end the step within the run's time."
        except ServiceUnavailable as lost:
            kind, error = "interrupted" if lost.begun else "transient", _outcome_of(lost)
        times = {"started": round(now - call.started, 4), "seconds": round(self.clock() - now, 4)}
        return failed(step, kind, error, args=call.args).model_copy(update=times)

    async def _outcome(self, request: CallRequest, tell: Tell) -> Evidence:
        async with aclosing(self.ask(request, Called)) as parts:
            async for part in parts:
                if isinstance(part, Called):
                    return part.evidence
                tell(part)
        raise AssertionError("ask() ends with an outcome or raises")


@dataclass(frozen=True, eq=False)
class RemoteSolver(_Remote):
    """Answers over HTTP; as `Deps.solve`."""

    role = "solver"
    path = "/solve"
    tells = (AnswerText, AnswerReset, ModelFellBack)

    def __call__(self, request: SolveRequest) -> AsyncIterator[Event | Solved]:
        """Yield the answer's text as it comes and the checked answer last.

        Raises ServiceUnavailable when the service fails.
        """
        return self.ask(request, Solved)


def _outcome_of(error: ServiceUnavailable) -> str:
    unknown = " The step may have acted; its outcome is unknown and it was not repeated."
    return f"{error}{unknown if error.begun else ''}"


def _said(body: bytes) -> str:
    """Return the sentence of one of our refusals; empty for any other body."""
    try:
        told: Any = json.loads(body[:10_000])
        return _clean(str(told["error"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _clean(text: str) -> str:
    return " ".join(guardrails.redact(guardrails.printable(text[:300])).split())


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    # Reading the certificates takes longer than a call on the same machine.
    return ssl.create_default_context()
