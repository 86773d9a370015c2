"""Fetch a web address for reading: http(s) only, bounded in size, time and redirects, and no way into private networks."""

import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from retrieval.loaders.extract import Unreadable

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 5
_MOVED = frozenset([301, 302, 303, 307, 308])
_TRANSIENT = frozenset([408, 425, 429, 500, 502, 503, 504])
_SUFFIX: Mapping[str, str] = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/rss+xml": ".xml",
    "application/atom+xml": ".xml",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "message/rfc822": ".eml",
}
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_USER_AGENT = "agent-graph (ingest)"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a web address holds."""

    raw: bytes
    name: str
    """As a file it would be called so; the suffix tells the format."""


def fetch(url: str, *, max_bytes: int, timeout_s: float, private: bool = False) -> Fetched:
    """Fetch a web address.

    Every name is resolved here, once, and what is connected to is the address that was checked: a name that leads
    to another address the next moment gains nothing. Raises Unreadable with the reason.
    """
    import httpx

    deadline = time.monotonic() + timeout_s
    here = url
    try:
        for _ in range(_REDIRECTS + 1):
            answer = _asked(here, max_bytes, deadline, private=private)
            if isinstance(answer, Fetched):
                return answer
            here = urljoin(here, answer)
    except httpx.TimeoutException as error:
        raise Unreadable("the server takes too long; try again later") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Unreadable(f"cannot be fetched: {error or type(error).__name__}") from error
    raise Unreadable(f"it redirects more than {_REDIRECTS} times")


def _asked(url: str, max_bytes: int, deadline: float, *, private: bool) -> Fetched | str:
    """Return what an address holds, or where it redirects to."""
    import httpx

    parts = urlsplit(url)
    host, checked = _checked(url, private=private)
    pinned = httpx.URL(url).copy_with(host=checked, fragment=None)
    headers = {"host": parts.netloc.rpartition("@")[2], "user-agent": _USER_AGENT}
    left = max(0.1, deadline - time.monotonic())
    with (
        # a proxy would resolve names on its own, and credentials of this machine are none of the page's business
        httpx.Client(timeout=left, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as reply,
    ):
        if reply.status_code in _MOVED and "location" in reply.headers:
            return str(reply.headers["location"])
        if reply.status_code != httpx.codes.OK:
            again = "; try again later" if reply.status_code in _TRANSIENT else ""
            raise Unreadable(f"the server says {reply.status_code} {reply.reason_phrase}{again}")
        raw = _content(reply, max_bytes, deadline)
        return Fetched(raw, _name(parts.path, str(reply.headers.get("content-type", ""))))


def _checked(url: str, *, private: bool) -> tuple[str, str]:
    """Return the host of a web address and one network address of it that may be connected to."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unreadable("only http and https addresses are fetched")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise Unreadable(f"no server is known as {parts.hostname!r}") from error
    addresses = [str(one[4][0]) for one in found]
    for address in addresses if not private else ():
        if not all(one.is_global and not one.is_multicast for one in _meant(address)):
            raise Unreadable(
                f"{parts.hostname!r} leads to the private address {address}, which is not allowed"
            )
    return parts.hostname, addresses[0]


def _meant(address: str) -> list[_Address]:
    """Return a network address and those that are dressed up in it."""
    bare = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(bare, ipaddress.IPv4Address):
        return [bare]
    inner = [bare.ipv4_mapped, bare.sixtofour, *(bare.teredo or ())]
    if bare in _NAT64:
        inner.append(ipaddress.IPv4Address(int(bare) & 0xFFFFFFFF))
    return [bare, *(one for one in inner if one is not None)]


def _content(reply: "httpx.Response", max_bytes: int, deadline: float) -> bytes:
    pieces, size = list[bytes](), 0
    for piece in reply.iter_bytes(65_536):
        size += len(piece)
        if size > max_bytes:
            raise Unreadable(f"too large: more than {max_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise Unreadable("the server takes too long; try again later")
        pieces.append(piece)
    return b"".join(pieces)


def _name(path: str, media: str) -> str:
    name = PurePosixPath(unquote(path)).name
    suffix = _SUFFIX.get(media.partition(";")[0].strip().lower())
    if suffix is None:
        return name or "page"
    return name if name.lower().endswith((suffix, ".htm")) else f"{name or 'page'}{suffix}"
