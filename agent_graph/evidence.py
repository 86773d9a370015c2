"""What a run found out: evidence per step, its sources, and the answer that cites them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_graph import references
from agent_graph.references import StepId
from agent_graph.usage import RoleUsage

StepStatus = Literal["ok", "failed", "skipped"]
"""ok: the tool returned; failed: it did not, see `error`; skipped: not run, see `error` for why."""

FailureKind = Literal[
    "bad_arguments",
    "missing_reference",
    "timeout",
    "tool_error",
    "transient",
    "interrupted",
    "repeated",
    "withdrawn",
    "dependency",
    "deadline",
]
"""Why a step has no value."""


class Source(BaseModel):
    """One passage a tool drew on, as plain data that survives a checkpoint."""

    model_config = ConfigDict(frozen=True)

    document: str
    """Path or address of the document."""
    title: str = ""
    location: str = ""
    """Where in the document, for a person: a page, a heading, a line."""
    passage: str = ""
    """Id of the passage in its collection."""
    start: int = 0
    """First character of the passage in the document's text."""
    end: int = 0
    """One past the last character."""
    text: str = ""
    """The passage itself."""
    score: float | None = None


class Whole(BaseModel):
    """Where a value lies that is too large for the state: among the writes of one checkpoint."""

    model_config = ConfigDict(frozen=True)

    thread: str
    namespace: str
    checkpoint: str
    key: str


class Evidence(BaseModel):
    """The outcome of one step: an observation with its status, sources and attempts. Failure is never text."""

    model_config = ConfigDict(frozen=True)

    step: StepId
    tool: str
    args: dict[str, Any] = Field(default_factory=dict)
    """The arguments as called, references filled; a large one stands as it was written."""
    status: StepStatus
    value: Any = None
    """What the tool returned, with its type, as JSON-like data; None when it lies in `whole`."""
    whole: Whole | None = None
    """Where a large value was stored apart; `Agent.value` brings it."""
    beginning: str = ""
    """The first characters of a value that lies in `whole`."""
    sources: tuple[Source, ...] = ()
    error: str = ""
    """One sentence on why there is no value; empty when status is ok."""
    failure: FailureKind | None = None
    attempts: int = 1
    seconds: float = 0.0
    started: float = 0.0
    """Seconds after the run began."""
    usage: RoleUsage = RoleUsage()
    """What the tool's own model calls cost."""
    fingerprint: str = ""
    """Of tool and filled arguments: a result that does not match its step's call is never used."""

    @property
    def ok(self) -> bool:
        """Whether there is a value to use."""
        return self.status == "ok"

    @property
    def text(self) -> str:
        """The value as text, or its beginning when it lies apart; empty for evidence that has none."""
        if self.value is None:
            return self.beginning
        return references.as_text(self.value) if self.ok else ""


class Citation(BaseModel):
    """One place in the answer that rests on one piece of evidence."""

    model_config = ConfigDict(frozen=True)

    marker: str
    """As printed in the answer, for example `E1.2`."""
    step: StepId
    source: Source | None = None
    """The document passage; None when the evidence is a computed value."""
    quote: str = ""
    """The sentence of the evidence that supports the claim best."""
    claim: str = ""
    """The sentence of the answer that carries the marker."""


class Answer(BaseModel):
    """The final text and what it rests on."""

    model_config = ConfigDict(frozen=True)

    text: str
    citations: tuple[Citation, ...] = ()
    unsupported: tuple[str, ...] = ()
    """Sentences of the answer that cite nothing, or that share nothing with what they cite."""
    forged: tuple[str, ...] = ()
    """Citations the model invented, removed from the text."""
    unverified_numbers: tuple[str, ...] = ()
    """Numbers of the answer, as written, that stand in no evidence and not in the question, and no step gave."""
    insufficient: str = ""
    """What is missing, when the evidence does not answer the task."""
    author: str = ""
    """The model that wrote it, as "provider:name", or "extractive mode"."""
    remarks: tuple[str, ...] = ()
    """What went wrong on the way to this answer: faults of models."""
