"""One thing that the doctor tried, and what came of it."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from agent_graph.settings import Settings

Outcome = Literal["ok", "warn", "fail"]
"""ok: it works; warn: something optional is missing; fail: agent-graph cannot work like this."""


class Check(NamedTuple):
    """One thing that was tried."""

    name: str
    outcome: Outcome
    found: str
    todo: str = ""
    """What to do about it; empty when nothing needs doing."""


Look = Callable[[Settings], Iterator[Check]]
