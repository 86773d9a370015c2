"""What users have used is counted: in a file, or in a PostgreSQL over several servers."""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent_graph.errors import SettingsError
from agent_graph.gateway.ledger import FileLedger, Ledger, LedgerLost, ledger_from
from agent_graph.gateway.ledger_postgres import PostgresLedger
from agent_graph.settings import Settings

SERVER = os.environ.get("AGENT_GRAPH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
DAY = "9999-01-01"


@pytest.fixture
def database() -> Iterator[str]:
    """The address of an empty database that is removed after the test."""
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers: start one with `pg_ctlcluster 15 main start`")
    name = f"agent_graph_{uuid.uuid4().hex[:12]}"
    with server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield psycopg.conninfo.make_conninfo(SERVER, dbname=name)
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def opened(database: str) -> Iterator[Any]:
    """Return a function that opens the ledger in the database; all are closed at the end."""
    ledgers: list[PostgresLedger] = []

    def open_one() -> PostgresLedger:
        ledgers.append(PostgresLedger(database))
        return ledgers[-1]

    yield open_one
    for ledger in ledgers:
        ledger.close()


def check(one: Ledger, other: Ledger) -> None:
    """Two that keep it in the same place add up, and tell users and days apart."""
    one.add("alice", steps=1, tokens=50, day=DAY)
    other.add("alice", steps=1, tokens=2**40, day=DAY)
    assert one.spent("alice", day=DAY) == other.spent("alice", day=DAY) == (2, 50 + 2**40)
    assert one.spent("alice", day="9999-01-02") == one.spent('bob"; --', day=DAY) == (0, 0)


def test_a_file_outlives_the_server(tmp_path: Path) -> None:
    """What is counted in the file stays after it is opened again; one that is damaged stops the start."""
    path = tmp_path / "deep" / "usage.sqlite"
    check(FileLedger(path), FileLedger(path))
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(SettingsError, match="cannot be used"):
        FileLedger(path)


def test_servers_count_together(opened: Any) -> None:
    """What one server counts in PostgreSQL the other knows at once."""
    check(opened(), opened())


def test_nothing_is_lost_when_all_count_at_once(opened: Any) -> None:
    """Servers that start at the same moment make one table, and of what they then count together nothing is lost."""
    with ThreadPoolExecutor(8) as at_once:
        ledgers = list(at_once.map(lambda _: opened(), range(4)))
        counted = [at_once.submit(one.add, "alice", steps=1, tokens=3, day=DAY) for one in ledgers * 50]
        for one in counted:
            one.result()
    assert ledgers[0].spent("alice", day=DAY) == (200, 600)


def test_old_days_are_forgotten(opened: Any) -> None:
    """A day of last year is gone after the next start."""
    opened().add("alice", steps=1, day="2001-01-01")
    assert opened().spent("alice", day="2001-01-01") == (0, 0)


def test_a_setting_chooses(database: str, tmp_path: Path) -> None:
    """AGENT_GRAPH_LEDGER names the PostgreSQL; without it the file below the home is used."""
    assert isinstance(ledger_from(Settings(home=tmp_path)), FileLedger)
    assert (tmp_path / "server" / "usage.sqlite").exists()
    settings = Settings(home=tmp_path / "unused", ledger=database)
    ledger = ledger_from(settings)
    assert isinstance(ledger, PostgresLedger)
    ledger.close()
    assert not settings.home.exists()
    assert database not in repr(settings)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://someone:hidden@127.0.0.1:1/none", "127.0.0.1:1/none"),
        ("postgresql://someone:hid@den@127.0.0.1/none", "special characters"),
    ],
)
def test_one_that_cannot_be_reached_stops_the_start(url: str, told: str) -> None:
    """Without a ledger nobody could be held to a limit; the sentence names the place and not the password."""
    with pytest.raises(SettingsError) as caught:
        ledger_from(Settings(ledger=url))
    assert told in str(caught.value)
    assert "hid" not in str(caught.value)


def test_one_that_is_lost_counts_nothing_in_silence(database: str, opened: Any) -> None:
    """When the database goes away under a server, asking says so; what it answers is never nought."""
    ledger = opened()
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(
            f'DROP DATABASE "{psycopg.conninfo.conninfo_to_dict(database)["dbname"]}" WITH (FORCE)'
        )
    with pytest.raises(LedgerLost):
        ledger.spent("alice", day=DAY)
