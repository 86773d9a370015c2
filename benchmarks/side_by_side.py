"""agent-graph beside its peers: the same plans, tool, texts and model, interleaved in one run.

The peers are NVIDIA NeMo Agent Toolkit's ReWOO graph, LangChain's `create_agent` with one call and with
several calls per turn, and a fan-out by LangGraph's `Send`. Each environment has one process that measures;
only one of them works at any moment, and each round asks every runner once, in a turning order. Figures are
medians. Every run is checked: each step called once, after all it needs, and the answer word for word.

The plans are in `peers/workloads.py`, with what the lower bound is; the model and its texts in
`peers/model.py`. "Instant" is a model that takes no time, "slow" one of 0.6 s to the first token and 300
characters per second. The bound of the slow model is that of agent-graph's plan text for everyone, so that
a longer text counts as what it is, time.

agent-graph keeps checkpoints in memory, the others none. Its caps on steps and concurrency, and its budget
for evidence, are raised until none of them binds, as the others have none.

    python benchmarks/side_by_side.py [--peers .venv-bench] [--rounds 5] [--only six-step ...]

`make bench` makes the peers' environment, from `peers/constraints.txt`. Without it NeMo is left out.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from peers.bench import OURS, Bench, Case, Measured, is_usable, process
from peers.model import INSTANT, PACES
from peers.report import report
from peers.runners import RUNNERS
from peers.workloads import SIX_STEPS, WARM_UP, WORKLOADS

HERE = Path(__file__).parent
EAGER, PLAN_FIRST = "agent-graph, eager", "agent-graph, plan first"
VERSIONS = ("nvidia-nat", "langchain", "langchain-core", "langgraph", "pydantic")
ENOUGH, START_S = 1.05, 0.05
"""We must stay within 1.05 x the bound, and 50 ms more with the instant model."""


def main() -> int:
    asked = _arguments()
    load = round(os.getloadavg()[0], 2)
    only = asked.only or [name for name in WORKLOADS if name != WARM_UP.name]
    python = asked.peers.absolute() / "bin" / "python"
    if not is_usable(python):
        print(f"{asked.peers} is no environment with peers: this one has to do.", file=sys.stderr)
        python = Path(sys.executable)
    with ExitStack() as stack:
        own = stack.enter_context(process(Path(sys.executable)))
        others = stack.enter_context(process(python))
        bench = Bench(own, others)
        measured: list[Measured] = []
        for name in only:
            rounds = asked.rounds if name == SIX_STEPS.name else max(1, asked.rounds - 2)
            for pace in PACES:
                measured += bench.measure(Case(name, pace), rounds)
        prompts = bench.prompts() if SIX_STEPS.name in only else {}
        versions = {"agent-graph": own.ask(versions=VERSIONS), "peers": others.ask(versions=VERSIONS)}
    missed = [*_missed(measured), *(f"Missed: {name} failed." for name in bench.missing if OURS in name)]
    about = {
        "when": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_before": load,
        "versions": versions,
        "not_measured": bench.missing,
    }
    figures = {
        **about,
        "runs": [one.record() for one in measured],
        "prompt_characters_six_step": prompts,
        "targets_missed": missed,
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "side_by_side.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(report(measured, prompts, figures))
    (asked.out / "side_by_side.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    _plot(measured, asked.out / "side_by_side.png")
    for sentence in missed:
        print(sentence, file=sys.stderr)
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".venv-bench", help="their environment")
    parser.add_argument("--rounds", type=int, default=5, help="of the six-step plan; the others get two less")
    parser.add_argument("--only", nargs="+", choices=list(WORKLOADS), help="workloads")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args()


def _missed(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield a sentence for every promise that the six-step plan did not keep."""
    walls = {(one.runner, one.case.pace): one for one in measured if one.case.workload == SIX_STEPS.name}
    for (name, pace), one in walls.items():
        allowed = ENOUGH * one.case.bound_s + (START_S if pace == INSTANT.name else 0)
        bound = name == EAGER or (name == PLAN_FIRST and pace == INSTANT.name)
        if bound and one.wall_s > allowed:
            yield f"Missed: {name} took {one.wall_s:.3f} s with the {pace} model; {allowed:.3f} s are allowed."
        eager = walls.get((EAGER, pace))
        if not name.startswith(OURS) and eager is not None and eager.wall_s >= one.wall_s:
            yield f"Missed: {name} was not slower than {EAGER} with the {pace} model."


def _plot(measured: Sequence[Measured], path: Path) -> None:
    try:
        from peers.plot import draw
    except ImportError as error:
        print(f"No plot: {error}. It needs the extra `bench`.", file=sys.stderr)
        return
    points = {
        pace.name: [
            (one.case.workload, one.runner, one.ratio) for one in measured if one.case.pace == pace.name
        ]
        for pace in PACES.values()
    }
    draw(points, list(RUNNERS), path)


if __name__ == "__main__":
    sys.exit(main())
