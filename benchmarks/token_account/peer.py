"""The process that runs NeMo's graph in the environment it is installed in."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from token_account.account import Exchange
from token_account.recorded import Run

from agent_graph.plan import Plan

BENCHMARKS = Path(__file__).parent.parent
PYTHON = BENCHMARKS.parent / ".venv-bench" / "bin" / "python"
"""The peers' environment, as `make bench` makes it."""


class Nemo:
    """NeMo's ReWOO over one set of tools; raises RuntimeError when its process ends."""

    def __init__(self, described: Sequence[Mapping[str, Any]]) -> None:
        self._process = subprocess.Popen(
            [str(PYTHON), "-m", "token_account.nemo"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        )
        self.version = self._ask(tools=list(described))["version"]
        self.refused: list[str] = []
        """Why runs were not ended."""

    def calls(self, run: Run, plan: Plan) -> list[Exchange] | None:
        """Return the model calls of one run, None when NeMo did not end it."""
        written = _plan(plan)
        # A list as it is breaks NeMo's run or loses all but its first row: everyone's evidence stays whole as JSON.
        calls = [[call.tool, call.args, _text(call.observation)] for call in run.calls]
        answered = self._ask(question=run.question, plan=written, calls=calls, final=run.final)
        if "error" in answered:
            self.refused.append(answered["error"])
            return None
        prompts = [tuple(f"{role}: {text}" for role, text in messages) for messages in answered["prompts"]]
        return [Exchange(prompts[0], written), Exchange(prompts[1], run.final)]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("NeMo's process ended")
        answered: dict[str, Any] = json.loads(line)
        return answered


def _plan(plan: Plan) -> str:
    """Return the plan as NeMo's planner prompt asks for it: a JSON array of steps."""
    steps = [
        {
            "plan": step.reason,
            "evidence": {"placeholder": f"#{step.id}", "tool": step.tool, "tool_input": step.args},
        }
        for step in plan.steps
    ]
    return json.dumps(steps, ensure_ascii=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
