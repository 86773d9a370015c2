"""What a run leaves behind when its process is killed, and what the next process makes of it.

The same over PostgreSQL is in test_postgres.py.
"""

from pathlib import Path

import pytest
from crash_story import WRITE, kill_runs, read


@pytest.mark.parametrize("eager", [False, True], ids=["after_the_plan", "eager"])
def test_thirty_kills_over_sqlite(tmp_path: Path, eager: bool) -> None:
    """Killed at any moment, a run goes on: finished steps are not repeated and the answer is the same."""
    url = f"sqlite:///{tmp_path}/{{case}}.sqlite"
    stories = read(kill_runs(url, tmp_path / "logs", *(["--eager"] if eager else [])))
    assert len(stories) == 30
    assert sum(one.told["killed"] for one in stories) >= 10, "the machine is too uneven to say anything"


@pytest.mark.parametrize("eager", [False, True], ids=["after_the_plan", "eager"])
def test_a_write_never_acts_twice(tmp_path: Path, eager: bool) -> None:
    """Killed within the first millisecond after it acted, a step that writes is kept or unknown, not repeated."""
    url = f"sqlite:///{tmp_path}/{{case}}.sqlite"
    options = ["--strike", "acted", "--kills", "12", *(["--eager"] if eager else [])]
    stories = read(kill_runs(url, tmp_path / "logs", *options))
    assert all(one.said(1, "acted", WRITE) == 1 and one.said(2, "acted", WRITE) == 0 for one in stories)
    assert any(one.unknown for one in stories)
