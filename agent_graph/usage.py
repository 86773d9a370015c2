"""What a run cost: calls, tokens, seconds and money, by role."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["planner", "worker", "solver"]


class RoleUsage(BaseModel):
    """What one role spent; values add with `+`."""

    model_config = ConfigDict(frozen=True)

    calls: int = 0
    """Model calls, or tool calls for the worker's `tools`."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of input_tokens the provider served from its prompt cache."""
    seconds: float = 0.0
    usd: float | None = None
    """Price in US dollars; None while no call had a known price."""

    def __add__(self, other: "RoleUsage") -> "RoleUsage":
        known = [usd for usd in (self.usd, other.usd) if usd is not None]
        return RoleUsage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            seconds=self.seconds + other.seconds,
            usd=sum(known) if known else None,
        )


class Usage(BaseModel):
    """Model usage by role, and the tools beside it."""

    model_config = ConfigDict(frozen=True)

    roles: dict[str, RoleUsage] = Field(default_factory=dict)
    """Model calls by role: planner, worker, solver."""
    tools: RoleUsage = RoleUsage()
    """Tool calls; `seconds` is their sum, more than the wall time when they ran side by side."""
    steps: dict[str, RoleUsage] = Field(default_factory=dict)
    """By step: calls of its tool, their seconds, and what the tool's own model calls cost."""
    seconds: float = 0.0
    """Wall time of the run so far."""

    @property
    def total(self) -> RoleUsage:
        """All model calls together."""
        return sum(self.roles.values(), RoleUsage())

    def __getitem__(self, role: Role) -> RoleUsage:
        return self.roles.get(role, RoleUsage())

    def with_step(self, step: str, calls: int, seconds: float, models: RoleUsage) -> "Usage":
        """Return a copy to which one step was added: calls of its tool, their seconds, their model calls."""
        timed = RoleUsage(calls=calls, seconds=round(seconds, 4))
        cost = models.model_copy(update={"calls": calls, "seconds": timed.seconds})
        update = {"tools": self.tools + timed, "steps": {**self.steps, step: cost}}
        usage = self.model_copy(update=update)
        return usage.plus("worker", models) if models.calls else usage

    def plus(self, role: Role, spent: RoleUsage) -> "Usage":
        """Return a copy with `spent` added to one role."""
        return self.model_copy(update={"roles": {**self.roles, role: self[role] + spent}})
