"""The notebooks run from top to bottom on a machine with no model and no network."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(/tmp|/home|/root|/Users|/work|/var/folders)/|[A-Z]:\\\\Users")


@pytest.mark.notebook
@pytest.mark.timeout(300)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    """Every cell runs without an error in a fresh kernel of this interpreter."""
    places = {"IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter")}
    options = ["--nbmake", "--nbmake-kernel=python3", "--nbmake-timeout=240", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *options, "--timeout=280", str(notebook)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **places}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_as_it_ran(notebook: Path) -> None:
    """Its cells are numbered in order, none failed, and no output tells whose machine it was."""
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    outputs = json.dumps([cell["outputs"] for cell in cells])
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert '"output_type": "error"' not in outputs
    assert not MACHINE_PATH.search(outputs)
    assert len(outputs) < 40_000


def test_the_first_notebook_ends_in_a_cited_answer() -> None:
    """What is committed shows the two hops, the subtraction, and where both years were found."""
    shown = (ROOT / "notebooks" / "01_first_run.ipynb").read_text()
    assert "1994 - 1933 = 61 [E5]" in shown
    assert "Buy American has been the law of the land since 1933." in shown
    assert "image/svg+xml" in shown
