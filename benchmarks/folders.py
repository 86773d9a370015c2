"""Where a benchmark reads its data and leaves its results, asked of the command line in one way."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

VARIABLE = "AGENT_GRAPH_BENCH_DATA"


class Folders(NamedTuple):
    """The two folders of one measurement."""

    data: Path
    out: Path


def folders(
    about: str | None, needed: Sequence[str], options: argparse.ArgumentParser | None = None
) -> Folders:
    """Read the command line; ends the process with a sentence when a needed file is not there.

    `options` holds what one benchmark takes beyond the two folders; it reads them itself.
    """
    parents = [options] if options else []
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0], parents=parents)
    parser.add_argument("data", nargs="?", default=os.environ.get(VARIABLE), help=f"folder, or ${VARIABLE}")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    asked = parser.parse_args()
    if not asked.data:
        raise SystemExit(f"Nothing was measured: say where the data is, as an argument or in {VARIABLE}.")
    absent = [name for name in needed if not (Path(asked.data) / name).is_file()]
    if absent:
        raise SystemExit(f"Nothing was measured: {asked.data} has no {', no '.join(absent)}.")
    return Folders(Path(asked.data), asked.out)
