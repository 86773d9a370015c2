"""What each service counts: calls by outcome, their seconds, and those under way; on the OpenTelemetry API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from opentelemetry import metrics
from opentelemetry.metrics import Histogram, UpDownCounter

from agent_graph.monitoring import names
from agent_graph.usage import Role

Outcome = Literal["ok", "failed", "cancelled"]
"""ok: it was carried out; failed: it was not; cancelled: the caller went away."""


@dataclass
class Account:
    """One call, until it has ended."""

    outcome: Outcome = "cancelled"


@contextmanager
def counted(role: Role) -> Iterator[Account]:
    """Count one call; its outcome is what the account says at the end."""
    account, started = Account(), time.monotonic()
    _under_way().add(1, {names.ROLE: role})
    try:
        yield account
    except Exception:
        account.outcome = "failed"
        raise
    finally:
        _under_way().add(-1, {names.ROLE: role})
        _calls().record(time.monotonic() - started, {names.ROLE: role, names.OUTCOME: account.outcome})


@lru_cache(maxsize=1)
def _calls() -> Histogram:
    return metrics.get_meter(names.TRACER).create_histogram(names.CALL_DURATION, unit="s")


@lru_cache(maxsize=1)
def _under_way() -> UpDownCounter:
    return metrics.get_meter(names.TRACER).create_up_down_counter(names.CALLS_UNDER_WAY, unit="{call}")
