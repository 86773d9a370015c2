"""All that is wrong with a plan, at once, before anything runs."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from agent_graph import references
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.references import StepId
from tools.arguments import types_of
from tools.catalog import Catalog, ToolSpec, validate

MAX_TEXT = 20_000
"""Longest text argument a plan may carry."""
MAX_NAMES = 20
"""Most tools that a problem's hint lists."""
MAX_DEPTH = 8
"""Deepest nesting of lists and objects in an argument."""


def check(
    plan: Plan,
    catalog: Catalog,
    *,
    max_steps: int = 16,
    evidence: Mapping[StepId, Evidence] | None = None,
    earlier: Sequence[Plan] = (),
) -> tuple[PlanProblem, ...]:
    """Return every problem of the plan, in plan order; an empty tuple means that it may run.

    `evidence` and `earlier` are what this turn's earlier plans found and were: ok evidence may be referred
    to, ids stay taken, and no call is made again.
    """
    found = evidence or {}
    known = [step_id for step_id, one in found.items() if one.ok]
    problems = (
        *_size(plan, max_steps),
        *_ids(plan, found),
        *_repeats(plan, catalog, _ran(earlier, found)),
        *_references(plan, known),
        *_calls(plan, catalog),
    )
    place: dict[StepId | None, int] = {step.id: at for at, step in reversed(list(enumerate(plan.steps)))}
    return tuple(sorted(problems, key=lambda problem: place.get(problem.step, -1)))


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


def _ran(earlier: Sequence[Plan], found: Mapping[StepId, Evidence]) -> list[Step]:
    steps = [step for plan in earlier for step in plan.steps]
    return [step for step in steps if step.id in found and found[step.id].status != "skipped"]


def _repeats(plan: Plan, catalog: Catalog, ran: Sequence[Step]) -> Iterator[PlanProblem]:
    """Report calls that are made twice; a second write may be meant, a second read cannot tell more."""
    first = {_call(step): step.id for step in reversed(ran)}
    for step in plan.steps:
        spec = catalog.get(step.tool)
        if spec is not None and spec.effects == "writes":
            first.clear()  # what was read before may read otherwise after it
            continue
        call = _call(step)
        if call in first:
            yield PlanProblem(
                kind="duplicate_step",
                step=step.id,
                message=f"The step repeats #{first[call]} exactly.",
                hint=f"Refer to #{first[call]} instead.",
            )
        first.setdefault(call, step.id)


def _call(step: Step) -> str:
    return json.dumps([step.tool, step.args], sort_keys=True, default=str)


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
        yield from _types(step, spec, plan, catalog)
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


def _types(step: Step, spec: ToolSpec, plan: Plan, catalog: Catalog) -> Iterator[PlanProblem]:
    """Report arguments that are one reference to a value of a type the tool cannot take."""
    for name, value in step.args.items():
        reference = references.exact(value)
        source = plan.by_id.get(reference.step) if reference else None
        giver = catalog.get(source.tool) if source else None
        if reference is None or giver is None or giver.returns is None or name not in spec.properties:
            continue
        given = _given(giver.returns)
        wanted = types_of(spec.properties[name], spec.schema)
        if reference.path:
            fits = bool(given & {"object", "array", "string"}) or not given
            wrong = f"{reference.text} takes a part of what #{reference.step} returns, which has none"
        else:
            fits = not given or not wanted or bool(given & wanted) or "string" in wanted | given
            fits = fits or bool(given & _NUMBERS and wanted & _NUMBERS)
            wrong = f"The argument {name!r} takes {_or(wanted)}, and #{reference.step} returns {_or(given)}"
        if not fits:
            yield PlanProblem(
                kind="bad_argument",
                step=step.id,
                message=f"{wrong}.",
                hint="Refer to a step that returns the right type.",
            )


_NUMBERS = frozenset({"integer", "number"})
_WORDS: dict[str, frozenset[str]] = {
    "text": frozenset({"string"}),
    "date": frozenset({"string"}),
    "number": frozenset({"number", "integer"}),
    "bool": frozenset({"boolean"}),
    "list": frozenset({"array"}),
    "object": frozenset({"object"}),
}


def _given(returns: str | Mapping[str, Any]) -> frozenset[str]:
    return _WORDS[returns] if isinstance(returns, str) else types_of(returns, returns)


def _or(types: Collection[str]) -> str:
    return " or ".join(sorted(types))


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
    names = list(catalog)[:MAX_NAMES]
    rest = f" and {len(catalog) - len(names)} more" if len(catalog) > len(names) else ""
    return f"The tools are: {', '.join(names)}{rest}." if names else "There are no tools."


def _last(known: Collection[StepId]) -> int:
    return max(int(one[1:]) for one in known)
