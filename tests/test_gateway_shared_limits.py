"""Limits over two instances of Aegra, each with a home of its own as on two machines, over one PostgreSQL."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import httpx
import pytest
from served import REPLIES, environment, furnished
from served_by_aegra import need_aegra

from agent_graph.testing import OpenAIServer
from benchmarks.serving.aegra import database
from deploy.processes import aegra, free_port, redis

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("two_by_aegra"), pytest.mark.timeout(400)]

MOST_RUNS = 3
ASKED = {"assistant_id": "agent", "input": {"task": "How far apart are the charters?"}}
WAITING = ASKED | {"input": {"task": "stall"}}


class Two(NamedTuple):
    """Two instances."""

    urls: tuple[str, ...]
    alice: str
    bob: str


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Serve by two instances that share PostgreSQL, Redis and the model, and no file."""
    need_aegra()
    homes = [tmp_path_factory.mktemp(name) for name in ("one", "other")]
    users, settings = furnished(homes[0])
    shutil.copy(homes[0] / "keys.json", homes[1])
    settings |= {"AGENT_GRAPH_MAX_RUNS": str(MOST_RUNS), "AGENT_GRAPH_MAX_TOKENS_A_DAY": "1000"}
    with ExitStack() as stack:
        shared = {
            "OPENAI_BASE_URL": stack.enter_context(OpenAIServer(REPLIES, models=["test-model"])).base_url,
            "DATABASE_URL": stack.enter_context(database()),
            "REDIS_URL": stack.enter_context(redis(homes[0], free_port())),
        }
        ports = [free_port() for _ in homes]
        for home, port in zip(homes, ports, strict=True):
            env = environment(home, **settings, **shared)
            stack.enter_context(aegra("aegra", port, folder=home, env=env))
        yield Two(tuple(f"http://127.0.0.1:{port}" for port in ports), users.alice, users.bob)


async def test_a_days_tokens_are_counted_over_both(two: Two) -> None:
    """What Bob used up at the one he has used up at the other, by every way in."""
    async with httpx.AsyncClient(headers={"x-api-key": two.bob}, timeout=60) as bob:
        first = await bob.post(f"{two.urls[0]}/runs/wait", json=ASKED)
        assert first.json()["answer"]["text"]
        refused = await bob.post(f"{two.urls[1]}/runs/wait", json=ASKED)
        chat = {"model": "agent", "messages": [{"role": "user", "content": "How far?"}]}
        by_chat = await bob.post(f"{two.urls[1]}/v1/chat/completions", json=chat)
    assert (refused.status_code, by_chat.status_code) == (429, 429)
    assert "of 1,000 tokens today" in refused.json()["detail"]
    assert "of 1,000 tokens today" in by_chat.json()["error"]["message"]


async def test_what_is_refused_is_not_counted(two: Two) -> None:
    """Requests that fail for another reason take no place, however many there are."""
    async with httpx.AsyncClient(headers={"x-api-key": two.alice}, timeout=60) as alice:
        thread = (await alice.post(f"{two.urls[0]}/threads", json={})).json()["thread_id"]
        runs = f"{two.urls[0]}/threads/{thread}/runs"
        for _ in range(MOST_RUNS + 1):
            for wrong in ({"assistant_id": "nobody"}, {"input": None, "command": {"resume": "x"}}):
                assert (await alice.post(runs, json=ASKED | wrong)).status_code in (400, 404)
        assert (await alice.post(runs, json=WAITING)).status_code == 200
        await alice.delete(f"{two.urls[0]}/threads/{thread}")


async def test_runs_at_once_are_counted_over_both(two: Two) -> None:
    """Of runs that Alice asks of both at the same moment as many start as she may have, and no more."""
    async with httpx.AsyncClient(headers={"x-api-key": two.alice}, timeout=60) as alice:
        threads = [
            (url, (await alice.post(f"{url}/threads", json={})).json()["thread_id"]) for url in two.urls * 4
        ]
        asked = [alice.post(f"{url}/threads/{thread}/runs", json=WAITING) for url, thread in threads]
        replies = await asyncio.gather(*asked)
        for url, thread in threads:
            await alice.delete(f"{url}/threads/{thread}")
    assert Counter(reply.status_code for reply in replies) == {200: MOST_RUNS, 429: len(threads) - MOST_RUNS}
    assert {reply.json()["detail"] for reply in replies if reply.status_code == 429} == {
        f"You have {MOST_RUNS} runs going on, and {MOST_RUNS} is the most at a time. Wait for one to end."
    }
