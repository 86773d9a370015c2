"""What each step of a run rests on: the plan and its evidence, with the questions one asks of them."""

import re
from collections.abc import Iterator, Mapping

from agent_graph import references
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan
from agent_graph.references import StepId


class Lineage:
    """The evidence of a run in the order of its steps, and which step read which."""

    def __init__(self, plan: Plan, evidence: Mapping[StepId, Evidence]) -> None:
        self.evidence = {step: evidence[step] for step in sorted(evidence, key=_number)}
        self._plan = plan.by_id
        self._needs = {step: self._needed(one) for step, one in self.evidence.items()}

    @property
    def ends(self) -> list[Evidence]:
        """The steps no other step reads: what the plan was for."""
        read = {need for needs in self._needs.values() for need in needs}
        return [one for step, one in self.evidence.items() if step not in read]

    def inputs(self, one: Evidence) -> list[Evidence]:
        """The evidence a step read, in the order of its arguments."""
        return [self.evidence[need] for need in self._needs[one.step] if need in self.evidence]

    def behind(self, one: Evidence) -> Iterator[Evidence]:
        """Everything a step rests on, nearest first, each once."""
        seen, waiting = {one.step}, self.inputs(one)
        while waiting:
            nearest = waiting.pop(0)
            if nearest.step not in seen:
                seen.add(nearest.step)
                waiting.extend(self.inputs(nearest))
                yield nearest

    def hops(self, one: Evidence) -> list[Evidence]:
        """The values that were read out on the way to a step, first one first."""
        return [read for read in reversed(list(self.behind(one))) if read.tool == "extract" and read.ok]

    def expression(self, one: Evidence) -> str:
        """What a calculator was asked, with its references still in it when the plan is known."""
        step = self._plan.get(one.step)
        return str((step.args if step else one.args).get("expression", ""))

    def _needed(self, one: Evidence) -> list[StepId]:
        if (step := self._plan.get(one.step)) is not None:
            return list(dict.fromkeys(ref.step for ref in references.find(step.args) if ref.step != one.step))
        # Evidence of an earlier plan: its arguments are filled, so what it read shows by value.
        spoken = [references.as_text(value) for value in one.args.values()]
        before = [other for other in self.evidence.values() if _number(other.step) < _number(one.step)]
        return [o.step for o in before if o.text and any(_holds(text, o.text) for text in spoken)]


def _holds(text: str, part: str) -> bool:
    return text == part or re.search(rf"(?<![\w.]){re.escape(part[:300])}(?![\w])", text[:20_000]) is not None


def _number(step: StepId) -> int:
    return int(step[1:]) if step[1:].isdigit() else 0
