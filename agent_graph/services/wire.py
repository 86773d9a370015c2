"""What goes over the wire: a step to call, its outcome, and the lines of a reply."""

import json

from pydantic import BaseModel, ConfigDict, Field

from agent_graph.context import Context
from agent_graph.errors import SettingsError
from agent_graph.evidence import Evidence
from agent_graph.plan import Step
from agent_graph.planner import Written
from agent_graph.references import StepId
from agent_graph.solver import Solved
from agent_graph.usage import RoleUsage

BEAT_S = 5.0
"""Seconds without news after which a service sends a sign of life."""
SILENCE_S = 20.0
"""Seconds without a sign of life after which a service counts as lost."""


class CallRequest(BaseModel):
    """All that a worker needs to run one step; times are spans, because clocks differ between machines."""

    model_config = ConfigDict(frozen=True)

    step: Step
    evidence: dict[StepId, Evidence] = {}
    """Of the steps this one needs, without their sources."""
    context: Context
    elapsed_s: float = 0.0
    """Seconds since the run began."""
    left_s: float = Field(gt=0)
    """Seconds until the run's deadline."""


class Called(BaseModel):
    """The outcome of one step."""

    model_config = ConfigDict(frozen=True)

    evidence: Evidence
    spent: tuple[RoleUsage, ...] = ()
    """What the tool's own model calls cost."""


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
