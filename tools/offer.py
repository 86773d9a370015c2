"""The tools an agent has when it is given none, and why the others are missing."""

import functools
import importlib.util
import socket
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Literal

from langchain_core.tools import BaseTool

from tools.calculator import make_calculator
from tools.clock import make_clock
from tools.documents import Searchable, make_search_documents
from tools.web_search import make_web_search
from tools.wikipedia import make_wikipedia

Web = Literal["auto", "off"]
"""auto: offer the web tools that are installed and whose hosts answer; off: none, and no probe."""

PROBE_TIMEOUT_S = 1.5
_WEB = {
    "web_search": ("ddgs", "html.duckduckgo.com", make_web_search),
    "wikipedia": ("wikipedia", "en.wikipedia.org", make_wikipedia),
}
"""Tool name to the package it needs, the host it asks, and what makes it."""


@dataclass(frozen=True)
class Offer:
    """The default tools."""

    tools: tuple[BaseTool, ...]
    absent: dict[str, str]
    """Name of each tool that is not there, with one sentence saying why."""


def default_tools(knowledge: Searchable | None = None, *, passages: int = 6, web: Web = "auto") -> Offer:
    """Return the tools that can work here: search_documents, calculator, clock, web_search, wikipedia.

    With web="auto" the hosts are tried once for the process, together, for at most 1.5 seconds.
    """
    tools = [make_calculator(), make_clock()]
    absent = _absent(web)
    if knowledge is None:
        absent["search_documents"] = "there is no knowledge to search: ingest documents first"
    else:
        tools.insert(0, make_search_documents(knowledge, passages))
    tools += [make() for name, (_, _, make) in _WEB.items() if name not in absent]
    return Offer(tuple(tools), absent)


def _absent(web: Web) -> dict[str, str]:
    if web == "off":
        return dict.fromkeys(_WEB, "web tools are switched off")
    absent = {
        name: f"the package {package!r} is not installed; install it with: pip install 'agent-graph[web]'"
        for name, (package, _, _) in _WEB.items()
        if importlib.util.find_spec(package) is None
    }
    hosts = {name: host for name, (_, host, _) in _WEB.items() if name not in absent}
    reached = reachable(tuple(hosts.values()))
    silent = {name: f"no network: cannot reach {host}" for name, host in hosts.items() if host not in reached}
    return absent | silent


@functools.cache
def reachable(
    hosts: tuple[str, ...], *, port: int = 443, timeout_s: float = PROBE_TIMEOUT_S
) -> frozenset[str]:
    """Return the hosts that accept a TCP connection, asked all at once; the answer is kept for the process."""
    reached: set[str] = set()
    probes = [
        threading.Thread(target=_probe, args=(host, port, timeout_s, reached), daemon=True) for host in hosts
    ]
    for probe in probes:
        probe.start()
    deadline = time.monotonic() + timeout_s  # of its own: a silent name server does not keep to the socket's
    for probe in probes:
        probe.join(max(deadline - time.monotonic(), 0))
    return frozenset(reached)


def _probe(host: str, port: int, timeout_s: float, reached: set[str]) -> None:
    try:
        socket.create_connection(_through_proxy(host, port), timeout=timeout_s).close()
    except OSError:
        return  # not reached: that is the answer
    reached.add(host)


def _through_proxy(host: str, port: int) -> tuple[str, int]:
    """Return where a request to the host really connects: to the proxy, when there is one."""
    proxy = "" if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https", "")
    parts = urllib.parse.urlsplit(proxy)
    return (parts.hostname, parts.port or 80) if parts.hostname else (host, port)
