"""Servers as plain processes of this machine: started, waited for, and ended in the reverse order."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
AEGRA_PYTHON = ROOT / ".venv-aegra" / "bin" / "python"
INSTALL_AEGRA = "make .venv-aegra/.installed"
"""What makes the interpreter above."""
_PATIENCE_S = 120.0
_ENDING_S = 40.0


class NotStarted(RuntimeError):
    """A server did not come up; the message says which, and ends with what it printed."""


def free_port() -> int:
    """Return a port of this machine's own address that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def process(
    name: str,
    command: Sequence[str],
    ready: Callable[[], bool],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a server, wait until it is ready, and end it with SIGTERM.

    Raises NotStarted when it ends before it is ready, or takes two minutes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written:
        # A group of its own: Ctrl-C reaches the one who started it, who ends them in order.
        started = subprocess.Popen(  # noqa: S603  # the caller names the program
            command, env=env, stdout=written, stderr=written, start_new_session=True, user=user
        )
        try:
            _wait(name, started, ready, log)
            yield started
        finally:
            started.terminate()
            try:
                started.wait(_ENDING_S)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def _wait(name: str, started: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and started.poll() is None:
        if ready():
            return
        time.sleep(0.1)
    said = log.read_text(errors="replace")[-2000:]
    raise NotStarted(f"{name} did not start; the end of {log}:\n{said}")


def listens(port: int) -> bool:
    """Whether something takes connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether an address answers with success."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def redis(folder: Path, port: int) -> Iterator[str]:
    """Run a Redis that keeps nothing on disk, and yield its address.

    Raises NotStarted when there is none.
    """
    found = shutil.which("redis-server")
    if found is None:
        raise NotStarted("Redis is not installed. On Debian: apt install redis-server; or set REDIS_URL.")
    command = [found, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with process("Redis", command, lambda: listens(port), log=folder / "redis.log"):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def aegra(
    name: str, port: int, *, folder: Path, env: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one instance of Aegra over this agent; `env` holds DATABASE_URL, REDIS_URL and what else differs.

    Raises NotStarted when it refuses to start, or is not installed.
    """
    if not AEGRA_PYTHON.exists():
        raise NotStarted(f"Aegra is not installed. Install it with: {INSTALL_AEGRA}")
    command = [str(AEGRA_PYTHON), str(ROOT / "deploy" / "aegra" / "serve.py"), "--port", str(port)]
    ready = f"http://127.0.0.1:{port}/ready"
    with process(name, command, lambda: answers(ready), log=folder / f"{name}.log", env=env) as started:
        yield started


def environment(**settings: str) -> dict[str, str]:
    """Return an environment that knows none of this machine's settings but those given."""
    ours = ("OPENAI_", "AGENT_GRAPH_", "AEGRA_", "DATABASE_", "REDIS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | settings


PYTHON = sys.executable
