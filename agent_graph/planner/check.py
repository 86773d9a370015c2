"""All that is wrong with a plan, at once, before anything runs."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from agent_graph import references
from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.references import StepId
from tools.catalog import Catalog, validate

MAX_TEXT = 20_000
"""Longest text argument a plan may carry."""
MAX_DEPTH = 8
"""Deepest nesting of lists and objects in an argument."""


def check(
    plan: Plan, catalog: Catalog, *, max_steps: int = 16, known: Collection[StepId] = ()
) -> tuple[PlanProblem, ...]:
    """Return every problem of the plan, in plan order; an empty tuple means that it may run.

    `known` are steps of an earlier round whose evidence may be referred to.
    """
    return (
        *_size(plan, max_steps),
        *_ids(plan, known),
        *_repeats(plan, catalog),
        *_references(plan, known),
        *_calls(plan, catalog),
    )


def _size(plan: Plan, max_steps: int) -> Iterator[PlanProblem]:
    if len(plan.steps) > max_steps:
        yield PlanProblem(
            kind="too_many_steps",
            message=f"The plan has {len(plan.steps)} steps.",
            hint=f"At most {max_steps} are allowed; join searches or drop what the answer does not need.",
        )


def _ids(plan: Plan, known: Collection[StepId]) -> Iterator[PlanProblem]:
    for step_id, count in Counter(step.id for step in plan.steps).items():
        if count > 1:
            yield PlanProblem(
                kind="duplicate_id",
                step=step_id,
                message=f"{count} steps are called #{step_id}.",
                hint="Give each step a number of its own.",
            )
        elif step_id in known:
            yield PlanProblem(
                kind="duplicate_id",
                step=step_id,
                message=f"#{step_id} has already run.",
                hint=f"Refer to it, and number new steps from #E{_last(known) + 1}.",
            )


def _repeats(plan: Plan, catalog: Catalog) -> Iterator[PlanProblem]:
    """Report calls that are made twice; a second write may be meant, a second read cannot tell more."""
    first: dict[str, StepId] = {}
    for step in plan.steps:
        spec = catalog.get(step.tool)
        if spec is not None and spec.effects == "writes":
            continue
        call = json.dumps([step.tool, step.args], sort_keys=True, default=str)
        if call in first:
            yield PlanProblem(
                kind="duplicate_step",
                step=step.id,
                message=f"The step repeats #{first[call]} exactly.",
                hint=f"Refer to #{first[call]} instead.",
            )
        first.setdefault(call, step.id)


def _references(plan: Plan, known: Collection[StepId]) -> Iterator[PlanProblem]:
    position = {step.id: number for number, step in reversed(list(enumerate(plan.steps)))}
    cyclic = _on_cycles(plan)
    for number, step in enumerate(plan.steps):
        for need in sorted(step.needs, key=lambda one: int(one[1:])):
            problem = _reference(step, need, number, position, known)
            if problem:
                yield problem
        if step.id in cyclic:
            yield PlanProblem(
                kind="cycle",
                step=step.id,
                message="The step waits for itself through other steps.",
                hint="Let every step refer to earlier ones only.",
            )


def _reference(
    step: Step, need: StepId, number: int, position: Mapping[StepId, int], known: Collection[StepId]
) -> PlanProblem | None:
    if need == step.id:
        return PlanProblem(
            kind="self_reference",
            step=step.id,
            message="The step refers to its own evidence.",
            hint=_existing(list(position)[:number], known),
        )
    if need in position and position[need] >= number:
        return PlanProblem(
            kind="forward_reference",
            step=step.id,
            message=f"#{need} comes later in the plan.",
            hint="Write the steps in the order in which they need each other.",
        )
    if need not in position and need not in known:
        return PlanProblem(
            kind="dangling_reference",
            step=step.id,
            message=f"There is no step #{need}.",
            hint=_existing([other for other in position if position[other] < number], known),
        )
    return None


def _calls(plan: Plan, catalog: Catalog) -> Iterator[PlanProblem]:
    for step in plan.steps:
        spec = catalog.get(step.tool)
        if spec is None:
            yield PlanProblem(
                kind="unknown_tool",
                step=step.id,
                message=f"There is no tool {step.tool!r}.",
                hint=_nearest(step.tool, catalog),
            )
            continue
        later = [name for name, value in step.args.items() if any(references.find(value))]
        for fault in validate(spec, step.args, skip=later):
            yield PlanProblem(kind="bad_argument", step=step.id, message=fault.message, hint=fault.hint)
        for name, value in step.args.items():
            if _too_large(value):
                yield PlanProblem(
                    kind="too_large",
                    step=step.id,
                    message=f"The argument {name!r} is too large.",
                    hint=f"At most {MAX_TEXT:,} characters and {MAX_DEPTH} levels of nesting are allowed.",
                )


def _on_cycles(plan: Plan) -> set[StepId]:
    """Return the steps on a cycle of two or more steps: what repeated removal of free steps leaves."""
    waiting = {step.id: {need for need in step.needs if need != step.id} for step in plan.steps}
    for _ in range(2):  # once against the arrows, once along them: what hangs off a cycle is not on it
        while free := {one for one, needs in waiting.items() if not needs & set(waiting)}:
            waiting = {one: needs for one, needs in waiting.items() if one not in free}
        waiting = {one: {other for other, needs in waiting.items() if one in needs} for one in waiting}
    return set(waiting)


def _too_large(value: object, depth: int = 0) -> bool:
    if depth > MAX_DEPTH:
        return True
    if isinstance(value, str):
        return len(value) > MAX_TEXT
    if isinstance(value, Mapping):
        return any(_too_large(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return any(_too_large(item, depth + 1) for item in value)
    return False


def _existing(earlier: Collection[StepId], known: Collection[StepId]) -> str:
    names = [f"#{one}" for one in sorted({*earlier, *known}, key=lambda one: int(one[1:]))]
    return f"Steps that exist before it: {', '.join(names)}." if names else "No step comes before it."


def _nearest(name: str, catalog: Catalog) -> str:
    near = catalog.nearest(name)
    if near:
        return f"Did you mean {near!r}?"
    return f"The tools are: {', '.join(catalog)}." if len(catalog) else "There are no tools."


def _last(known: Collection[StepId]) -> int:
    return max(int(one[1:]) for one in known)
