"""The client side of one call: which replica, which lines, and what happens when a replica is lost."""

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

import httpx
from pydantic import BaseModel

from agent_graph import guardrails, monitoring
from agent_graph.errors import ServiceUnavailable, SettingsError
from agent_graph.events import Event, decode
from agent_graph.services import proof, wire
from agent_graph.services.replicas import Replicas, Taken
from agent_graph.services.trust import distrust, trusted
from agent_graph.usage import Role
from tools.faults import one_line

_log = logging.getLogger("agent_graph.services")

GRACE_S = 2.0
"""Seconds a service gets beyond a call's deadline, to say that it was missed."""
CONNECT_S = 5.0
"""Seconds to open a connection."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0
"""Seconds between rounds of trying every replica: doubled each time, with jitter."""

Done = TypeVar("Done", bound=BaseModel)


class ReplicaLost(ServiceUnavailable):
    """No replica carried the call out, for a reason that passes: not reached, lost, or out of time."""


class Untrusted(ServiceUnavailable):
    """What answers at a replica's address does not prove whose it is; trying again does not help."""


class Lost(NamedTuple):
    """Forget what came so far: a replica was lost and the call is made again."""

    reason: str


class Limits(NamedTuple):
    """How long a call may take, and how often."""

    left_s: float
    """Seconds until its deadline."""
    patience_s: float
    """Seconds to wait for a replica to come back."""
    again: bool
    """Whether it may be made once more when it has begun and its outcome is unknown."""


@dataclass(eq=False)
class Remote:
    """Where a role's service is; connections are opened anew for each call, so any event loop may use it."""

    urls: str | Sequence[str]
    """Its replicas, for example `http://planner:8101`; the path of the call is added."""
    token: str | None = field(default=None, repr=False, kw_only=True)
    """The secret that both sides prove they know."""
    ca: str | None = field(default=None, kw_only=True)
    """File of the certificates that https:// addresses are proven by; None takes the system's."""
    silence_s: float = field(default=wire.SILENCE_S, kw_only=True)
    """Seconds without a sign of life after which a replica counts as lost; more than its `beat_s`."""

    role: ClassVar[Role]
    path: ClassVar[str]
    tells: ClassVar[tuple[type[BaseModel], ...]]
    """The events this role may send."""

    def __post_init__(self) -> None:
        wire.check_token(self.token)
        urls = [self.urls] if isinstance(self.urls, str) else list(self.urls)
        if not urls or not all(url.startswith(("http://", "https://")) for url in urls):
            raise SettingsError(f"{urls!r} is no address of a {self.role} service; write http://host:port.")
        if self.ca is not None:
            trusted(self.ca)
        self.replicas = Replicas([url.rstrip("/") for url in urls])

    async def ask(
        self, request: BaseModel, kind: type[Done], limits: Limits
    ) -> AsyncGenerator[Event | Done | Lost, None]:
        """Yield the events of one call and its outcome last; Lost where it is made again.

        A replica that cannot be reached has done nothing: the next one is called, and again after a while, for
        `patience_s`. One that was lost after the call had begun is followed by one more, if the call may be
        made again. Raises ReplicaLost when that was all, Untrusted when no replica can be, and ServiceUnavailable
        when the call is refused.
        """
        body = self._body(request)
        until = time.monotonic() + limits.left_s
        patience, again = _Patience(self.role, limits.patience_s, until, len(self.replicas)), limits.again
        while True:
            taken = self.replicas.take(patience.tried)
            if taken is None:
                await patience.wait()
                continue
            try:
                async with aclosing(self._once(taken, body, kind, until)) as parts:
                    async for part in parts:
                        yield part
                return
            except ReplicaLost as error:
                if error.begun and (not again or time.monotonic() >= until):
                    raise
                patience.lost(taken.url, error)
                lost = Lost(str(error)) if error.begun else None
            except Untrusted as error:
                patience.distrust(taken.url, error)
                lost = None
            if lost is not None:
                again = False
                yield lost

    def _body(self, request: BaseModel) -> bytes:
        try:
            return json.dumps(request.model_dump(mode="json")).encode()
        except (ValueError, RecursionError) as error:
            raise ServiceUnavailable(
                f"The call of the {self.role} service cannot be sent, its data is nested too deeply."
            ) from error

    async def _once(
        self, taken: Taken, body: bytes, kind: type[Done], until: float
    ) -> AsyncGenerator[Event | Done, None]:
        with self.replicas.call(taken):
            claim = proof.claim(self.token, self.path, body) if self.token is not None else None
            headers = {
                "content-type": "application/json",
                wire.SECONDS_LEFT: f"{max(until - time.monotonic(), 0.001):.3f}",
                **monitoring.write_trace(),
                **({"authorization": str(claim)} if claim else {}),
            }
            try:
                async with (
                    _client(self.silence_s, self.ca) as client,
                    client.stream("POST", taken.url + self.path, content=body, headers=headers) as reply,
                ):
                    await self._check(reply, claim)
                    self.replicas.answered(taken)
                    async for line in reply.aiter_lines():
                        if time.monotonic() > until + GRACE_S:
                            raise ReplicaLost(f"The {self.role} service did not end in time.", begun=True)
                        if not line.strip():
                            continue
                        part = self._part(line, kind, taken.url)
                        if isinstance(part, kind):
                            self.replicas.finished(taken)
                        yield part
                        if isinstance(part, kind):
                            return
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if reason := distrust(error):
                    self._lost(taken, reason, error)
                    raise Untrusted(f"The {self.role} service {reason}.") from error
                raise self._lost(taken, "could not be reached", error) from error
            except httpx.HTTPError as error:
                raise self._lost(taken, "was lost before it had answered", error, begun=True) from error
        raise ReplicaLost(f"The {self.role} service ended its reply without an outcome.", begun=True)

    def _lost(self, taken: Taken, what: str, error: httpx.HTTPError, *, begun: bool = False) -> ReplicaLost:
        # The address is for whoever runs the services, not for whoever asks the agent.
        _log.warning("the %s service at %s %s: %s", self.role, taken.url, what, one_line(error))
        self.replicas.lost(taken)
        return ReplicaLost(f"The {self.role} service {what}.", begun=begun)

    async def _check(self, reply: httpx.Response, claim: proof.Claim | None) -> None:
        """Read what stands before the lines; a reply of somebody else is not read further."""
        if reply.status_code >= 500:
            # A proxy's 502 or 504 says nothing about whether the service behind it has acted.
            raise httpx.RemoteProtocolError(f"status {reply.status_code}")
        if reply.status_code != 200:
            said = _said(await reply.aread()) or f"it answered with status {reply.status_code}"
            raise ServiceUnavailable(f"The {self.role} service did not carry out the call: {said}")
        given = reply.headers.get(proof.REPLY, "")
        if claim is not None and not proof.is_reply_to(self.token or "", claim.mac, given):
            raise ServiceUnavailable(
                f"What answered in the {self.role} service's place did not prove that it knows the token; "
                "set the same AGENT_GRAPH_SERVICE_TOKEN on both sides.",
                begun=True,
            )

    def _part(self, line: str, kind: type[Done], url: str) -> Event | Done:
        try:
            told = json.loads(line)
            if "late" in told:
                raise ReplicaLost(_clean(str(told["late"])), begun=True)
            if "error" in told:
                raise ServiceUnavailable(_clean(str(told["error"])), begun=True)
            if "done" in told:
                return kind.model_validate(told["done"])
            event = decode(told["event"])
            if isinstance(event, self.tells):
                return event
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            _log.warning("the %s service at %s sent %r", self.role, url, line[:200])
            raise ServiceUnavailable(
                f"The {self.role} service sent what cannot be read.", begun=True
            ) from error
        raise ServiceUnavailable(f"The {self.role} service sent what is not its to say.", begun=True)


class _Patience:
    """How long a call is still tried, and which replicas it has tried in this round."""

    def __init__(self, role: Role, seconds: float, until: float, replicas: int) -> None:
        self.tried: set[str] = set()
        self._distrusted: set[str] = set()
        self._replicas = replicas
        self._role = role
        self._seconds = seconds
        self._until = until
        self._last: ServiceUnavailable | None = None
        self._start()

    def lost(self, url: str, error: ReplicaLost) -> None:
        """Take note of a replica that was not there; what had begun starts waiting afresh."""
        self.tried.add(url)
        self._last = error
        if error.begun:
            self._start()

    def distrust(self, url: str, error: Untrusted) -> None:
        """Take note of a replica whose certificate is wrong.

        Raises its error when that is so of all of them.
        """
        self.tried.add(url)
        self._last = error
        self._distrusted.add(url)
        if len(self._distrusted) == self._replicas:
            raise error

    async def wait(self) -> None:
        """Sleep until the next round.

        Raises ReplicaLost when there is no time for one.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise self._last or ReplicaLost(f"The {self._role} service could not be reached.")
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._rounds)
        await asyncio.sleep(min(random.uniform(longest / 2, longest), left))  # noqa: S311  # no secret
        self._rounds += 1
        self.tried.clear()

    def _start(self) -> None:
        self._rounds = 0
        self._end = min(time.monotonic() + self._seconds, self._until)


def _client(silence_s: float, ca: str | None) -> httpx.AsyncClient:
    # The environment's proxies are not for calls between our own services.
    transport = httpx.AsyncHTTPTransport(verify=trusted(ca), trust_env=False)
    return httpx.AsyncClient(
        transport=transport, timeout=httpx.Timeout(silence_s, connect=CONNECT_S), trust_env=False
    )


def _said(body: bytes) -> str:
    """Return the sentence of one of our refusals; empty for any other body."""
    try:
        told: Any = json.loads(body[:10_000])
        return _clean(str(told["error"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _clean(text: str) -> str:
    return " ".join(guardrails.redact(guardrails.printable(text[:300])).split())
