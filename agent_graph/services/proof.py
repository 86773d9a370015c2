"""Both sides of a call prove that they know the shared secret, and neither of them sends it.

The caller sends the time, a nonce, a digest of the body, and a MAC over these and the call's path. The service
answers with a MAC over the caller's, so that a stranger on the service's address is told from the service, and
learns nothing with which to call it. All are HMAC-SHA256 with the secret as the key.

A call counts within WINDOW_S of the service's clock and once per process. Whoever can read or change what is on
the wire is TLS's business: addresses may be https.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

SCHEME = "HMAC-SHA256"
REPLY = "agent-graph-proof"
"""The header in which the service proves itself."""
WINDOW_S = 60.0
"""Seconds by which the clocks of both sides may differ."""


class Refused(Exception):
    """A call that does not prove itself; the message is one sentence for the caller's operator."""


class Claim(NamedTuple):
    """What a caller sends beside its call."""

    time: str
    nonce: str
    body: str
    """Digest of the body, in hexadecimal."""
    mac: str

    def __str__(self) -> str:
        return f"{SCHEME} {','.join(self)}"


def claim(secret: str, path: str, body: bytes, *, now: float | None = None) -> Claim:
    """Return what proves that the caller of `path` knows the secret; `now` is for another clock."""
    sent, nonce = f"{time.time() if now is None else now:.3f}", secrets.token_hex(16)
    digest = hashlib.sha256(body).hexdigest()
    return Claim(sent, nonce, digest, _mac(secret, "call", path, sent, nonce, digest))


def reply_to(secret: str, mac: str) -> str:
    """Return what proves to the caller that the service knows the secret."""
    return _mac(secret, "reply", mac)


def is_reply_to(secret: str, mac: str, given: str) -> bool:
    """Whether `given` is the proof of a service that knows the secret."""
    return hmac.compare_digest(reply_to(secret, mac).encode(), given.encode())


class Admission:
    """Decides which calls a service carries out."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many calls are remembered."""
        return len(self._seen)

    def admit(self, path: str, header: str) -> Claim:
        """Return the caller's claim; its body's digest is still to be compared with the body.

        Raises Refused.
        """
        scheme, _, rest = header.partition(" ")
        fields = rest.split(",")
        if scheme != SCHEME or len(fields) != len(Claim._fields):
            raise Refused("The call proves no token; set AGENT_GRAPH_SERVICE_TOKEN on both sides.")
        given = Claim(*fields)
        expected = _mac(self._secret, "call", path, given.time, given.nonce, given.body)
        if not hmac.compare_digest(given.mac.encode(), expected.encode()):
            raise Refused("The token is wrong; set the same AGENT_GRAPH_SERVICE_TOKEN on both sides.")
        now, sent = self._clock(), float(given.time)
        if abs(now - sent) > WINDOW_S:
            raise Refused(f"The call was made {now - sent:+.0f} s ago; set the clocks of both sides.")
        if not self._is_new(given.nonce, now):
            raise Refused("The call was made before; each one counts once.")
        return given

    def _is_new(self, nonce: str, now: float) -> bool:
        with self._lock:
            while self._seen and (first := next(iter(self._seen))) and self._seen[first] < now:
                del self._seen[first]
            if nonce in self._seen:
                return False
            self._seen[nonce] = now + 2 * WINDOW_S
            return True


def is_body_of(claim: Claim, body: bytes) -> bool:
    """Whether this is the body that the caller claims to have sent."""
    return hmac.compare_digest(claim.body.encode(), hashlib.sha256(body).hexdigest().encode())


def _mac(secret: str, *parts: str) -> str:
    # Of a fixed number of parts per purpose, none of which but the path can hold the separator.
    return hmac.new(secret.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()
