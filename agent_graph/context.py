"""The knobs of one run, editable in Studio. Never here: base URLs, keys, file paths."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import ComputedFieldInfo, FieldInfo

ApprovalPolicy = Literal["side_effects", "always", "never"]
"""When a person is asked before a plan runs: if a step may write; every time; not at all."""

PlanFormat = Literal["text", "json"]
"""How the planner writes: in short lines, or as JSON by a strict schema where the model supports it."""


def _title(name: str, _: FieldInfo | ComputedFieldInfo) -> str:
    words = name.removesuffix("_s").replace("_", " ").capitalize()
    return f"{words} (seconds)" if name.endswith("_s") else words


class Context(BaseModel):
    """How one run plans, works and answers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", title="agent-graph run", field_title_generator=_title
    )

    model: str | None = Field(
        None,
        max_length=200,
        description='Model of planner and solver as "provider:name", one of those offered; none: the usual.',
    )
    max_steps: int = Field(16, ge=1, le=1000, description="Most steps a plan may have.")
    max_concurrency: int = Field(8, ge=1, le=256, description="Most steps that run at the same time.")
    step_timeout_s: float = Field(30, gt=0, le=3600, description="Seconds one call of a tool may take.")
    run_timeout_s: float = Field(
        300, gt=0, le=86400, description="Seconds the steps of a plan may take together."
    )
    model_timeout_s: float = Field(120, gt=0, le=3600, description="Seconds one model call may take in all.")
    model_silence_s: float = Field(
        60, gt=0, le=3600, description="Seconds without a word before a model's stream counts as stalled."
    )
    plan_format: PlanFormat = Field(
        "text", description="text: short plans; json: held to a schema, by models that declare support."
    )
    max_tools_in_prompt: int = Field(
        40, ge=1, le=1000, description="Most tools the planner is shown: beyond that, the most relevant ones."
    )
    eager: bool = Field(True, description="Start steps that only read while the plan is still being written.")
    retries: int = Field(
        2, ge=0, le=10, description="Further attempts after a passing fault (timeout, 429, 5xx)."
    )
    max_replans: int = Field(
        1, ge=0, le=5, description="Times the planner may plan again when evidence is lacking."
    )
    approval: ApprovalPolicy = Field(
        "side_effects", description="Ask a person before the plan runs: if it writes, always, or never."
    )
    evidence_tokens: int = Field(
        6000, ge=200, le=500_000, description="Tokens of evidence the solver may read."
    )
    history_tokens: int = Field(1500, ge=0, le=100_000, description="Tokens of earlier conversation to keep.")
    history_messages: int = Field(
        40, ge=2, le=10_000, description="Messages of earlier turns that stay in the state; older ones go."
    )
    passages: int = Field(6, ge=1, le=50, description="Passages a search brings when the plan does not say.")


def knobs_schema(models: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of the knobs, as a form is drawn from it: the model is one of these, or not asked for."""
    schema = Context.model_json_schema()
    knobs = schema["properties"]
    if models:
        knobs["model"]["anyOf"] = [{"type": "string", "enum": list(models)}, {"type": "null"}]
    else:
        del knobs["model"]
    return schema
