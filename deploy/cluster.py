"""Everything on one machine, as plain processes: `make cluster`, and Ctrl-C ends it.

PostgreSQL, Redis, a Chroma server with the ingested documents, the three role services, two instances of Aegra over
them, and a worker of the background queues. PostgreSQL and Chroma keep their data in the folder `.cluster`; where
DATABASE_URL or REDIS_URL is set, that server is used and none is started. Models and other settings come from the
environment and `.env`, as always.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dotenv import dotenv_values

from agent_graph.bootstrap import DEMO_COLLECTION
from agent_graph.gateway.keys import Keys, new_key, read_keys, write_keys
from deploy.postgres import postgres
from deploy.processes import PYTHON, ROOT, NotStarted, aegra, answers, free_port, listens, process, redis

_ROLES = ("planner", "worker", "solver")
_USER = "me"


def main() -> None:
    """Start everything in order, say where it is, and wait for Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=ROOT / ".cluster")
    parser.add_argument(
        "--port", type=int, default=2026, help="of the first gateway; the second has the next"
    )
    asked = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in what a script starts with &
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            key = _started(stack, asked.folder.resolve(), asked.port)
            _say("key", key)
            _write("Ctrl-C stops everything.")
            signal.pause()
    except NotStarted as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        _write("Stopped.")


def _started(stack: ExitStack, folder: Path, port: int) -> str:
    """Start everything; return the key of the one user."""
    folder.mkdir(parents=True, exist_ok=True)
    for taken in (port, port + 1):
        if listens(taken):
            raise NotStarted(f"Port {taken} is taken. Choose two others: make cluster PORT=3026")
    env = _environment(folder)
    env["DATABASE_URL"] = env.get("DATABASE_URL") or stack.enter_context(_postgres(folder))
    _say("PostgreSQL", env["DATABASE_URL"])
    env["REDIS_URL"] = env.get("REDIS_URL") or stack.enter_context(redis(folder / "logs", free_port()))
    _say("Redis", env["REDIS_URL"])
    if "AGENT_GRAPH_KNOWLEDGE" not in env:
        env["AGENT_GRAPH_KNOWLEDGE"] = stack.enter_context(_chroma(folder))
    _say("Chroma", env["AGENT_GRAPH_KNOWLEDGE"])
    for role in _ROLES:
        env[f"AGENT_GRAPH_{role.upper()}_URLS"] = stack.enter_context(_role(role, folder, env))
        _say(role, env[f"AGENT_GRAPH_{role.upper()}_URLS"])
    key = _key(folder)
    for number in (1, 2):
        name, at = f"gateway-{number}", port + number - 1
        stack.enter_context(aegra(name, at, folder=folder / "logs", env=env))
        _say(name, f"http://127.0.0.1:{at}")
    env["AGENT_GRAPH_JOBS"] = env.get("AGENT_GRAPH_JOBS") or env["DATABASE_URL"]
    _say("background", stack.enter_context(_background(folder, env)))
    _say("jobs", f"AGENT_GRAPH_JOBS={env['AGENT_GRAPH_JOBS']} agent-graph jobs ask QUESTIONS.jsonl")
    return key


def _say(name: str, where: str) -> None:
    _write(f"{name:<12}{where}")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of every process: one home, and a secret that the roles' services share."""
    here = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    ours = {"AGENT_GRAPH_HOME": str(folder), "AGENT_GRAPH_SERVICE_TOKEN": secrets.token_hex(32)}
    return {**here, **os.environ, **ours}


def _key(folder: Path) -> str:
    """Make a new key for the one user; the keys of others that were added stay."""
    place = folder / "keys.json"
    kept = read_keys(place).keys if place.exists() else ()
    key, line = new_key(_USER)
    write_keys(place, Keys(keys=(*(one for one in kept if one.user != _USER), line)))
    return key


@contextmanager
def _role(role: str, folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    port = free_port()
    alone = {name: value for name, value in env.items() if not name.endswith("_URLS")}
    command = [PYTHON, "-m", "agent_graph", "role", role, "--port", str(port)]
    with process(role, command, lambda: listens(port), log=folder / "logs" / f"{role}.log", env=alone):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _background(folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    port = free_port()
    command = [PYTHON, "-m", "agent_graph", "jobs", "work", "--port", str(port)]
    url, log = f"http://127.0.0.1:{port}", folder / "logs" / "background.log"
    with process("background", command, lambda: answers(f"{url}/ready"), log=log, env=env):
        yield f"{url}/ready"


@contextmanager
def _chroma(folder: Path) -> Iterator[str]:
    port = free_port()
    program = str(Path(PYTHON).with_name("chroma"))
    command = [program, "run", "--path", str(folder / "chroma"), "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    log = folder / "logs" / "chroma.log"
    fresh = not (folder / "chroma").exists()
    with process("Chroma", command, lambda: answers(f"{url}/api/v2/heartbeat"), log=log):
        if fresh:
            _ingest_sample(url, folder)
        yield url


def _ingest_sample(url: str, folder: Path) -> None:
    """Read in the document of the demo, which is answered from until there are others."""
    sample = ROOT / "agent_graph" / "samples" / "state_of_the_union.txt"
    env = os.environ | {
        "AGENT_GRAPH_HOME": str(folder),
        "AGENT_GRAPH_KNOWLEDGE": url,
        "AGENT_GRAPH_COLLECTION": DEMO_COLLECTION,
    }
    command = [PYTHON, "-m", "agent_graph", "ingest", str(sample), "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    if done.returncode:
        raise NotStarted(f"The sample document could not be read in:\n{done.stderr[-1000:]}")


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    port = free_port()
    with postgres(folder / "postgres", port, log=folder / "logs" / "postgres.log"):
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


if __name__ == "__main__":
    main()
