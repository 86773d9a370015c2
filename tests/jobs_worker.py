"""Real workers, a real PostgreSQL and a scripted model, for the stories of background work."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from served import environment

from agent_graph.background.jobs import Jobs, open_jobs
from agent_graph.background.standing import Job
from agent_graph.settings import Settings
from agent_graph.testing import OpenAIServer

KEY = "sk-thekeyoftheworker1234567890"
UNKNOWN = "Whether it was sent is unknown."
PATIENCE_S = 90.0


def reply(asked: Mapping[str, Any]) -> str:
    """Plan "write to NAME" as a look and a send, "wait for NAME" as a wait, all else as a look; answer with the end."""
    prompt = "\n".join(str(one["content"]) for one in asked["messages"])
    if "outcome is unknown" in prompt:
        return UNKNOWN
    if "The plan that was run" in prompt:
        steps = re.findall(r"#E(\d+) = ", prompt)
        return f"It was done [E{max(map(int, steps), default=1)}]."
    what, name = re.findall(r"Question: (write to|wait for|look up) (\w+)", prompt)[-1]
    if what == "wait for":
        return f'#E1 = wait(name="{name}")\n'
    send = '#E2 = send(to="#E1")\n' if what == "write to" else ""
    return f'#E1 = look(name="{name}")\n{send}'


class Works(NamedTuple):
    """Workers over one database."""

    jobs: Jobs
    settings: Settings
    workers: dict[int, "subprocess.Popen[bytes]"]
    """By process id."""
    home: Path

    @property
    def log(self) -> list[list[str]]:
        """What the tools did: what, with whom, in which process."""
        path = self.home / "tools.log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def did(self, what: str, name: str) -> int:
        """How often a tool was called."""
        return sum(line[:2] == [what, name] for line in self.log)

    def with_whom(self, what: str) -> set[str]:
        """With whom a tool was called."""
        return {line[1] for line in self.log if line[0] == what}

    def ended(self, name: str) -> Job:
        """Wait until a job has ended."""
        return until(lambda: job if not (job := self.jobs.job(name)).open else None)


def until(look: Callable[[], Any]) -> Any:
    """Look again and again, until there is something, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to pass in time")


@contextmanager
def working(database: str, home: Path, *, workers: int, **variables: str) -> Iterator[Works]:
    """Run workers with the tools and the model of these stories; at the end each stops when it is asked to."""
    with ExitStack() as stack:
        model = stack.enter_context(OpenAIServer(reply, models=["test-model"]))
        env = environment(home, AGENT_GRAPH_JOBS=database, OPENAI_BASE_URL=model.base_url, OPENAI_API_KEY=KEY)
        env |= {
            "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent.parent, Path(__file__).parent))),
            "JOBS_TEST_LOG": str(home / "tools.log"),
            **variables,
        }
        command = [
            *(sys.executable, "-m", "agent_graph", "jobs", "work", "--concurrency", "3", "--drain", "0")
        ]
        started = [stack.enter_context(_worker(command, env, home, number)) for number in range(workers)]
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            jobs=database,  # type: ignore[arg-type]
            home=home,
            OPENAI_BASE_URL=model.base_url,
            OPENAI_API_KEY=KEY,  # type: ignore[arg-type]
        )
        jobs = stack.enter_context(open_jobs(settings))
        until(lambda: jobs.workers() == workers)
        yield Works(jobs, settings, {one.pid: one for one in started}, home)


@contextmanager
def _worker(
    command: list[str], env: Mapping[str, str], home: Path, number: int
) -> Iterator["subprocess.Popen[bytes]"]:
    with (home / f"worker-{number}.log").open("wb") as said:
        process = subprocess.Popen(
            [*command, "--tools", "jobs_tools:TOOLS"], env=env, stdout=said, stderr=said, cwd=home
        )
        try:
            yield process
            if process.poll() is None:
                process.terminate()
                assert process.wait(60) == 0, (home / f"worker-{number}.log").read_text()[-3000:]
        finally:
            process.kill()
            process.wait()
