"""A run on a server that may begin it twice outlives an outage of the PostgreSQL that keeps its checkpoints."""

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from stored import until_stored

from agent_graph import build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.gateway import outage
from agent_graph.gateway.redelivered import Redelivered, redelivered
from agent_graph.testing import ScriptedModel

SERVER = os.environ.get("AGENT_GRAPH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
PLAN = '#E1 = look(name="Ann")\n#E2 = act(name="#E1")\n'
CONTEXT: Any = {"approval": "never", "max_replans": 0, "eager": False}
RUN: Any = {"configurable": {"thread_id": "one", "run_id": "first"}}


class Database:
    """A database of its own, whose connections can be cut."""

    def __init__(self, server: "psycopg.Connection[Any]") -> None:
        self._server, self.name = server, f"agent_graph_{uuid.uuid4().hex[:12]}"
        server.execute(f'CREATE DATABASE "{self.name}"')
        self.address = make_conninfo(SERVER, dbname=self.name)
        known = conninfo_to_dict(SERVER)
        host = {key: known[key] for key in ("user", "password", "host", "port") if known.get(key)}
        place = "&".join(f"{key}={value}" for key, value in host.items())
        self.url = f"postgresql:///{self.name}?{place}"

    def go(self) -> None:
        """End every connection to it and take no new one, as a server that dies does."""
        self._server.execute(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS false')
        self._server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self.name,)
        )

    def come_back(self) -> None:
        """Take connections again."""
        self._server.execute(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS true')


class Back(logging.Handler):
    """Brings a database back when a run says that it waits for it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self.times = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.times += 1
        self._database.come_back()


@pytest.fixture
def database() -> Iterator[Database]:
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        pytest.skip(
            "no PostgreSQL answers: start one, or set AGENT_GRAPH_TEST_POSTGRES to the address of one"
        )
    with server:
        made = Database(server)
        yield made
        server.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)')


@pytest.fixture
async def saver(database: Database) -> AsyncIterator[AsyncPostgresSaver]:
    """A checkpointer over a pool as Aegra makes it: a connection that was cut is noticed when it is used."""
    async with open_checkpointer(database.url):
        pass  # makes the tables
    options = {"autocommit": True, "prepare_threshold": None, "row_factory": dict_row}
    # Short of patience: what does not come in the outage is asked for anew after it.
    patience = {"timeout": 0.5, "reconnect_timeout": 0.1}
    async with AsyncConnectionPool(database.address, kwargs=options, **patience, open=False) as pool:
        yield AsyncPostgresSaver(pool)  # type: ignore[arg-type]


def agent_with(
    saver: AsyncPostgresSaver, effects: str, during: Callable[[], Awaitable[None]]
) -> tuple[Redelivered, list[str]]:
    """Return an agent whose second tool is at work while something happens, and the list of its calls."""
    called: list[str] = []

    @tool
    async def look(name: str) -> str:
        """Look up a person."""
        called.append("look")
        return f"{name} Lee"

    @tool
    async def act(name: str) -> str:
        """Do something."""
        called.append("act")
        await during()
        return name

    look.metadata, act.metadata = {"effects": "reads"}, {"effects": effects}
    tools: list[BaseTool] = [look, act]
    model = ScriptedModel({"The plan that was run": "Ann Lee [E1].", "Question: ": PLAN})

    async def active(_: str) -> bool:
        return True

    agent = redelivered(build_agent(models=model, tools=tools), active)
    return agent.copy({"checkpointer": saver}), called


@pytest.fixture
def back(database: Database) -> Iterator[Back]:
    hears, log = Back(database), logging.getLogger("agent_graph.gateway.outage")
    log.addHandler(hears)
    yield hears
    log.removeHandler(hears)


@pytest.mark.parametrize("effects", ["reads", "writes"])
async def test_a_run_goes_on_when_its_database_is_back(
    database: Database, saver: AsyncPostgresSaver, back: Back, effects: str
) -> None:
    """Cut off from its database at work, a run ends all the same: a read is repeated, a write is told as unknown."""
    once = iter([database.go])

    async def strike() -> None:
        for go in once:
            await until_stored(database.url, RUN, "E1")
            await asyncio.to_thread(go)

    agent, called = agent_with(saver, effects, strike)
    values = await agent.ainvoke({"task": "Find Ann"}, RUN, context=CONTEXT)
    assert values["answer"].text == "Ann Lee [E1]."
    assert back.times >= 1
    if effects == "reads":
        assert called == ["look", "act", "act"]
        assert values["evidence"]["E2"].value == "Ann Lee"
    else:
        assert called == ["look", "act"]
        assert values["evidence"]["E2"].failure == "interrupted"


async def test_a_database_that_goes_again_and_again_ends_the_run(
    database: Database, saver: AsyncPostgresSaver, back: Back, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience has an end: the run fails with what the database's client said."""
    monkeypatch.setattr(outage, "PATIENCE_S", 0.2)

    async def strike() -> None:
        await until_stored(database.url, RUN, "E1")
        await asyncio.to_thread(database.go)

    agent, called = agent_with(saver, "reads", strike)
    with pytest.raises(psycopg.OperationalError):
        await agent.ainvoke({"task": "Find Ann"}, RUN, context=CONTEXT)
    assert called.count("look") == 1
    assert back.times >= 1
