"""Asking every runner in the environment it belongs to, in rounds, one run at a time."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from peers.model import INSTANT, PACES, lower_bound_s
from peers.runners import RUNNERS
from peers.workloads import SIX_STEPS, WORKLOADS

HERE = Path(__file__).parent.parent
OURS = "agent-graph"
"""How the names of our runners begin; they run in this environment."""
CHARACTERS = 600
"""Size of what the tool returns."""
SIZES = (600, 2_000, 10_000)
"""Sizes for the count of prompt characters."""


class Process:
    """A process that measures, in one environment."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = (
            json.loads(line) if line else {"error": "the process that measures has ended"}
        )
        return answer


@contextmanager
def process(python: Path) -> Iterator[Process]:
    """Start a process that measures and end it afterwards."""
    arguments = [str(python), "-m", "peers.worker"]
    with subprocess.Popen(
        arguments, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        yield Process(started)
        assert started.stdin is not None
        started.stdin.close()


def is_usable(python: Path) -> bool:
    """Say whether this environment can measure at all."""
    if not python.exists():
        return False
    imports = subprocess.run(
        [python, "-c", "import peers.worker"], cwd=HERE, capture_output=True, check=False
    )
    return imports.returncode == 0


class Case(NamedTuple):
    """A plan and a model."""

    workload: str
    pace: str

    @property
    def bound_s(self) -> float:
        return lower_bound_s(WORKLOADS[self.workload], PACES[self.pace])


class Measured(NamedTuple):
    """What one runner did with one case, in all rounds."""

    runner: str
    case: Case
    runs: list[dict[str, float]]

    @property
    def wall_s(self) -> float:
        return statistics.median(run["wall_s"] for run in self.runs)

    @property
    def ratio(self) -> float:
        return self.wall_s / self.case.bound_s

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        walls = [run["wall_s"] for run in self.runs]
        return {
            "runner": self.runner,
            "workload": self.case.workload,
            "model": self.case.pace,
            "lower_bound_s": round(self.case.bound_s, 3),
            "wall_median_s": round(self.wall_s, 3),
            "wall_min_s": round(min(walls), 3),
            "wall_max_s": round(max(walls), 3),
            "wall_over_bound": round(self.ratio, 3),
            **{name: self.runs[0][name] for name in self.runs[0] if name != "wall_s"},
            "runs": len(walls),
        }


class Bench:
    """Measures every runner in the environment it belongs to, and says what cannot be measured."""

    def __init__(self, own: Process, others: Process) -> None:
        self._own, self._others = own, others
        self.missing: dict[str, str] = {}

    def measure(self, case: Case, rounds: int) -> list[Measured]:
        """Ask every runner once per round, in a turning order."""
        print(f"  {case.workload}, {case.pace} model, {rounds} rounds", file=sys.stderr)
        names = list(RUNNERS)
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                runs[name].append(self._once(name, case.workload, case.pace, CHARACTERS))
        kept = {name: [run for run in made if run] for name, made in runs.items()}
        return [Measured(name, case, kept[name]) for name in names if kept[name]]

    def prompts(self) -> dict[str, dict[int, int]]:
        """Return the prompt characters of the six-step plan by runner and size of what the tool returns."""
        counts: dict[str, dict[int, int]] = {}
        for name in RUNNERS:
            runs = [(size, self._once(name, SIX_STEPS.name, INSTANT.name, size)) for size in SIZES]
            counts[name] = {size: run["prompt_characters"] for size, run in runs if run}
        return counts

    def _once(self, name: str, workload: str, pace: str, characters: int) -> dict[str, Any]:
        if name in self.missing:
            return {}
        process = self._own if name.startswith(OURS) else self._others
        run = process.ask(runner=name, workload=workload, pace=pace, characters=characters)
        if "error" in run:
            self.missing[name] = f"{workload}, {pace} model: {run['error']}"
            print(f"  not measured any more: {name}, {self.missing[name]}", file=sys.stderr)
            return {}
        return run
