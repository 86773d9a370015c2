"""Two users of one real server with keys: neither reaches what is the other's, by any way in."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from served import Locked
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from agent_graph.gateway.ledger import today
from agent_graph.identity import collection_of

pytestmark = pytest.mark.server


@pytest.fixture
async def bob(locked: Locked) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP with Bob's key."""
    headers = {"authorization": f"Bearer {locked.bob}"}
    async with httpx.AsyncClient(base_url=locked.url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
async def bob_at_either(either: Locked) -> AsyncIterator[httpx.AsyncClient]:
    """The same at both servers."""
    headers = {"authorization": f"Bearer {either.bob}"}
    async with httpx.AsyncClient(base_url=either.url, headers=headers, timeout=30) as client:
        yield client


@asynccontextmanager
async def signed_in(locked: Locked, key: str) -> AsyncIterator[Any]:
    async with get_client(url=locked.url, api_key=key) as client:
        yield client


QUESTION = {"messages": [{"role": "user", "content": "How far apart are the charters?"}]}


async def test_a_user_asks_and_is_answered(either: Locked) -> None:
    """With a key the server works as it does without: a thread, a run, an answer, a search for one's threads."""
    async with signed_in(either, either.alice) as alice:
        thread = await alice.threads.create()
        values = await alice.runs.wait(thread["thread_id"], "agent", input=QUESTION)
        assert values["answer"]["text"].startswith("They lie 51 years apart")
        assert thread["thread_id"] in [one["thread_id"] for one in await alice.threads.search()]
    spent = either.ledger.spent("alice", day=today())
    assert spent.steps >= 2
    assert spent.tokens >= values["usage"]["roles"]["planner"]["input_tokens"] > 0


async def test_a_days_tokens_are_bounded(either: Locked) -> None:
    """A token lets in like a key; who has used up the day gets 429 with a sentence that says when to come back."""
    async with httpx.AsyncClient(
        base_url=either.url, headers={"authorization": f"Bearer {either.carol}"}
    ) as carol:
        assert (await carol.post("/threads/search", json={})).json() == []
        refused = await carol.post("/runs/wait", json={"assistant_id": "agent", "input": QUESTION})
    assert refused.status_code == 429
    assert "1,000,000 of 1,000,000 tokens today. Come back after midnight UTC." in refused.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/threads/search",
        "/assistants/search",
        "/runs/wait",
        "/metrics",
        "/docs",
        "/mcp",
        "/v1/models",
        "/nowhere",
    ],
)
@pytest.mark.parametrize("key", ["", "Bearer ag_00000000_ff", "Bearer a.b.c", "Basic YTpi"])
async def test_without_a_key_nothing_answers(either: Locked, path: str, key: str) -> None:
    """Every path wants a key, also one that nobody made, and says how to send it."""
    async with httpx.AsyncClient(
        base_url=either.url, headers={"authorization": key} if key else {}
    ) as client:
        for method in ("GET", "POST"):
            reply = await client.request(method, path, json={} if method == "POST" else None)
            assert reply.status_code == 401, path
            assert len(reply.json()["detail"]) > 20


async def test_being_studio_opens_nothing(either: Locked) -> None:
    """The header by which LangGraph Studio passes a development server's door does not pass ours."""
    async with httpx.AsyncClient(base_url=either.url, headers={"x-auth-scheme": "langsmith"}) as client:
        assert (await client.post("/threads/search", json={})).status_code == 401


@pytest.mark.parametrize("path", ["/internal/truncate", "/deploy", "/deploy/x"])
async def test_the_servers_own_maintenance_is_shut(
    either: Locked, bob_at_either: httpx.AsyncClient, path: str
) -> None:
    """Emptying the server and starting its programs is for nobody, with or without a key."""
    assert (await bob_at_either.post(path, json={})).status_code == 404
    assert (await bob_at_either.get(path)).status_code == 404


async def test_liveness_and_the_page_want_no_key(either: Locked) -> None:
    """A load balancer and a browser's first request come without one."""
    async with httpx.AsyncClient(base_url=either.url) as client:
        for path in ("/ok", "/ui/"):
            assert (await client.get(path)).status_code == 200


async def read(client: httpx.AsyncClient, method: str, path: str, body: Any) -> httpx.Response:
    """Return the reply with what it says within some seconds: a stream of events may never end."""
    async with client.stream(method, path, json=body) as reply:
        said = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                async for chunk in reply.aiter_bytes():
                    said += chunk
        return httpx.Response(reply.status_code, content=said)


@pytest.mark.xdist_group("gateway")
async def test_nobody_reaches_anothers_thread(locked: Locked, bob: httpx.AsyncClient) -> None:
    """Bob knows the ids of Alice's thread, run and assistant, tries every route, and gets nothing of it."""
    async with signed_in(locked, locked.alice) as alice:
        thread = (await alice.threads.create(metadata={"about": "secret"}))["thread_id"]
        await alice.runs.wait(thread, "agent", input={"task": "How far apart are the charters? (secret)"})
        (run,) = await alice.runs.list(thread)
        mine = await alice.assistants.create("agent", name="hers", context={"max_steps": 3})
        before = await alice.threads.get_state(thread)
        run_id, assistant = run["run_id"], mine["assistant_id"]
        checkpoint = before["checkpoint"]["checkpoint_id"]
        tries: list[tuple[str, str, Any]] = [
            ("GET", f"/threads/{thread}", None),
            ("PATCH", f"/threads/{thread}", {"metadata": {"owner": "bob"}}),
            ("DELETE", f"/threads/{thread}", None),
            ("GET", f"/threads/{thread}/state", None),
            ("GET", f"/threads/{thread}/state/{checkpoint}", None),
            ("POST", f"/threads/{thread}/state/checkpoint", {"checkpoint": {"checkpoint_id": checkpoint}}),
            ("POST", f"/threads/{thread}/state", {"values": {"task": "mine"}}),
            ("GET", f"/threads/{thread}/history", None),
            ("POST", f"/threads/{thread}/history", {"limit": 10}),
            ("POST", f"/threads/{thread}/copy", None),
            ("GET", f"/threads/{thread}/storage", None),
            ("GET", f"/threads/{thread}/stream", None),
            ("POST", f"/threads/{thread}/stream/events", {"channels": ["values", "messages"]}),
            (
                "POST",
                f"/threads/{thread}/commands",
                {"id": 1, "method": "run.start", "params": {"assistant_id": "agent", "input": {"task": "x"}}},
            ),
            (
                "POST",
                f"/threads/{thread}/commands",
                {"id": 2, "method": "state.get", "params": {}},
            ),
            ("POST", "/threads", {"thread_id": thread, "if_exists": "do_nothing"}),
            ("POST", "/threads/prune", {"thread_ids": [thread]}),
            ("POST", f"/threads/{thread}/runs", {"assistant_id": "agent", "input": {"task": "x"}}),
            ("POST", f"/threads/{thread}/runs/wait", {"assistant_id": "agent", "input": {"task": "x"}}),
            ("POST", f"/threads/{thread}/runs/stream", {"assistant_id": "agent", "input": {"task": "x"}}),
            (
                "POST",
                f"/threads/{thread}/runs/wait",
                {"assistant_id": "agent", "input": {"task": "x"}, "if_not_exists": "create"},
            ),
            ("GET", f"/threads/{thread}/runs", None),
            ("GET", f"/threads/{thread}/runs/{run_id}", None),
            ("GET", f"/threads/{thread}/runs/{run_id}/join", None),
            ("GET", f"/threads/{thread}/runs/{run_id}/stream", None),
            ("POST", f"/threads/{thread}/runs/{run_id}/cancel", None),
            ("POST", "/runs/cancel", {"thread_id": thread, "run_ids": [run_id]}),
            ("DELETE", f"/threads/{thread}/runs/{run_id}", None),
            ("POST", f"/threads/{thread}/runs/crons", {"assistant_id": "agent", "schedule": "* * * * *"}),
            ("GET", f"/assistants/{assistant}", None),
            ("GET", f"/assistants/{assistant}/schemas", None),
            ("GET", f"/assistants/{assistant}/graph", None),
            ("GET", f"/assistants/{assistant}/subgraphs", None),
            ("POST", f"/assistants/{assistant}/versions", {}),
            ("POST", f"/assistants/{assistant}/latest", {"version": 1}),
            ("GET", f"/a2a/{assistant}/.well-known/agent-card.json", None),
            ("POST", "/runs/crons", {"assistant_id": assistant, "schedule": "* * * * *"}),
            ("POST", "/runs/crons/search", {}),
            ("PATCH", f"/assistants/{assistant}", {"name": "his"}),
            ("DELETE", f"/assistants/{assistant}", None),
            ("POST", "/runs/wait", {"assistant_id": assistant, "input": {"task": "x"}}),
            (
                "POST",
                f"/a2a/{assistant}",
                {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tasks/get",
                    "params": {"id": run_id, "contextId": thread},
                },
            ),
            (
                "POST",
                "/a2a/agent",
                {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tasks/get",
                    "params": {"id": run_id, "contextId": thread},
                },
            ),
        ]
        for method, path, body in tries:
            reply = await read(bob, method, path, body)
            told = (method, path, reply.status_code, reply.text[:300])
            assert reply.status_code != 429, told
            assert "51 years" not in reply.text, told
            assert "secret" not in reply.text, told
            assert reply.status_code >= 400 or reply.text in ("[]", "") or '"error"' in reply.text, told
        for search in ("/threads/search", "/assistants/search"):
            found = (await bob.post(search, json={"limit": 100})).json()
            assert not {thread, assistant} & {one.get("thread_id") or one["assistant_id"] for one in found}
        after = await alice.threads.get_state(thread)
        assert after["checkpoint"] == before["checkpoint"]
        assert (await alice.threads.get(thread))["metadata"]["owner"] == "alice"
        assert len(await alice.runs.list(thread)) == 1


@pytest.mark.xdist_group("gateway")
async def test_nobody_listens_in(locked: Locked, bob: httpx.AsyncClient) -> None:
    """While Alice's run goes on, Bob subscribes to its events in every way there is and hears nothing of it."""
    async with signed_in(locked, locked.alice) as alice:
        thread = (await alice.threads.create())["thread_id"]
        modes = ["custom", "values"]
        options = {"stream_mode": modes, "stream_resumable": True}
        run = (await alice.runs.create(thread, "agent", input={"task": "stall"}, **options))["run_id"]
        async for part in alice.runs.join_stream(thread, run, last_event_id="-1"):
            if part.event == "custom" and part.data["type"] == "step_finished":
                break
        events = ("POST", f"/threads/{thread}/stream/events", {"channels": modes})
        hers = httpx.AsyncClient(base_url=locked.url, headers={"x-api-key": locked.alice})
        async with hers:
            assert "charter" in (await read(hers, *events)).text
        for method, path, body in (
            events,
            ("GET", f"/threads/{thread}/stream", None),
            ("GET", f"/threads/{thread}/runs/{run}/stream", None),
            ("GET", f"/threads/{thread}/runs/{run}/join", None),
        ):
            heard = (await read(bob, method, path, body)).text
            assert not heard or "Thread not found" in heard, path
        address = f"{locked.url.replace('http', 'ws')}/threads/{thread}/stream/events"
        with pytest.raises(WebSocketException, match="403"):
            async with connect(address, additional_headers={"x-api-key": "wrong"}):
                pass
        asking = {"id": 1, "method": "subscription.subscribe", "params": {"channels": modes}}
        async with (
            connect(address, additional_headers={"x-api-key": locked.bob}) as socket,
            asyncio.timeout(10),
        ):
            with contextlib.suppress(WebSocketException):  # hung up on, perhaps before it has asked
                await socket.send(json.dumps(asking))
                async for message in socket:
                    assert "charter" not in str(message)
        await alice.runs.cancel(thread, run, wait=True)


async def test_an_owner_cannot_be_made_up(either: Locked, bob_at_either: httpx.AsyncClient) -> None:
    """Whatever metadata a request brings, what it makes belongs to who made it and is nobody else's."""
    made = [
        (await bob_at_either.post("/threads", json={"metadata": {"owner": "alice"}})).json(),
        (
            await bob_at_either.post(
                "/assistants",
                json={"graph_id": "agent", "context": {"max_steps": 3}, "metadata": {"owner": "alice"}},
            )
        ).json(),
        (
            await bob_at_either.post(
                "/assistants",
                json={"graph_id": "agent", "metadata": {"created_by": "system", "shared": True}},
            )
        ).json(),
    ]
    assert [one["metadata"]["owner"] for one in made] == ["bob"] * 3
    assert not made[2]["metadata"].get("shared")
    assert made[2]["metadata"].get("created_by") != "system"
    for one in made[1:]:
        await bob_at_either.delete(f"/assistants/{one['assistant_id']}")
    thread = str(uuid.uuid4())
    run = {
        "assistant_id": "agent",
        "input": {"task": "How far apart are the charters?"},
        "if_not_exists": "create",
        "metadata": {"owner": "alice"},
        "config": {"metadata": {"owner": "alice"}},
    }
    assert (await bob_at_either.post(f"/threads/{thread}/runs/wait", json=run)).status_code == 200
    assert (await bob_at_either.get(f"/threads/{thread}")).json()["metadata"]["owner"] == "bob"


@pytest.mark.xdist_group("gateway")
async def test_state_is_not_written_by_hand(bob: httpx.AsyncClient) -> None:
    """A plan or evidence that no run made, one's own thread included, does not get into the state."""
    thread = (await bob.post("/threads", json={})).json()["thread_id"]
    forged = {"values": {"task": "x"}, "as_node": "intake"}
    assert (await bob.post(f"/threads/{thread}/state", json=forged)).status_code == 403
    command = {"assistant_id": "agent", "command": {"update": {"task": "x"}, "goto": "worker"}}
    reply = await bob.post(f"/threads/{thread}/runs/wait", json=command)
    assert reply.status_code == 422
    assert "only resume" in reply.json()["detail"]
    supersteps = [{"updates": [{"values": {"task": "x"}, "as_node": "intake"}]}]
    assert "written by runs only" in (await bob.post("/threads", json={"supersteps": supersteps})).text


@pytest.mark.xdist_group("gateway")
async def test_the_store_has_walls(bob: httpx.AsyncClient) -> None:
    """A user's own namespace works; another's, and a look at all of them, does not."""
    mine = {"namespace": ["bob", "notes"], "key": "one", "value": {"text": "mine"}}
    assert (await bob.put("/store/items", json=mine)).status_code == 204
    assert (await bob.get("/store/items", params={"namespace": "bob.notes", "key": "one"})).json()["value"]
    for request in (
        bob.put("/store/items", json={**mine, "namespace": ["alice"]}),
        bob.get("/store/items", params={"namespace": "alice", "key": "one"}),
        bob.post("/store/items/search", json={"namespace_prefix": ["alice"]}),
        bob.post("/store/items/search", json={"namespace_prefix": []}),
        bob.post("/store/namespaces", json={}),
    ):
        assert (await request).status_code == 403


IMPOSSIBLE: list[tuple[str, Any, set[int], str]] = [
    ("an unknown model", {"context": {"model": "openai:dearest"}}, {422}, "offers: openai:other-model"),
    ("a base URL", {"context": {"base_url": "http://evil.example"}}, {422}, "no knob 'base_url'"),
    ("a key", {"config": {"configurable": {"openai_api_key": "sk-x"}}}, {422}, "no knob 'openai_api_key'"),
    ("a path", {"context": {"knowledge": "/etc"}}, {422}, "no knob 'knowledge'"),
    ("a path in the input", {"input": {"path": "/etc/passwd"}}, {422}, "not 'path'"),
    ("a knob out of range", {"context": {"max_steps": 0}}, {422}, "max_steps"),
    ("a knob of another type", {"context": {"eager": {"a": 1}}}, {422}, "eager"),
    ("a webhook", {"webhook": "https://evil.example/x"}, {422}, "ebhook"),
    ("an input that is no object", {"input": "hello"}, {422}, "input"),
    ("a task that is no text", {"input": {"task": 5}}, {422}, "task"),
    ("messages that are no messages", {"input": {"messages": [5]}}, {422}, "message"),
    ("content of no type", {"input": {"messages": [{"role": "user", "content": 5}]}}, {422}, "content"),
    ("an unknown assistant", {"assistant_id": "nobody"}, {404, 422}, "ssistant"),
    ("no assistant", {"assistant_id": None}, {422}, "assistant_id"),
    ("a huge body", {"input": {"task": "x" * 200_000}}, {413}, "larger than"),
]


@pytest.mark.parametrize(
    ("what", "change", "statuses", "told"), IMPOSSIBLE, ids=[case[0] for case in IMPOSSIBLE]
)
async def test_the_impossible_is_refused_with_a_sentence(
    bob_at_either: httpx.AsyncClient, what: str, change: dict[str, Any], statuses: set[int], told: str
) -> None:
    """What a request may not bring gets a 4xx that names it, and nothing is started or changed."""
    del what
    thread = (await bob_at_either.post("/threads", json={})).json()
    run = {"assistant_id": "agent", "input": {"task": "x"}} | change
    path = f"/threads/{thread['thread_id']}"
    reply = await bob_at_either.post(f"{path}/runs/wait", json=run)
    assert reply.status_code in statuses, reply.text
    assert told in reply.text
    assert (await bob_at_either.get(f"{path}/runs")).json() == []
    assert (await bob_at_either.get(path)).json() == thread


@pytest.mark.parametrize(
    "body", ['{"a":' * 5000 + "1" + "}" * 5000, "[" * 90_000, '{"input": {', '"' + '\\"' * 40_000]
)
async def test_deep_and_broken_json(bob_at_either: httpx.AsyncClient, body: str) -> None:
    """Nesting without end and JSON that breaks off get a 4xx, quickly."""
    reply = await bob_at_either.post(
        "/runs/wait", content=body, headers={"content-type": "application/json"}, timeout=5
    )
    assert 400 <= reply.status_code < 500
    assert reply.json()["detail"]


@pytest.mark.xdist_group("gateway")
async def test_runs_at_the_same_time_are_bounded(locked: Locked, bob: httpx.AsyncClient) -> None:
    """The ninth run of a user at a time gets 429 with a sentence; another user is not held up, and an end frees."""
    waiting = {"assistant_id": "agent", "input": {"task": "x"}, "after_seconds": 600}
    runs = []
    for _ in range(8):
        thread = (await bob.post("/threads", json={})).json()["thread_id"]
        runs.append((await bob.post(f"/threads/{thread}/runs", json=waiting)).json())
    refused = await bob.post("/runs/wait", json=waiting)
    assert refused.status_code == 429
    assert "8 is the most" in refused.json()["detail"]
    async with signed_in(locked, locked.alice) as alice:
        assert (await alice.runs.wait(None, "agent", input=QUESTION))["answer"]
    for run in runs:
        await bob.post(f"/threads/{run['thread_id']}/runs/{run['run_id']}/cancel", params={"wait": "true"})
        await bob.delete(f"/threads/{run['thread_id']}")


async def test_a_run_may_choose_an_offered_model(either: Locked) -> None:
    """The operator's list is what a run may choose from, and the choice outlives the pause for approval."""
    async with signed_in(either, either.alice) as alice:
        thread = (await alice.threads.create())["thread_id"]
        knobs = {"model": "openai:other-model", "approval": "always"}
        await alice.runs.wait(thread, "agent", input=QUESTION, context=knobs)
        values = await alice.runs.wait(thread, "agent", command={"resume": {"decision": "approve"}})
        assert values["answer"]["author"] == values["plan"]["author"] == "openai:other-model"
        usual = await alice.runs.wait(thread, "agent", input=QUESTION)
        assert usual["answer"]["author"] == "openai:test-model"


async def test_ingest_reads_allowed_folders_only(either: Locked, bob_at_either: httpx.AsyncClient) -> None:
    """The graph takes the name of a folder the operator allowed, fills the user's own collection, and reports."""
    run = {"assistant_id": "ingest", "input": {"folder": "handbook"}}
    report = (await bob_at_either.post("/runs/wait", json=run)).json()["report"]
    assert report["counts"] == {"unchanged": 2, "skipped": 1}
    assert report["collection"] == collection_of("bob", "default")
    assert report["skipped"] == [{"document": "empty.txt", "reason": "empty"}]
    async with signed_in(either, either.alice) as alice:
        hers = (await alice.runs.wait(None, "ingest", input={"folder": "handbook"}))["report"]
    assert hers["collection"] == collection_of("alice", "default")
    for name in ("/etc", "../..", "", "handbook/.."):
        refused = (await bob_at_either.post("/runs/wait", json={**run, "input": {"folder": name}})).json()
        assert "These may: handbook, private." in refused["__error__"]["message"]


async def test_each_searches_their_own_documents(either: Locked, bob_at_either: httpx.AsyncClient) -> None:
    """What Alice had ingested Alice finds, at once; Bob's plan, word for word the same, finds nothing of it."""
    asked = {"task": "vault"}
    async with signed_in(either, either.alice) as alice:
        await alice.runs.wait(None, "ingest", input={"folder": "private"})
        hers = await alice.runs.wait(None, "agent", input=asked)
    for knobs in ({}, {"context": {"collection": collection_of("alice", "default")}}):
        reply = await bob_at_either.post(
            "/runs/wait", json={"assistant_id": "agent", "input": asked, **knobs}
        )
        assert "7319" not in reply.text
    assert "7319" in json.dumps(hers["evidence"]["E1"])
    (evidence,) = (
        (await bob_at_either.post("/runs/wait", json={"assistant_id": "agent", "input": asked}))
        .json()["evidence"]
        .values()
    )
    assert evidence["status"] == "ok"


async def test_shared_assistants_stay_as_they_are(bob_at_either: httpx.AsyncClient) -> None:
    """Everybody may use the server's assistants, and no user may change one."""
    found = {one["name"]: one for one in (await bob_at_either.post("/assistants/search", json={})).json()}
    assert {"agent", "ingest", "fast", "careful", "approve everything"} <= set(found)
    fast = f"/assistants/{found['fast']['assistant_id']}"
    assert (await bob_at_either.patch(fast, json={"context": {"approval": "never"}})).status_code == 404
    assert (await bob_at_either.delete(fast)).status_code == 404
    assert (await bob_at_either.get(fast)).json()["context"]["max_replans"] == 0


async def test_readiness_tells_versions_to_users_only(
    either: Locked, bob_at_either: httpx.AsyncClient
) -> None:
    """A load balancer learns whether model and documents answer; what runs here in which version is for users."""
    mine = (await bob_at_either.get("/ready")).json()
    assert mine["versions"]["agent-graph"]
    assert {"model", "documents"} <= set(mine["checks"])
    assert all(check["ok"] for check in mine["checks"].values())
    async with httpx.AsyncClient(base_url=either.url) as client:
        assert (await client.get("/ready")).json() == {key: mine[key] for key in ("ok", "checks")}
