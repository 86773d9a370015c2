"""The server of `served.locked_server` once more, by a real instance of Aegra over a database of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from served import REPLIES, Locked, environment, furnished, ingest, opened

from agent_graph.gateway.ledger_postgres import PostgresLedger
from agent_graph.testing import OpenAIServer
from benchmarks.serving.aegra import SERVER, database
from deploy.processes import AEGRA_PYTHON, INSTALL_AEGRA, aegra, free_port, redis

BY_AEGRA = (pytest.mark.xdist_group("locked_by_aegra"), pytest.mark.timeout(400))
"""Marks of the tests that use the one server for all of them."""


def need_aegra() -> None:
    """Skip the test where Aegra cannot run."""
    if not AEGRA_PYTHON.exists():
        pytest.skip(f"Aegra is not installed: {INSTALL_AEGRA}")
    try:
        psycopg.connect(SERVER, connect_timeout=5).close()
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers: start one with `pg_ctlcluster 15 main start`")


@contextmanager
def locked_aegra(home: Path) -> Iterator[Locked]:
    """Serve with keys."""
    users, settings = furnished(home)
    with (
        OpenAIServer(REPLIES, models=["test-model"]) as model,
        database() as place,
        redis(home, free_port()) as queue,
    ):
        env = environment(home, DATABASE_URL=place, REDIS_URL=queue, **settings)
        ingest(home, env)
        port = free_port()
        with aegra("aegra", port, folder=home, env={**env, "OPENAI_BASE_URL": model.base_url}):
            ledger = PostgresLedger(place)
            try:
                yield opened(f"http://127.0.0.1:{port}", users, ledger)
            finally:
                ledger.close()
