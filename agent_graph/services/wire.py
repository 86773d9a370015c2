"""What goes over the wire: the three requests, the lines of a reply, and the headers of both."""

import json
import math
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from agent_graph.context import Context
from agent_graph.errors import SettingsError
from agent_graph.evidence import Evidence
from agent_graph.plan import Step
from agent_graph.planner import PlanRequest, Written
from agent_graph.services.cards import ToolCard
from agent_graph.solver import Solved

BEAT_S = 5.0
"""Seconds without news after which a service sends a sign of life."""
SILENCE_S = 20.0
"""Seconds without a sign of life after which a service counts as lost."""

SECONDS_LEFT = "agent-graph-seconds-left"
"""The header that carries the deadline: seconds, because clocks differ between machines."""
MOST_SECONDS = 100_000.0
"""What a call without that header may take, and the most it may ask for."""


class PlanCall(BaseModel):
    """All that a planner needs to plan: the question, and what may be planned with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: PlanRequest
    tools: tuple[ToolCard, ...]
    """The graph's; the planner has none of its own."""


class CallRequest(BaseModel):
    """All that a worker needs to call one step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Step
    args: dict[str, Any] = {}
    """With references filled."""
    context: Context
    key: str = ""
    elapsed_s: float = 0.0
    """Seconds since the run began."""
    who: str = ""
    """On whose behalf the run is, as the graph's server let them in."""
    answers: tuple[Any, ...] = ()
    """A person's, to what the step's tool asks, in order."""


class Question(BaseModel):
    """What a tool asks a person."""

    model_config = ConfigDict(frozen=True)

    value: Any = None
    response_schema: dict[str, Any] | None = None
    """JSON schema of the answer, if the tool gave one."""


class Called(BaseModel):
    """The outcome of one step: its evidence, or a question to be answered first."""

    model_config = ConfigDict(frozen=True)

    evidence: Evidence | None = None
    question: Question | None = None

    @model_validator(mode="after")
    def _one(self) -> "Called":
        if (self.evidence is None) == (self.question is None):
            raise ValueError("either evidence or a question")
        return self


class Offered(BaseModel):
    """What `GET /tools` of a worker answers."""

    model_config = ConfigDict(frozen=True)

    tools: tuple[ToolCard, ...]


def line(part: BaseModel) -> str:
    """Return the line that carries an event or an outcome, in ASCII: no character of it can end a line."""
    key = "done" if isinstance(part, Written | Called | Solved) else "event"
    return json.dumps({key: part.model_dump(mode="json")}) + "\n"


def error_line(text: str, *, late: bool = False) -> str:
    """Return the line that says why there is no outcome; `late` when the deadline is the reason."""
    return json.dumps({"late" if late else "error": text}) + "\n"


def seconds_left(header: str | None) -> float:
    """Read the deadline of a call.

    Raises ValueError when it is no number of seconds.
    """
    if header is None:
        return MOST_SECONDS
    seconds = float(header)
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(header)
    return min(seconds, MOST_SECONDS)


def check_token(token: str | None) -> None:
    """Raise SettingsError for a token that protects nothing."""
    if token is not None and not token.strip():
        raise SettingsError("The token of a role's service is empty; give it a secret, or None on loopback.")
