"""Which failures may pass by themselves, how long to wait, and how to say them in one line."""

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from langchain_core.tools import ToolException
from tenacity import RetryCallState

_PASSING_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_PASSING_TYPES = frozenset(
    {
        *("APIConnectionError", "ClientConnectionError", "ConnectionError", "NetworkError"),
        *("ProtocolError", "Timeout", "TransportError"),
    }
)
"""Base classes of HTTP clients, by name: httpx, its forks, requests, aiohttp and SDKs each have their own."""
_LASTING_TYPES = frozenset({"LocalProtocolError", "SSLError", "UnsupportedProtocol"})
"""Their exceptions of those classes that say what is wrong with the request, or with a certificate."""
_GENERIC_TYPES = frozenset({Exception, RuntimeError, ValueError, ToolException})
"""What code raises *from* an error that says more."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")
_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: timeouts, lost connections, 429 and 5xx; never wrong arguments.

    A group is transient if all in it are. An error of a generic type is what it was raised from.
    """
    return all(_passes(single) for single in _singles(error))


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status an exception carries, if it carries one."""
    for owner in (error, _read(error, "response")):
        for name in ("status_code", "status"):
            status = _read(owner, name)
            if isinstance(status, int) and 100 <= status < 600:
                return status
    return None


def retry_after(error: BaseException) -> float | None:
    """Return the seconds a server asked to wait, None if it did not; of a group, the longest wait asked for.

    Read from `retry-after-ms`, from `retry-after` as seconds or as a date, and, when the status is 429,
    from `x-ratelimit-reset-after`.
    """
    asked = [seconds for single in _singles(error) if (seconds := _asked(single)) is not None]
    return max(asked, default=None)


def one_line(error: BaseException, *, limit: int = 300) -> str:
    """Say an exception in one printable line: its message, or its type when it has none.

    A group is said by what is in it.
    """
    parts = dict.fromkeys(_said(single, limit) for single in _in_group(error))
    text = "; ".join(parts)
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


def _passes(error: BaseException) -> bool:
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    status = status_of(error)
    if status is not None:
        return status in _PASSING_STATUS
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return not kinds.isdisjoint(_PASSING_TYPES) and kinds.isdisjoint(_LASTING_TYPES)


def _singles(error: BaseException) -> Iterator[BaseException]:
    for single in _in_group(error):
        cause = single.__cause__
        if type(single) in _GENERIC_TYPES and cause is not None and status_of(single) is None:
            yield from _in_group(cause)
        else:
            yield single


def _in_group(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions of a group, however deep they lie in it, in order; an ordinary one is alone."""
    waiting = [error]
    while waiting:
        first = waiting.pop()
        if isinstance(first, BaseExceptionGroup):
            waiting.extend(reversed(first.exceptions))
        else:
            yield first


def _said(error: BaseException, limit: int) -> str:
    try:
        message = str(error)
    except Exception:  # an exception's own code may fail like any other
        message = ""
    # cut first: a message may be a whole page
    return _CONTROL.sub(" ", message[: 10 * limit]).strip() or type(error).__name__


def _asked(error: BaseException) -> float | None:
    headers = _headers(error)
    waits = [_number(headers[name]) / 1000 for name in _MILLISECONDS if name in headers]
    if "retry-after" in headers:
        waits.append(_delay(headers["retry-after"], headers.get("date")))
    if "x-ratelimit-reset-after" in headers and status_of(error) == 429:
        waits.append(_number(headers["x-ratelimit-reset-after"]))
    # in this order: the first that can be read is what was meant
    return next((max(wait, 0.0) for wait in waits if math.isfinite(wait)), None)


def _headers(error: BaseException) -> dict[str, str]:
    headers = _read(_read(error, "response"), "headers") or _read(error, "headers")
    try:
        return {str(name).lower(): str(value) for name, value in headers.items()}
    except Exception:  # none, or none that can be read
        return {}


def _delay(said: str, sent: str | None) -> float:
    """Return the seconds until `said`: a number, or a date, counted from the server's own clock if it told it."""
    seconds = _number(said)
    until = _date(said)
    if until is None:
        return seconds
    now = _date(sent) if sent else None
    return (until - (now or datetime.now(UTC))).total_seconds()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read(owner: Any, name: str) -> Any:
    """Return an attribute, None without one; an exception's property may itself raise."""
    try:
        return getattr(owner, name, None)
    except Exception:
        return None
