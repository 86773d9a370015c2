"""A plan: the steps a planner wrote, as frozen values, and the graph they form."""

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_graph import references
from agent_graph.references import StepId

ProblemKind = Literal[
    "unknown_tool",
    "bad_argument",
    "duplicate_id",
    "duplicate_step",
    "dangling_reference",
    "forward_reference",
    "self_reference",
    "cycle",
    "too_many_steps",
    "too_large",
    "unreadable",
]
"""What can be wrong with a plan before anything runs."""


class Step(BaseModel):
    """One call of one tool, whose arguments may refer to the evidence of earlier steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: StepId
    """`E1`, `E2`, ... unique in the plan."""
    tool: str
    """Name of the tool in the catalogue."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments as written, references unfilled."""
    reason: str = ""
    """The planner's short reason, if it gave one."""
    after: tuple[StepId, ...] = ()
    """Steps that must end before this one although it does not read their evidence."""

    @cached_property
    def needs(self) -> frozenset[StepId]:
        """The steps this one waits for: everything it refers to, and `after`."""
        return frozenset(ref.step for ref in references.find(self.args)) | frozenset(self.after)

    @property
    def call(self) -> str:
        """The canonical text of the call, `tool(name=value, ...)`."""
        args = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.args.items())
        return f"{self.tool}({args})"

    def __str__(self) -> str:
        order = f" after {', '.join(f'#{step}' for step in self.after)}" if self.after else ""
        reason = f"  # {self.reason}" if self.reason else ""
        return f"#{self.id} = {self.call}{order}{reason}"


class Plan(BaseModel):
    """The whole plan; an empty one is valid and means that no tool is needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str = ""
    """One line saying how the steps answer the task."""
    steps: tuple[Step, ...] = ()
    """In the order the planner wrote them."""
    author: str = ""
    """The model that wrote it, as "provider:name", "extractive mode", or "person"."""
    remarks: tuple[str, ...] = ()
    """What went wrong on the way to this plan: faults of models, problems of plans that were refused."""
    tainted: bool = False
    """Written after evidence was seen: its side effects always need approval."""

    def __str__(self) -> str:
        return "\n".join([f"Plan: {self.strategy}", *map(str, self.steps)])

    @cached_property
    def by_id(self) -> dict[StepId, Step]:
        """The steps by id."""
        return {step.id: step for step in self.steps}

    def using(self, tools: Collection[str]) -> tuple[StepId, ...]:
        """Return the steps that call one of these tools, in plan order."""
        return tuple(step.id for step in self.steps if step.tool in tools)

    @property
    def digest(self) -> str:
        """A fingerprint of what will run: ids, tools, arguments and order, not wording."""
        payload = [(step.id, step.tool, step.args, step.after) for step in self.steps]
        return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()[:16]


class PlanProblem(BaseModel):
    """One thing wrong with a plan, in words a planner and a person can act on."""

    model_config = ConfigDict(frozen=True)

    kind: ProblemKind
    step: StepId | None = None
    message: str
    """What is wrong."""
    hint: str = ""
    """What would be right."""

    def __str__(self) -> str:
        where = f"#{self.step}: " if self.step else ""
        return f"{where}{self.message}{f' {self.hint}' if self.hint else ''}"


def waves(plan: Plan) -> list[list[StepId]]:
    """Group the steps by how many steps precede them: what a level-wise executor would run together."""
    level: dict[StepId, int] = {}
    for step in plan.steps:
        level[step.id] = 1 + max((level[need] for need in step.needs if need in level), default=-1)
    grouped: list[list[StepId]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for step_id, wave in level.items():
        grouped[wave].append(step_id)
    return grouped


def critical_path(plan: Plan, seconds: Mapping[StepId, float]) -> tuple[list[StepId], float]:
    """Return the longest chain of steps by duration and its length in seconds: no schedule can beat it."""
    finish: dict[StepId, float] = {}
    before: dict[StepId, StepId | None] = {}
    for step in plan.steps:
        known = [need for need in step.needs if need in finish]
        last = max(known, key=lambda need: finish[need], default=None)
        before[step.id] = last
        finish[step.id] = seconds.get(step.id, 0.0) + (finish[last] if last else 0.0)
    if not finish:
        return [], 0.0
    at: StepId | None = max(finish, key=lambda step_id: finish[step_id])
    total = finish[at] if at else 0.0
    path: list[StepId] = []
    while at is not None:
        path.append(at)
        at = before[at]
    return path[::-1], total
