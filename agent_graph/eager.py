"""Eager execution: steps that only read start while the plan is still being written."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from agent_graph.events import Tell
from agent_graph.plan import Plan, Step
from agent_graph.planner import check
from agent_graph.references import StepId
from agent_graph.state import Run
from agent_graph.usage import Usage
from agent_graph.worker.call import CallStep
from agent_graph.worker.dataflow import Dataflow, Effects
from tools.catalog import Catalog


class Eager(NamedTuple):
    """What it takes to run steps before their plan is complete."""

    catalog: Catalog
    call: CallStep
    effects: Effects
    clock: Callable[[], float]

    @asynccontextmanager
    async def begin(self, run: Run, tell: Tell) -> AsyncIterator["Beginning | None"]:
        """Open the dataflow of a plan that is about to be written; None when nothing may start before it is.

        That is so when the plan may turn out to need approval: then a person decides before any of it runs.
        """
        if not run.context.eager or self._may_ask(run):
            yield None
            return
        async with Dataflow(
            context=run.context,
            call=self.call,
            effects=self.effects,
            tell=tell,
            started=run.started,
            clock=self.clock,
            before=run.evidence,
        ) as flow:
            yield Beginning(self, run, flow, {})

    def _may_ask(self, run: Run) -> bool:
        """Whether some plan that this catalogue allows would wait for a person."""
        if run.context.approval == "always":
            return True
        if run.replans:  # the plan will have been written after evidence was seen
            return bool(self.effects.writing or self.effects.unsure)
        return bool(self.effects.writing) and run.context.approval == "side_effects"


class Beginning(NamedTuple):
    """The dataflow of one plan, from its first step on."""

    eager: Eager
    run: Run
    flow: Dataflow
    draft: dict[StepId, Step]

    def write(self, step: Step, *, start: bool = True) -> None:
        """Take a step as it is written; it may start at once if it only reads and nothing is wrong with it."""
        self.flow.write(step, held=not (start and self._may_start(step)))
        self.draft.setdefault(step.id, step)

    def forget(self) -> None:
        """Take note that the plan is being written afresh."""
        self.draft.clear()
        self.flow.forget()

    async def finish(self, plan: Plan, usage: Usage) -> dict[str, Any]:
        """Run the checked plan to its end."""
        evidence = await self.flow.finish(plan)
        return {"evidence": evidence, "usage": self.flow.account(usage)}

    def _reads(self, step: Step) -> bool:
        spec = self.eager.catalog.get(step.tool)
        return spec is not None and spec.effects == "reads"

    def _may_start(self, step: Step) -> bool:
        limit = self.run.context.max_steps
        if not self._reads(step) or len(self.draft) >= limit or step.id in self.draft:
            return False
        needed = [self.draft[need] for need in step.needs if need in self.draft]
        problems = check(
            Plan.model_construct(steps=(*needed, step)),
            self.eager.catalog,
            max_steps=limit + len(needed),
            evidence=self.run.evidence,
            earlier=[replan.plan for replan in self.run.replans],
        )
        return not any(problem.step == step.id for problem in problems)
