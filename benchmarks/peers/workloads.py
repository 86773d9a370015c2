"""The plans that everyone runs: steps with their seconds and the steps they need, and how fast each can be.

A lower bound assumes a scheduler that costs nothing. With an instant model it is the critical path. With a
model that takes its time, a step cannot start before the model has written its call, so the bound is the
dataflow in which step i starts at the later of "the plan is written up to the end of call i" and "all it
needs has ended"; the answer is asked for when the plan is complete and every step has ended.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """A tool call that takes some seconds, and the numbers (from 1) of the earlier steps it needs."""

    seconds: float
    needs: tuple[int, ...] = ()


class Workload(NamedTuple):
    """A named plan."""

    name: str
    steps: tuple[Step, ...]

    @property
    def critical_path_s(self) -> float:
        """Seconds of the longest chain of needs."""
        return self.lower_bound_s([0.0] * len(self.steps))

    @property
    def levels(self) -> list[list[int]]:
        """The numbers of the steps, grouped by the length of the longest chain that leads to them."""
        depths: list[int] = []
        for step in self.steps:
            depths.append(1 + max((depths[need - 1] for need in step.needs), default=-1))
        numbered = list(enumerate(depths, 1))
        return [[number for number, depth in numbered if depth == level] for level in range(max(depths) + 1)]

    def lower_bound_s(self, known: Sequence[float], *, planned: float = 0.0, answering: float = 0.0) -> float:
        """Return the least wall time when step i may start at `known[i]` and the plan is complete at `planned`."""
        ends: list[float] = []
        for step, at in zip(self.steps, known, strict=True):
            ends.append(max([at, *(ends[need - 1] for need in step.needs)]) + step.seconds)
        return max([planned, *ends]) + answering


SIX_STEPS = Workload(
    "six-step",
    (
        Step(0.3),
        Step(1.0, (1,)),
        Step(0.2, (1,)),
        Step(0.2, (2, 3)),
        Step(0.9, (3,)),
        Step(0.2, (4, 5)),
    ),
)
WIDE = Workload("wide 64", (Step(0.1),) * 64)
DEEP = Workload("deep 32", (Step(0.05), *(Step(0.05, (number,)) for number in range(1, 32))))
WARM_UP = Workload("warm-up", (Step(0.0), Step(0.0, (1,)), Step(0.0, (1, 2))))

RANDOM_STEPS = 12


def random_dag(seed: int) -> Workload:
    """Return a plan of 12 steps of 0.1 to 1.0 s, each of which needs up to three earlier ones."""
    chance = random.Random(seed)

    def steps() -> Iterator[Step]:
        for number in range(1, RANDOM_STEPS + 1):
            needs = chance.sample(range(1, number), min(number - 1, chance.randint(0, 3)))
            yield Step(chance.randint(2, 20) / 20, tuple(sorted(needs)))

    return Workload(f"random {seed}", tuple(steps()))


WORKLOADS = {one.name: one for one in (SIX_STEPS, WIDE, DEEP, *map(random_dag, (1, 2, 3)), WARM_UP)}
