"""How a job stands, read off the workflows that carry its name."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_graph.background.assignment import Assignment, Ending, Kind
from agent_graph.background.workflows import INGEST

if TYPE_CHECKING:
    from dbos import WorkflowStatus

ENDED = {"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}
"""States of a workflow that it does not leave."""

Standing = Literal["waiting", "running", "answered", "done", "needs approval", "failed", "cancelled"]
"""How one part of a job stands; "done" is what an ingest is when it is answered."""

DIED = "Its workers died again and again while they were at it."
CANCELLED = "It was cancelled."


class Job(BaseModel):
    """A job, and how many of its parts stand where."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    counts: dict[str, int]
    """Parts by how they stand: waiting, running, answered, done, needs approval, failed, cancelled."""
    created: float
    """Seconds since 1970."""
    ended: float | None = None
    """When the last part ended; None while one has not."""
    title: str = ""
    """The file that was evaluated."""
    schedule: str = ""
    """The schedule that began it."""
    progress: dict[str, int] = {}
    """Of an ingest: documents done, and in all."""

    @property
    def total(self) -> int:
        """Number of parts."""
        return sum(self.counts.values())

    @property
    def open(self) -> int:
        """Parts that have not ended."""
        return self.counts.get("waiting", 0) + self.counts.get("running", 0)


def job_of(name: str, parts: "Sequence[WorkflowStatus]") -> Job:
    """Return a job as its parts stand; they are in order."""
    counts = Counter(map(_standing, parts))
    first: dict[str, Any] = parts[0].attributes or {}
    ends = [one.completed_at for one in parts]
    over = all(one.status in ENDED for one in parts)
    return Job(
        name=name,
        kind=first["kind"],
        counts=dict(counts),
        created=min(one.created_at or 0 for one in parts) / 1000,
        ended=max(one or 0 for one in ends) / 1000 if over else None,
        title=first.get("title", ""),
        schedule=first.get("schedule", ""),
        progress={key: first[key] for key in ("done", "total") if key in first},
    )


def _standing(one: "WorkflowStatus") -> Standing:
    if one.status in ("ENQUEUED", "DELAYED"):
        return "waiting"
    if one.status == "PENDING":
        return "running"
    if one.status == "CANCELLED":
        return "cancelled"
    outcome: Standing | None = (one.attributes or {}).get("outcome")
    if one.status != "SUCCESS":
        return "failed"
    return outcome or ("done" if one.name == INGEST else "answered")


def number_of(one: "WorkflowStatus") -> int:
    """Return which part of its job it is, from 1."""
    return int((one.attributes or {})["number"])


def ending_of(one: "WorkflowStatus") -> Ending:
    """Return how a question ended that has ended."""
    if one.status == "SUCCESS":
        return Ending.model_validate(one.output)
    asked = Assignment.model_validate(one.input["args"][0] if one.input else {"question": ""})
    return Ending(
        id=asked.id, question=asked.question, outcome="failed", error=why_not(one), thread=one.workflow_id
    )


def why_not(one: "WorkflowStatus") -> str:
    """Return the sentence for one that ended without an outcome of its own."""
    if one.status == "CANCELLED":
        return CANCELLED
    return DIED if one.status != "ERROR" else f"{type(one.error).__name__}: {one.error}"
