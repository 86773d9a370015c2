"""What must hold of every run that crash_run.py killed."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("crash_run.py")
STEPS = {"E1": "a", "E2": "b", "E3": "c", "E4": "d", "E5": "e", "E6": "f", "E7": "g", "E8": "h"}
WRITE = "E5"
SEED = 20260


def kill_runs(url: str, folder: Path, *options: str) -> dict[str, Any]:
    """Let the script kill runs and return what it observed."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), url, str(folder), "--seed", str(SEED), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent.parent), "LANGGRAPH_STRICT_MSGPACK": "true"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


class Story:
    """One run that was killed, as the log of its tools and its checkpointer tell it."""

    def __init__(self, told: dict[str, Any], whole: dict[str, Any]) -> None:
        self.told = told
        self.whole = whole
        self.kept = {step for step, evidence in told["kept"].items() if evidence["status"] == "ok"}
        self.times = Counter(told["log"])

    def said(self, life: int, what: str, step: str) -> int:
        return self.times[f"{life} {what} {STEPS[step]}"]

    @property
    def begun(self) -> set[str]:
        return {step for step in STEPS if self.said(1, "begin", step)}

    @property
    def repeated(self) -> list[str]:
        """Steps whose tool came to its end twice."""
        return [step for step in STEPS if self.said(1, "end", step) and self.said(2, "begin", step)]

    @property
    def ended(self) -> list[str]:
        """Steps that only read and came to their end before the kill."""
        return [step for step in STEPS if self.said(1, "end", step)]

    @property
    def unknown(self) -> bool:
        return bool(self.told["evidence"][WRITE]["failure"] == "interrupted")

    def check(self) -> None:
        for step in STEPS:
            self.check_calls(step)
            self.check_evidence(step)
        self.check_write()

    def check_calls(self, step: str) -> None:
        """What was finished is not called again; what was not, once."""
        before, after = self.said(1, "begin", step), self.said(2, "begin", step)
        if step in self.kept:
            assert (before, after) == (1, 0), step
        elif self.told["evidence"][step]["status"] == "ok":
            assert (before in (0, 1), after) == (True, 1), step
        else:
            assert (before in (0, 1), after) == (True, 0), step

    def check_evidence(self, step: str) -> None:
        """Evidence is the step's own, whoever found it, and it is what was kept."""
        found, expected = self.told["evidence"][step], self.whole["evidence"][step]
        if found["status"] == "ok":
            for what in ("step", "tool", "args", "value", "fingerprint"):
                assert found[what] == expected[what], (step, what)
        else:
            assert self.unknown
            assert step in (WRITE, "E6", "E8"), step
        if step in self.kept:
            assert found == self.told["kept"][step]

    def check_write(self) -> None:
        """It acts once; or it may have acted before the kill, and then that is said and it never acts again."""
        acted = self.said(1, "acted", WRITE), self.said(2, "acted", WRITE)
        if self.unknown:
            assert acted in ((0, 0), (1, 0))
            assert self.told["answer"] == "It is not known whether the change was made."
            assert self.told["evidence"]["E6"]["failure"] == "dependency"
        else:
            assert sorted(acted) == [0, 1]
            assert self.told["answer"] == self.whole["answer"]
        if WRITE in self.begun and WRITE not in self.kept:
            assert self.unknown


def read(told: dict[str, Any]) -> list[Story]:
    """Check every story and print what they have in common."""
    assert told["whole"]["answer"].startswith("It came to h(f(e(d(b(a()) c(a())))) g(d(b(a()) c(a())))) [E8]")
    assert not [one for one in told["killed"] if one["failed"]]
    stories = [Story(one, told["whole"]) for one in told["killed"]]
    among = [one for one in stories if one.begun and one.begun != set(STEPS)]
    print(
        f"\nseed {SEED}, a run takes {told['seconds']:.2f} s, {len(stories)} kills: "
        f"{sum(one.told['killed'] for one in stories)} before the end, {len(among)} among the steps; "
        f"{sum(one.unknown for one in stories)} writes unknown; "
        f"{sum(len(one.repeated) for one in stories)} reads repeated whose result was not stored yet"
    )
    ended = sum(len(one.ended) for one in among)
    repeated = sum(len(one.repeated) for one in among)
    assert ended < 10 or repeated < ended, "results do not reach the checkpointer before their node ends"
    for one in stories:
        try:
            one.check()
        except AssertionError as error:
            error.add_note(json.dumps(one.told, indent=1))
            raise
    return stories
