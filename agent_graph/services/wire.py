"""What goes over the wire: a step to call, its outcome, and the lines of a reply."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agent_graph.context import Context
from agent_graph.errors import SettingsError
from agent_graph.evidence import Evidence
from agent_graph.plan import Step
from agent_graph.planner import Written
from agent_graph.solver import Solved

BEAT_S = 5.0
"""Seconds without news after which a service sends a sign of life."""
SILENCE_S = 20.0
"""Seconds without a sign of life after which a service counts as lost."""


class CallRequest(BaseModel):
    """All that a worker needs to call one step; times are spans, because clocks differ between machines."""

    model_config = ConfigDict(frozen=True)

    step: Step
    args: dict[str, Any] = {}
    """With references filled."""
    context: Context
    key: str = ""
    elapsed_s: float = 0.0
    """Seconds since the run began."""
    left_s: float = Field(gt=0)
    """Seconds until the run's deadline."""


class Called(BaseModel):
    """The outcome of one step."""

    model_config = ConfigDict(frozen=True)

    evidence: Evidence


def line(part: BaseModel) -> str:
    """Return the line that carries an event or an outcome, in ASCII: no character of it can end a line."""
    key = "done" if isinstance(part, Written | Called | Solved) else "event"
    return json.dumps({key: part.model_dump(mode="json")}) + "\n"


def error_line(text: str) -> str:
    """Return the line that says why there is no outcome."""
    return json.dumps({"error": text}) + "\n"


def check_token(token: str | None) -> None:
    """Raise SettingsError for a token that protects nothing."""
    if token is not None and not token.strip():
        raise SettingsError("The token of a role's service is empty; give it a secret, or None on loopback.")
