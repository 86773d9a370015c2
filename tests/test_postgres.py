"""PostgreSQL as the checkpointer: over AsyncPostgresSaver and PostgresSaver, pools and single connections."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crash_story import kill_runs, read
from langchain_core.tools import tool
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from two_processes import ONE, Doorway, agent_over, check_no_turn_is_lost, check_second_run_is_refused

from agent_graph import Context, build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.errors import MissingExtra, SettingsError, ThreadBusy
from agent_graph.testing import ScriptedModel

SERVER = os.environ.get("AGENT_GRAPH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
KWARGS: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


@pytest.fixture(scope="module")
def server() -> Iterator["psycopg.Connection[Any]"]:
    """A connection that may make databases."""
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        pytest.skip(
            "no PostgreSQL answers: start one with `pg_ctlcluster 15 main start`, or set AGENT_GRAPH_TEST_POSTGRES "
            f"to the address of one where databases may be made ({' '.join(str(error).split())})"
        )
    with connection:
        yield connection


@pytest.fixture
def database(server: "psycopg.Connection[Any]") -> Iterator[str]:
    """The address of an empty database that is removed after the test."""
    name = f"agent_graph_{uuid.uuid4().hex[:12]}"
    server.execute(f'CREATE DATABASE "{name}"')
    known = conninfo_to_dict(SERVER)
    host = {key: known[key] for key in ("user", "password", "host", "port") if known.get(key)}
    place = "&".join(f"{key}={value}" for key, value in host.items())
    yield f"postgresql:///{name}?{place}"
    server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def _pool(url: str) -> AsyncIterator[Any]:
    async with AsyncConnectionPool(url, kwargs=KWARGS, min_size=1, max_size=2, open=False) as pool:
        yield AsyncPostgresSaver(pool)


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Any]:
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        yield saver


@asynccontextmanager
async def _pipeline(url: str) -> AsyncIterator[Any]:
    async with AsyncPostgresSaver.from_conn_string(url, pipeline=True) as saver:
        yield saver


@asynccontextmanager
async def _sync_pool(url: str) -> AsyncIterator[Any]:
    with ConnectionPool(url, kwargs=KWARGS, min_size=1, max_size=2, open=True) as pool:
        yield PostgresSaver(pool)


@asynccontextmanager
async def _sync_connection(url: str) -> AsyncIterator[Any]:
    with PostgresSaver.from_conn_string(url) as saver:
        yield saver


Opener = Callable[[str], AbstractAsyncContextManager[Any]]
every_saver = pytest.mark.parametrize(
    "opener", [open_checkpointer, _pool, _connection, _pipeline, _sync_pool, _sync_connection]
)


def _sender(saver: Any, *replies: str) -> Any:
    @tool
    def look(name: str) -> dict[str, Any]:
        """Look up a person."""
        return {"name": name, "tags": ["a", 1, 2.5, None]}

    @tool
    def send(to: str, text: str) -> str:
        """Send a message."""
        return f"sent {text} to {to}"

    effects: Any = {"look": "reads", "send": "writes"}
    return build_agent(
        models=ScriptedModel([*replies]), tools=[look, send], effects=effects, checkpointer=saver
    )


@every_saver
async def test_a_run_pauses_resumes_and_goes_on(database: str, opener: Opener) -> None:
    """Over every kind of saver a run waits for approval, resumes through another saver, and is followed up."""
    async with open_checkpointer(database):
        pass
    plan = '#E1 = look(name="Ann")\n#E2 = send(to="Ann", text="#E1.tags[2]")'
    context = Context(max_replans=0)
    async with opener(database) as saver:
        paused = await _sender(saver, plan).ainvoke({"task": "Write to Ann"}, ONE, context=context)
    assert "__interrupt__" in paused
    async with opener(database) as saver:
        resumed = await _sender(saver, "Sent [E2].").ainvoke(Command(resume="approve"), ONE)
        kept = (await _sender(saver).aget_state(ONE)).values
    assert resumed["answer"].text == "Sent [E2]."
    assert {key: type(value).__name__ for key, value in kept["evidence"].items()} == {
        "E1": "Evidence",
        "E2": "Evidence",
    }
    assert (type(kept["plan"]).__name__, kept["context"]) == ("Plan", context)
    assert kept["evidence"]["E1"].value == {"name": "Ann", "tags": ["a", 1, 2.5, None]}
    assert kept["evidence"]["E2"].value == "sent 2.5 to Ann"
    async with opener(database) as saver:
        followed = await _sender(saver, "Plan: nothing.", "Yes.").ainvoke({"task": "Did you?"}, ONE)
    assert [str(one.content) for one in followed["messages"]][-2:] == ["Did you?", "Yes."]
    assert len(followed["messages"]) == 4


@every_saver
async def test_any_text_is_stored(database: str, opener: Opener) -> None:
    """Characters that PostgreSQL refuses in JSON do not end a run: they are kept as the replacement character."""
    async with open_checkpointer(database):
        pass
    async with opener(database) as saver:
        agent = agent_over(saver)
        result = await agent.ainvoke({"task": "a\0b \ud83d c \ud83d\ude00"}, ONE)
        assert result["answer"].text == "Done."
        assert (await agent.aget_state(ONE)).values["task"] == "a\ufffdb \ufffd c \U0001f600"


IN_ANOTHER_PROCESS = """
import asyncio, sys
from langgraph.types import Command
from test_postgres import ONE, _sender, open_checkpointer

async def main():
    async with open_checkpointer(sys.argv[1]) as saver:
        result = await _sender(saver, "Sent [E2].").ainvoke(Command(resume="approve"), ONE)
        print(result["answer"].text, [type(one).__name__ for one in result["evidence"].values()])

asyncio.run(main())
"""


async def test_another_process_resumes(database: str) -> None:
    """A run that waits for approval is resumed by another process, under the strict deserialiser."""
    async with open_checkpointer(database) as saver:
        plan = '#E1 = look(name="Ann")\n#E2 = send(to="Ann", text="#E1.name")'
        await _sender(saver, plan).ainvoke({"task": "Write to Ann"}, ONE)
    here = Path(__file__).parent
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", IN_ANOTHER_PROCESS, database],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(here.parent), str(here)]),
            "LANGGRAPH_STRICT_MSGPACK": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("Sent [E2]. ['Evidence', 'Evidence']\n", "")


async def test_tables_are_made_once(database: str) -> None:
    """Eight that open an empty database at the same moment all get a checkpointer; LangGraph's setup collides."""

    async def open_and_ask() -> str:
        async with open_checkpointer(database) as saver:
            thread: Any = {"configurable": {"thread_id": uuid.uuid4().hex}}
            result = await agent_over(saver).ainvoke({"task": "hello"}, thread)
            return str(result["answer"].text)

    assert await asyncio.gather(*(open_and_ask() for _ in range(8))) == ["Done."] * 8


@pytest.mark.parametrize("opener", [open_checkpointer, _pipeline, _sync_pool])
async def test_a_second_process_is_refused(database: str, opener: Opener) -> None:
    """A lock of the server keeps a second process off the thread, and goes with the first one's session."""
    async with open_checkpointer(database):
        pass
    async with opener(database) as saver:
        await check_second_run_is_refused(database, saver)


async def test_two_processes_lose_no_turn(database: str) -> None:
    """Two processes that write to one thread as fast as they can leave every turn of both in it."""
    async with open_checkpointer(database) as saver:
        await check_no_turn_is_lost(database, saver)


@pytest.mark.parametrize("opener", [_pool, _sync_pool])
async def test_more_runs_than_connections(database: str, opener: Opener) -> None:
    """Locks take one connection of the pool, however many runs go on, and give it back after the last."""
    async with open_checkpointer(database):
        pass
    async with opener(database) as saver:
        agent = agent_over(saver)
        runs = (
            agent.ainvoke({"task": "hello"}, {"configurable": {"thread_id": str(number)}})
            for number in range(12)
        )
        assert [one["answer"].text for one in await asyncio.gather(*runs)] == ["Done."] * 12
        stats = saver.conn.get_stats()
        assert stats["pool_available"] == stats["pool_size"]


async def test_a_pool_of_one_connection_is_refused(database: str) -> None:
    """A pool that could not serve locks and checkpoints at once is named, instead of a run that hangs."""
    async with open_checkpointer(database):
        pass
    async with AsyncConnectionPool(database, kwargs=KWARGS, min_size=1, max_size=1, open=False) as pool:
        with pytest.raises(SettingsError, match="max_size=2"):
            await agent_over(AsyncPostgresSaver(pool)).ainvoke({"task": "hello"}, ONE)


def _drop_connections(server: "psycopg.Connection[Any]", database: str) -> None:
    name = conninfo_to_dict(database)["dbname"]
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def _drop_locks(server: "psycopg.Connection[Any]", database: str) -> None:
    name = conninfo_to_dict(database)["dbname"]
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid IN ({held})",
        (name,),
    )


async def test_dropped_connections_do_not_hurt_the_next_run(
    database: str, server: "psycopg.Connection[Any]"
) -> None:
    """When the server drops every connection between two runs, the second finds new ones."""
    async with open_checkpointer(database) as saver:
        agent = agent_over(saver)
        await agent.ainvoke({"task": "first"}, ONE)
        _drop_connections(server, database)
        assert len((await agent.ainvoke({"task": "second"}, ONE))["messages"]) == 4


async def test_a_lock_that_was_lost_is_logged(
    database: str, server: "psycopg.Connection[Any]", caplog: pytest.LogCaptureFixture
) -> None:
    """A run whose lock's connection was dropped ends well, and the log says that its lock was lost."""
    doorway = Doorway()
    async with open_checkpointer(database) as saver:
        run = asyncio.create_task(doorway.agent(saver).ainvoke({"task": "stay"}, ONE))
        await doorway.entered.wait()
        _drop_locks(server, database)
        doorway.let_go.set()
        assert (await run)["answer"].text == "Done [E1]."
        assert "lost its lock" in caplog.text
        assert (await agent_over(saver).ainvoke({"task": "again"}, ONE))["answer"].text == "Done."


async def test_the_same_thread_in_two_schemas(database: str) -> None:
    """Two applications that share a database but not its tables do not share threads."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mine")
        connection.execute("CREATE SCHEMA yours")
    doorway = Doorway()
    mine, yours = (f"{database}&options=-csearch_path%3D{schema}" for schema in ("mine", "yours"))
    async with open_checkpointer(mine) as saver, open_checkpointer(yours) as other:
        run = asyncio.create_task(doorway.agent(saver).ainvoke({"task": "stay"}, ONE))
        await doorway.entered.wait()
        assert (await agent_over(other).ainvoke({"task": "me too"}, ONE))["answer"].text == "Done."
        async with open_checkpointer(mine) as same:
            with pytest.raises(ThreadBusy):
                await agent_over(same).ainvoke({"task": "me too"}, ONE)
        doorway.let_go.set()
        await run


async def test_a_server_that_does_not_answer_is_named() -> None:
    """Where nothing listens, the error says where, and what to do; the password is not in it."""
    with pytest.raises(
        SettingsError, match=r"127\.0\.0\.1:1/db cannot be reached .* Start the server"
    ) as error:
        async with open_checkpointer("postgresql://me:secret@127.0.0.1:1/db"):
            pass
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@host/db?such=option", "postgresql://me:se@cret@host/db"]
)
async def test_an_address_that_cannot_be_read_keeps_its_password(url: str) -> None:
    """An address that is no address is explained without being repeated."""
    with pytest.raises(SettingsError, match="cannot be read") as error:
        async with open_checkpointer(url):
            pass
    assert "cret" not in str(error.value)


async def test_a_database_without_rights_is_named(database: str, server: "psycopg.Connection[Any]") -> None:
    """A user who may not make tables is told so, in words of what is missing."""
    role = f"agent_graph_{uuid.uuid4().hex[:12]}"
    server.execute(f'CREATE ROLE "{role}" LOGIN')
    try:
        url = make_conninfo(database, user=role)
        known = conninfo_to_dict(url)
        place = "&".join(f"{key}={value}" for key, value in known.items() if key != "dbname")
        with pytest.raises(SettingsError, match="right to create tables"):
            async with open_checkpointer(f"postgresql:///{known['dbname']}?{place}"):
                pass
    finally:
        server.execute(f'DROP ROLE "{role}"')


async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error says which extra to install."""
    monkeypatch.setitem(sys.modules, "langgraph.checkpoint.postgres.aio", None)
    with pytest.raises(MissingExtra, match=r"agent-graph\[postgres\]"):
        async with open_checkpointer("postgresql://127.0.0.1/db"):
            pass


@pytest.mark.parametrize(
    "options",
    [("--kills", "10"), ("--kills", "10", "--eager"), ("--kills", "6", "--eager", "--strike", "acted")],
    ids=["after_the_plan", "eager", "after_it_acted"],
)
async def test_killed_runs_go_on(database: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Killed at any moment, a run goes on: what the server has is not repeated, and a write never is."""
    async with open_checkpointer(database):
        pass
    read(kill_runs(database, tmp_path / "logs", *options))
