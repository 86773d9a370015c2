"""Aegra, an open server with several instances; skipped where it is not installed."""

import asyncio
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from langgraph_sdk import get_sync_client
from served_by_aegra import need_aegra

from benchmarks.serving.aegra import CONTEXT, House, ask_all, database, house, judge, right
from benchmarks.serving.questions import question, word
from deploy.processes import AEGRA_PYTHON, ROOT, environment, free_port, listens

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("aegra"), pytest.mark.timeout(400)]

SERVE = [str(AEGRA_PYTHON), str(ROOT / "deploy" / "aegra" / "serve.py")]
AUTH = str(ROOT / "deploy" / "aegra" / "auth.py")


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    need_aegra()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One instance with two users."""
    with house(tmp_path_factory.mktemp("aegra"), users=2, instances=1) as running:
        yield running


def client(running: House, user: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {running.keys[user]}"}
    return httpx.AsyncClient(base_url=running.urls[0], headers=headers, timeout=60)


def run(turn: int, **options: Any) -> dict[str, Any]:
    task = {"task": question(word(0, 0, turn))}
    return {"assistant_id": "agent", "input": task, "context": CONTEXT} | options


async def ended(user: httpx.AsyncClient, thread: str, runs: list[str]) -> list[dict[str, Any]]:
    """Join runs, and return them as the server has them then."""
    for one in runs:
        await user.get(f"/threads/{thread}/runs/{one}/join")
    return [(await user.get(f"/threads/{thread}/runs/{one}")).json() for one in runs]


def test_an_instance_is_killed(tmp_path: Path) -> None:
    """With one of two instances killed, every run is answered once, with its own word, and writes it once."""
    with house(tmp_path, users=3) as running:
        asked, said, _ = asyncio.run(ask_all(running, 24, kill_after=6))
        found = judge(asked, said, running.notes.read_text())
    assert right(found), found


async def test_no_route_leads_to_another_users_thread(one: House) -> None:
    """Every route that the server has, with the ids of another's thread, run and assistant, tells nothing of them."""
    async with client(one, "user-0") as ann, client(one, "user-1") as bob:
        thread = (await ann.post("/threads", json={"metadata": {"about": "secret"}})).json()["thread_id"]
        made = (await ann.post(f"/threads/{thread}/runs", json=run(1))).json()["run_id"]
        (done,) = await ended(ann, thread, [made])
        assert done["output"]["answer"]["text"] == f"I have written down {word(0, 0, 1)} [E2]."
        hers = {"graph_id": "agent", "name": "secret", "context": {"max_steps": 3}}
        assistant = (await ann.post("/assistants", json=hers)).json()["assistant_id"]
        item = {"namespace": ["notes"], "key": "one", "value": {"text": "secret"}}
        assert (await ann.put("/store/items", json=item)).status_code == 204
        before = (await ann.get(f"/threads/{thread}/state")).json()
        ids = {
            "thread_id": thread,
            "run_id": made,
            "assistant_id": assistant,
            "checkpoint_id": before["checkpoint"]["checkpoint_id"],
            "cron_id": str(uuid.uuid4()),
        }
        bodies: list[dict[str, Any]] = [
            {},
            run(2),
            run(2, assistant_id=assistant),
            {"run_ids": [made], "thread_id": thread},
            {"status": "interrupted"},
            {"metadata": {"owner": "user-1"}},
            {"values": {"task": "x"}, "as_node": "intake"},
            {"checkpoint": {"checkpoint_id": ids["checkpoint_id"]}},
            {"thread_id": thread, "if_exists": "do_nothing"},
            {"thread_ids": [thread]},
            {"namespace": ["users", "user-0", "notes"], "key": "one", "value": {"text": "his"}},
            {"namespace_prefix": ["users", "user-0"], "prefix": ["users", "user-0"]},
        ]
        asked = {"namespace": "users.user-0.notes", "key": "one"}
        routes = (await bob.get("/openapi.json")).json()["paths"]
        assert len(routes) > 40
        for path, methods in routes.items():
            for method in methods:
                for body in bodies if method != "get" else [{}]:
                    params = asked if "store" in path else {}
                    reply = await bob.request(method, path.format(**ids), json=body, params=params)
                    told = (method, path, body, reply.status_code, reply.text[:300])
                    assert reply.status_code < 500 or reply.status_code == 503, told
                    assert "secret" not in reply.text, told
                    assert word(0, 0, 1) not in reply.text, told
        assert (await ann.get(f"/threads/{thread}/state")).json() == before
        assert (await ann.get(f"/threads/{thread}")).json()["metadata"]["owner"] == "user-0"
        assert [one["run_id"] for one in (await ann.get(f"/threads/{thread}/runs")).json()] == [made]
        assert (await ann.get(f"/assistants/{assistant}")).json()["name"] == "secret"
        kept = await ann.get("/store/items", params={"namespace": "notes", "key": "one"})
        assert kept.json()["value"] == {"text": "secret"}


async def test_two_runs_at_once_on_one_thread(one: House) -> None:
    """The second waits for the first, and neither loses a message; asked to be refused, it is."""
    async with client(one, "user-0") as ann:
        thread = (await ann.post("/threads", json={})).json()["thread_id"]
        begun = [(await ann.post(f"/threads/{thread}/runs", json=run(turn))).json() for turn in (1, 2)]
        refused = await ann.post(f"/threads/{thread}/runs", json=run(3, multitask_strategy="reject"))
        done = await ended(ann, thread, [one["run_id"] for one in begun])
        state = (await ann.get(f"/threads/{thread}/state")).json()["values"]
    assert refused.status_code == 409
    assert [one["status"] for one in done] == ["success", "success"]
    assert len(state["messages"]) == 4


FORBIDDEN: list[tuple[str, Any, str]] = [
    ("another identity", {"config": {"configurable": {"langgraph_auth_user_id": "user-1"}}}, "no knob"),
    ("LangGraph's own", {"config": {"configurable": {"__pregel_checkpointer": "x"}}}, "not for requests"),
    ("an identity by checkpoint", {"checkpoint": {"langgraph_auth_user_id": "user-1"}}, "A checkpoint is"),
    ("a model", {"context": {"model": "openai:dearest"}}, "not offered"),
    ("a state by command", {"input": None, "command": {"update": {"task": "x"}}}, "only resume"),
    ("a strategy", {"multitask_strategy": "rollback"}, "multitask_strategy"),
]


@pytest.mark.parametrize(
    ("asked", "said"), [case[1:] for case in FORBIDDEN], ids=[case[0] for case in FORBIDDEN]
)
async def test_what_a_request_may_not_say(one: House, asked: dict[str, Any], said: str) -> None:
    """What Aegra itself would believe, or ignore, is refused with a sentence before anything starts."""
    async with client(one, "user-0") as ann:
        reply = await ann.post("/runs", json=run(1, **asked))
    assert reply.status_code == 422
    assert said in reply.text


async def test_a_run_knows_whose_it_is(one: House) -> None:
    """The identity that the agent asks for is the key's, in every checkpoint of the run."""
    async with client(one, "user-1") as bob:
        thread = (await bob.post("/threads", json={})).json()["thread_id"]
        made = (await bob.post(f"/threads/{thread}/runs", json=run(5))).json()["run_id"]
        await ended(bob, thread, [made])
        metadata = (await bob.get(f"/threads/{thread}/state")).json()["metadata"]
    assert metadata["langgraph_auth_user_id"] == "user-1"


@pytest.mark.parametrize("key", ["", "Bearer ag_00000000_ff", "Basic YTpi"])
@pytest.mark.parametrize("path", ["/threads/search", "/info", "/health", "/metrics", "/docs", "/nowhere"])
async def test_without_a_key_nothing_answers(one: House, path: str, key: str) -> None:
    """Every path wants a key, also those that Aegra leaves open; only whether it lives is told to anyone."""
    async with httpx.AsyncClient(
        base_url=one.urls[0], headers={"authorization": key} if key else {}
    ) as client:
        assert (await client.post(path, json={})).status_code == 401
        assert (await client.get("/ready")).status_code == 200


async def test_runs_by_the_clock_and_by_hand_are_shut(one: House) -> None:
    """A schedule, a state written by hand and the newer way of streaming, which asks less, are open to nobody."""
    async with client(one, "user-0") as ann:
        thread = (await ann.post("/threads", json={})).json()["thread_id"]
        cron = await ann.post(
            "/runs/crons", json={"assistant_id": "agent", "schedule": "* * * * *", "input": {}}
        )
        state = await ann.post(f"/threads/{thread}/state", json={"values": {"task": "x"}, "metadata": {}})
        command = {
            "id": 1,
            "method": "run.start",
            "params": {"assistant_id": "agent", "input": {"task": "x"}},
        }
        newer = await ann.post(f"/threads/{thread}/commands", json=command)
    assert (cron.status_code, state.status_code, newer.status_code) == (403, 403, 503)


def config(folder: Path, auth: str | None) -> Path:
    """Write a configuration whose auth file is another."""
    made: dict[str, Any] = {"graphs": {}} | ({"auth": {"path": auth}} if auth else {})
    path = folder / "aegra.json"
    path.write_text(json.dumps(made))
    return path


@pytest.fixture(scope="module")
def empty() -> Iterator[str]:
    """The address of an empty database."""
    with database() as place:
        yield place


BROKEN = "from nowhere import auth\n"
UNASKED = "from langgraph_sdk import Auth\nauth = Auth()\n@auth.authenticate\nasync def anyone(headers): return {'identity': 'x'}\n"


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (None, "would answer without a key"),
        ("./absent.py:auth", "would answer without a key"),
        ("./broken.py:auth", "would answer without a key"),
        ("./unasked.py:auth", "would answer without a key"),
        (f"{AUTH}:nothing", "would answer without a key"),
        ("no config", "is no file"),
        ("no keys", "There are no keys"),
        ("no ledger", "which is to keep what users have used, cannot be used"),
    ],
)
def test_a_server_that_would_let_everybody_in_does_not_start(
    tmp_path: Path, empty: str, auth: str | None, said: str
) -> None:
    """Whatever keeps Aegra from asking for a key or us from counting, the instance says so and ends at once."""
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "unasked.py").write_text(UNASKED)
    port = free_port()
    env = environment(
        AGENT_GRAPH_HOME=str(tmp_path),
        DATABASE_URL=f"postgresql://127.0.0.1:{port}/none" if auth == "no ledger" else empty,
        AEGRA_CONFIG=str(tmp_path / "gone.json" if auth == "no config" else config(tmp_path, auth)),
        **({} if auth == "no keys" else {"AGENT_GRAPH_KEYS": '{"keys": []}'}),
    )
    done = subprocess.run(
        [*SERVE, "--port", str(port)], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert said in done.stderr


def test_one_command_starts_and_ends_everything(tmp_path: Path) -> None:
    """`make cluster` starts eight servers, both gateways answer with its key, and Ctrl-C leaves none of them."""
    command = [sys.executable, "-m", "deploy.cluster", "--folder", str(tmp_path), "--port", str(free_port())]
    told: dict[str, str] = {}
    with database() as place:
        env = environment(AGENT_GRAPH_WEB="off", DATABASE_URL=place)
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as cluster:
            try:
                assert cluster.stdout is not None
                for line in cluster.stdout:
                    if line.startswith("Ctrl-C"):
                        break
                    told |= [line.strip().split(maxsplit=1)]
                for gateway in ("gateway-1", "gateway-2"):
                    with get_sync_client(url=told[gateway], api_key=told["key"]) as client:
                        thread = client.threads.create()["thread_id"]
                        run = client.runs.create(thread, "agent", input={"task": "What is 17 * 23?"})
                        values: Any = client.runs.join(thread, run["run_id"])
                        assert values["answer"]["text"] == "17 * 23 = 391 [E1]."
            finally:
                cluster.send_signal(signal.SIGINT)
                assert cluster.wait(60) == 0
    ours = [place for name, place in told.items() if name not in ("key", "jobs", "PostgreSQL")]
    assert len(ours) == 8
    assert not [place for place in ours if listens(urlsplit(place).port or 0)]
