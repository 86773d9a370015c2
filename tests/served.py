"""A real `agent-graph serve` in a process of its own, over one ingested document and a scripted model."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jwt

from agent_graph.gateway.keys import Keys, new_key, write_keys
from agent_graph.gateway.ledger import FileLedger, Ledger, today
from agent_graph.testing import Fault, OpenAIServer

CHARTER = "The charter of Ryswick was granted in 1215. The charter of Aachen was granted in 1266."
PLAN = (
    'Plan: find both years, then subtract.\n#E1 = search_documents(query="charter of Ryswick", k=2)\n'
    '#E2 = calculator(expression="1266 - 1215")\n'
)
BEGUN = PLAN.index("#E2")
REPLIES: dict[str, Any] = {
    "The plan that was run": "They lie 51 years apart [E2]. One was granted in 1215 [E1.1].",
    # falls silent when the first step is written, for as long as `model_silence_s` says
    "Question: stall": Fault.stall(BEGUN, PLAN),
    "Question: rejoin": [Fault.stall(BEGUN, PLAN), PLAN],
    "Question: vault": 'Plan: look.\n#E1 = search_documents(query="code of the vault", k=5)\n',
    "Question: ": PLAN,
}
SECRET = "a secret of at least thirty-two bytes"
COMMAND = [sys.executable, "-m", "agent_graph"]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Return an environment that knows none of this machine's settings."""
    ours = ("OPENAI_", "AGENT_GRAPH_", "AEGRA_", "DATABASE_", "REDIS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"AGENT_GRAPH_HOME": str(home), "AGENT_GRAPH_WEB": "off"} | settings


def ingest(home: Path, env: Mapping[str, str]) -> None:
    """Read in the one document."""
    document = home / "charters.txt"
    document.write_text(CHARTER)
    subprocess.run([*COMMAND, "ingest", str(document)], env=env, check=True, capture_output=True)


@contextmanager
def served(home: Path, model: OpenAIServer, **settings: str) -> Iterator[str]:
    """Ingest the document, serve, and yield the address."""
    env = environment(home, **settings)
    ingest(home, env)
    env["OPENAI_BASE_URL"] = model.base_url
    port = free_port()
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)], env=env, stdout=log, stderr=log, cwd=home
        )
        try:
            yield _ready(process, f"http://127.0.0.1:{port}", home / "server.log")
        finally:
            process.terminate()
            process.wait(timeout=30)


class Users(NamedTuple):
    """Who may come in, by what they send."""

    alice: str
    bob: str
    carol: str
    """A signed token."""


class Locked(NamedTuple):
    """A server that wants keys; Carol has used up her day there."""

    url: str
    alice: str
    bob: str
    carol: str
    ledger: Ledger


def furnished(home: Path) -> tuple[Users, dict[str, str]]:
    """Make keys for Alice and Bob, a token for Carol and two folders to ingest; return them and the settings."""
    (alice, one), (bob, other) = new_key("alice"), new_key("bob")
    write_keys(home / "keys.json", Keys(keys=(one, other)))
    claims = {"sub": "carol", "iss": "test", "exp": int(time.time()) + 3600}
    folder = home / "handbook"
    folder.mkdir()
    (folder / "ships.txt").write_text("The ship Aurora sank in 1901.")
    (folder / "charters.txt").write_text(CHARTER)
    (folder / "empty.txt").write_text("")
    private = home / "private"
    private.mkdir()
    (private / "vault.txt").write_text("The code of the vault is 7319.")
    settings = {
        "AGENT_GRAPH_INGEST_FOLDERS": json.dumps({"handbook": str(folder), "private": str(private)}),
        "AGENT_GRAPH_COLLECTION_PER_USER": "true",
        "AGENT_GRAPH_ALLOWED_MODELS": "openai:other-model",
        "AGENT_GRAPH_JWT_SECRET": SECRET,
        "AGENT_GRAPH_JWT_ISSUER": "test",
        "AGENT_GRAPH_MAX_RUNS": "8",
        "AGENT_GRAPH_MAX_TOKENS_A_DAY": "1000000",
        "AGENT_GRAPH_MAX_REQUEST_BYTES": "100000",
    }
    return Users(alice, bob, jwt.encode(claims, SECRET, "HS256")), settings


def opened(url: str, users: Users, ledger: Ledger) -> Locked:
    """Have both users ingest the first folder, use up Carol's day, and return the server."""
    ledger.add("carol", tokens=1_000_000, day=today())
    for key in (users.alice, users.bob):
        run = {"assistant_id": "ingest", "input": {"folder": "handbook"}}
        reply = httpx.post(f"{url}/runs/wait", json=run, headers={"x-api-key": key}, timeout=60)
        assert reply.raise_for_status().json()["report"]
    return Locked(url, *users, ledger)


@contextmanager
def locked_server(home: Path) -> Iterator[Locked]:
    """Serve with keys."""
    users, settings = furnished(home)
    with OpenAIServer(REPLIES, models=["test-model"]) as model, served(home, model, **settings) as url:
        yield opened(url, users, FileLedger(home / "server" / "usage.sqlite"))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _ready(process: subprocess.Popen[bytes], url: str, log: Path) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/ok", timeout=2).status_code == 200:
                return url
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-3000:]}")
