"""The tables of a comparison, in markdown."""

from collections.abc import Iterator, Sequence
from typing import Any

from peers.bench import SIZES, Measured
from peers.model import INSTANT, PACES
from peers.runners import RUNNERS
from peers.workloads import SIX_STEPS


def report(
    measured: Sequence[Measured], prompts: dict[str, dict[int, int]], about: dict[str, Any]
) -> Iterator[str]:
    """Yield the tables line by line."""
    yield "# agent-graph beside its peers"
    yield ""
    used = {**about["versions"]["agent-graph"], **about["versions"]["peers"]}
    listed = ", ".join(f"{name} {number}" for name, number in used.items() if number)
    yield f"{about['when']}, Python {about['python']}, {about['machine']}, load {about['load_before']} before; {listed}."
    for name, reason in about["not_measured"].items():
        yield f"Not measured to the end: {name} ({reason})."
    yield "Wall seconds, median; in brackets the multiple of the lower bound."
    yield ""
    for pace in PACES.values():
        speed = f"{pace.first_token_s:g} s to the first token, {pace.characters_per_s:g} characters/s"
        cases = list(dict.fromkeys(one.case for one in measured if one.case.pace == pace.name))
        yield f"## {pace.name.capitalize()} model" + ("" if pace is INSTANT else f": {speed}")
        yield ""
        yield _row("runner", *(case.workload for case in cases))
        yield _row("---", *("--:" for _ in cases))
        yield _row("*lower bound*", *(f"*{case.bound_s:.2f}*" for case in cases))
        for name in RUNNERS:
            cells = {
                one.case: f"{one.wall_s:.2f} ({one.ratio:.2f})" for one in measured if one.runner == name
            }
            if cells:
                yield _row(name, *(cells.get(case, "") for case in cases))
        yield ""
    yield "## What the models read and wrote: six steps"
    yield ""
    sizes = [f"prompt characters, evidence of {size:,} each" for size in SIZES]
    yield _row("runner", "model calls", "completion characters", *sizes)
    yield _row("---", *["--:"] * (2 + len(sizes)))
    first = {one.runner: one.runs[0] for one in reversed(measured) if one.case.workload == SIX_STEPS.name}
    for name, counts in prompts.items():
        if run := first.get(name):
            shown = [f"{counts[size]:,}" if size in counts else "" for size in SIZES]
            yield _row(name, str(run["model_calls"]), str(run["completion_characters"]), *shown)
    yield ""
    yield "The runs and how they were made: `side_by_side.json`, `python benchmarks/side_by_side.py`."


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
