"""Which failures may pass by themselves, how long to wait, and how to say them in one line."""

import math
import re
from collections.abc import Callable

from tenacity import RetryCallState

_PASSING_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_PASSING_TYPES = frozenset({"TransportError", "APIConnectionError", "NetworkError", "ProtocolError"})
"""Base classes of HTTP clients, by name: httpx, its forks, requests and provider SDKs each have their own."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: timeouts, lost connections, 429 and 5xx; never wrong arguments."""
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    status = status_of(error)
    if status is not None:
        return status in _PASSING_STATUS
    return any(kind.__name__ in _PASSING_TYPES for kind in type(error).__mro__)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status an exception carries, if it carries one."""
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def retry_after(error: BaseException) -> float | None:
    """Return the seconds a server asked to wait, from its Retry-After header; None without one."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        asked = float(headers["retry-after"]) if headers else math.nan
    except (KeyError, ValueError):
        return None  # no header, or a date: the ordinary backoff serves
    return max(asked, 0.0) if math.isfinite(asked) else None


def one_line(error: BaseException, *, limit: int = 300) -> str:
    """Say an exception in one printable line: its message, or its type when it has none."""
    text = _CONTROL.sub(" ", str(error)).strip() or type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def failure_of(state: RetryCallState) -> str:
    """Say in one line how the last attempt of a tenacity loop failed."""
    error = state.outcome.exception() if state.outcome else None
    return one_line(error) if error else "it ended without an outcome"


def as_asked(otherwise: Callable[[RetryCallState], float]) -> Callable[[RetryCallState], float]:
    """Return a tenacity wait that honours Retry-After, and takes `otherwise` where nothing was asked."""

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = retry_after(error) if error else None
        return otherwise(state) if asked is None else asked

    return wait
