"""The processes that the benchmarks of serving start beside `deploy.processes`, and start again when they were killed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from agent_graph.gateway.keys import Keys, new_key, write_keys
from deploy.processes import aegra, answers, free_port, process

Process = subprocess.Popen[bytes]

QUESTION = "What was said about jobs, and what is six times seven?"
PLAN = 'Plan: look it up.\n#E1 = search_documents(query="jobs created")\n#E2 = calculator(expression="6 * 7")'
ANSWER = "Six times seven is 42 [E2]. Jobs were created [E1]."


class Served(NamedTuple):
    """A server and the process of it that serves."""

    url: str
    key: str
    process: psutil.Process


@contextmanager
def model(folder: Path, delay: float = 0.0) -> Iterator[str]:
    """Serve a model that plans and answers the one question, after a delay, from a process of its own."""
    port = free_port()
    script = folder / "script.json"
    script.write_text(json.dumps({"The plan that was run": ANSWER, "Question:": PLAN}))
    command = [
        *(sys.executable, "-m", "agent_graph.testing.openai_server", "--port", str(port)),
        *("--script", str(script), "--seconds-to-first-token", str(delay)),
    ]
    ready = f"http://127.0.0.1:{port}/v1/models"
    with process("The model", command, lambda: answers(ready), log=folder / "model.log"):
        yield f"http://127.0.0.1:{port}/v1"


def ingest(env: Mapping[str, str]) -> None:
    """Read a speech in, to be answered from."""
    speech = str(files("agent_graph") / "samples" / "state_of_the_union.txt")
    command = [sys.executable, "-m", "agent_graph", "ingest", speech, "--json"]
    subprocess.run(command, env=dict(env), check=True, stdout=subprocess.DEVNULL)


def key_of(folder: Path, user: str = "me") -> str:
    """Make the key of the one user whom servers over this folder let in."""
    key, kept = new_key(user)
    write_keys(folder / "keys.json", Keys(keys=(kept,)))
    return key


@contextmanager
def development_server(folder: Path, env: Mapping[str, str], *, jobs: int, key: str = "") -> Iterator[Served]:
    """Run the LangGraph server as `agent-graph serve` does."""
    port = free_port()
    command = [sys.executable, "-m", "agent_graph", "serve", "--port", str(port), "--jobs", str(jobs)]
    url = f"http://127.0.0.1:{port}"
    with process(
        "The LangGraph server", command, lambda: answers(f"{url}/ok"), log=folder / "server.log", env=env
    ) as started:
        children = psutil.Process(started.pid).children(recursive=True)
        yield Served(url, key, max(children, key=lambda one: one.memory_info().rss))


@contextmanager
def aegra_instance(folder: Path, env: Mapping[str, str], *, key: str) -> Iterator[Served]:
    """Run one instance of Aegra; `env` names its PostgreSQL and its Redis."""
    port = free_port()
    with aegra("aegra", port, folder=folder, env=env) as started:
        yield Served(f"http://127.0.0.1:{port}", key, psutil.Process(started.pid))


@contextmanager
def role_service(
    role: str, port: int, *, folder: Path, env: Mapping[str, str], tools: str | None = None
) -> Iterator[Process]:
    """Run one role as a service; `tools` are the worker's, as module:name."""
    alone = {name: value for name, value in env.items() if not name.endswith("_URLS")}
    more = ["--tools", tools] if tools and role == "worker" else []
    command = [sys.executable, "-m", "agent_graph", "role", role, "--port", str(port), *more]
    ready = f"http://127.0.0.1:{port}/ok"
    with process(role, command, lambda: answers(ready), log=folder / f"{role}.log", env=alone) as started:
        yield started


@contextmanager
def chroma(folder: Path, port: int) -> Iterator[Process]:
    """Run a Chroma server over its data in a folder."""
    program = str(Path(sys.executable).with_name("chroma"))
    command = [program, "run", "--path", str(folder / "chroma"), "--host", "127.0.0.1", "--port", str(port)]
    ready = f"http://127.0.0.1:{port}/api/v2/heartbeat"
    with process("Chroma", command, lambda: answers(ready), log=folder / "chroma.log") as started:
        yield started


class Mortal:
    """A server that can be killed and started again in its place."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Process]]) -> None:
        self._begin = begin
        self._life = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._life.close()

    def start(self) -> None:
        """Start it, and return when it serves."""
        self._process = self._life.enter_context(self._begin())

    def kill(self, number: int) -> None:
        """End it with a signal, and return when it is gone."""
        self._process.send_signal(number)
        self._process.wait()
        self._life.close()


def memory_mb(served: psutil.Process) -> float:
    """Return the resident memory of a process."""
    return round(served.memory_info().rss / 2**20, 1)
