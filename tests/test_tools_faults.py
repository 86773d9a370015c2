"""Faults: which may pass by themselves, how long a server asks to wait, and what is said of them."""

import ssl
import urllib.error
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import requests
from langchain_core.tools import ToolException

from tools.errors import ToolRefusal, Unreachable
from tools.faults import is_transient, one_line, retry_after

NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


def answer(status: int, **headers: str) -> httpx.HTTPStatusError:
    """Return what httpx raises for a status; `retry_after` in a header's name stands for `retry-after`."""
    request = httpx.Request("GET", "http://host.test")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(status, headers=named, request=request)
    return httpx.HTTPStatusError(f"status {status}", request=request, response=response)


def from_(cause: BaseException, outer: Exception) -> Exception:
    """Return `outer` as `raise outer from cause` leaves it."""
    outer.__cause__ = cause
    return outer


def while_(context: BaseException, outer: Exception) -> Exception:
    """Return `outer` as an `except` block leaves it that raises it by accident."""
    outer.__context__ = context
    return outer


TRANSIENT: dict[str, tuple[BaseException, bool]] = {
    "timeout": (TimeoutError(), True),
    "refused": (ConnectionRefusedError(), True),
    "our own": (Unreachable("down"), True),
    "429": (answer(429), True),
    "503": (answer(503), True),
    "404": (answer(404), False),
    "a bug": (KeyError("x"), False),
    "wrong arguments": (ValueError("no such city"), False),
    "httpx": (httpx.ConnectError("refused"), True),
    "httpx, a wrong address": (httpx.UnsupportedProtocol("gopher://"), False),
    "requests": (requests.ConnectionError("refused"), True),
    "requests, slow": (requests.ReadTimeout("slow"), True),
    "requests, a wrong certificate": (requests.exceptions.SSLError("expired"), False),
    "certificate": (ssl.SSLCertVerificationError("expired"), False),
    "urllib, 503": (urllib.error.HTTPError("http://host.test", 503, "busy", Message(), None), True),
    "group": (ExceptionGroup("two", [TimeoutError(), answer(502)]), True),
    "group with a lasting one": (ExceptionGroup("two", [TimeoutError(), ValueError("no")]), False),
    "group in a group": (ExceptionGroup("a", [ExceptionGroup("b", [TimeoutError()])]), True),
    "wrapped": (from_(TimeoutError(), ToolException("search failed")), True),
    "wrapped group": (from_(ExceptionGroup("a", [answer(503)]), RuntimeError("failed")), True),
    "wrapped in a group": (ExceptionGroup("a", [from_(answer(429), RuntimeError("failed"))]), True),
    "wrapped, lasting": (from_(answer(401), RuntimeError("failed")), False),
    "wrapped twice": (from_(from_(TimeoutError(), RuntimeError("b")), RuntimeError("a")), False),
    "wrapped in a type that says more": (from_(TimeoutError(), ToolRefusal("no such page")), False),
    "raised while another was dealt with": (while_(TimeoutError(), RuntimeError("a bug")), False),
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_what_may_pass_by_itself(name: str) -> None:
    """Time-outs, lost connections, 429 and 5xx may pass, in a group only all together, and behind one wrapping."""
    error, transient = TRANSIENT[name]
    assert is_transient(error) is transient


ASKED: dict[str, tuple[BaseException, float | None]] = {
    "seconds": (answer(503, retry_after="7"), 7),
    "part of a second": (answer(429, retry_after="0.5"), 0.5),
    "milliseconds": (answer(429, retry_after_ms="1500"), 1.5),
    "milliseconds are closer": (answer(429, retry_after_ms="1500", retry_after="2"), 1.5),
    "milliseconds by Azure": (answer(429, x_ms_retry_after_ms="250"), 0.25),
    "milliseconds that are none": (answer(429, retry_after_ms="soon", retry_after="2"), 2),
    "a date": (answer(503, retry_after="Wed, 21 Oct 2026 12:00:30 GMT", date=NOON), 30),
    "an old form of date": (answer(503, retry_after="Wednesday, 21-Oct-26 12:01:00 GMT", date=NOON), 60),
    "a date gone by": (answer(503, retry_after="Wed, 21 Oct 2026 11:00:00 GMT", date=NOON), 0),
    "a negative number": (answer(503, retry_after="-5"), 0),
    "no number": (answer(503, retry_after="soon"), None),
    "no end": (answer(503, retry_after="inf"), None),
    "a date beyond the calendar": (answer(503, retry_after="Wed, 21 Oct 99999 12:00:00 GMT"), None),
    "nothing": (answer(503), None),
    "no answer at all": (TimeoutError(), None),
    "rate limit": (answer(429, x_ratelimit_reset_after="1.25"), 1.25),
    "rate limit told in passing": (answer(500, x_ratelimit_reset_after="60"), None),
    "wrapped": (from_(answer(429, retry_after="3"), RuntimeError("failed")), 3),
    "group": (ExceptionGroup("two", [answer(429, retry_after="3"), answer(429, retry_after="9")]), 9),
}


@pytest.mark.parametrize("name", ASKED)
def test_how_long_a_server_asks_to_wait(name: str) -> None:
    """Every common way to say it is read, and what cannot be read asks for nothing."""
    error, seconds = ASKED[name]
    assert retry_after(error) == seconds


def test_a_date_without_the_servers_clock_is_counted_from_ours() -> None:
    """A server that does not say what time it has is taken to have ours."""
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    asked = retry_after(answer(503, retry_after=later))
    assert asked is not None
    assert 3000 < asked <= 3600


def test_headers_are_found_on_the_error_and_in_any_case() -> None:
    """The standard library keeps the headers in the error itself, as they were sent."""
    headers = Message()
    headers["Retry-After"] = "4"
    assert retry_after(urllib.error.HTTPError("http://host.test", 429, "slow down", headers, None)) == 4


class Trap(Exception):
    """Raises when it is looked at."""

    @property
    def response(self) -> Any:
        raise RuntimeError("do not look")

    @property
    def status_code(self) -> int:
        raise RuntimeError("do not look")

    def __str__(self) -> str:
        raise RuntimeError("do not look")


@pytest.mark.parametrize(("ask", "said"), [(is_transient, False), (retry_after, None), (one_line, "Trap")])
def test_an_error_that_cannot_be_looked_at_is_an_error(
    ask: Callable[[BaseException], Any], said: Any
) -> None:
    """An exception's own code may fail; what is asked of it is then unknown."""
    assert ask(Trap()) == said


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such city"), "no such city"),
        (ValueError("two\nlines\x1b[31m\u202e"), "two lines [31m"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 1000), "x" * 299 + "…"),
        (ExceptionGroup("in a group", [ValueError("a"), ExceptionGroup("b", [KeyError()])]), "a; KeyError"),
        (ExceptionGroup("the same", [ValueError("a")] * 50), "a"),
    ],
)
def test_an_error_is_said_in_one_line(error: BaseException, line: str) -> None:
    """Printable, short, and for a group what is in it: "2 sub-exceptions" tells nobody anything."""
    assert one_line(error) == line
