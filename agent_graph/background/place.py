"""Where jobs are kept: the tables of DBOS in a schema of their own, beside the checkpoints of the runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_graph.errors import MissingExtra, SettingsError
from agent_graph.postgres import read_address
from agent_graph.settings import Settings
from tools.faults import one_line

if TYPE_CHECKING:
    from dbos import DBOSClient
    from sqlalchemy import Engine

APPLICATION = "agent-graph"
SCHEMA = "agent_graph_jobs"
VERSION = "1"
"""Raised when the steps of a workflow change: a worker takes up what was begun under its own version only."""

QUESTIONS = "questions"
INGESTS = "ingests"
"""The two queues."""

CONNECTIONS = 10
"""Most connections of one worker to the queues."""


class Place(NamedTuple):
    """An address in the forms that are asked for."""

    conninfo: str
    """For psycopg."""
    url: str
    """For SQLAlchemy; with the password, never printed."""
    shown: str
    """For people."""


def place_of(settings: Settings) -> Place:
    """Return where the settings say that jobs are kept.

    Raises SettingsError when they do not say, or not legibly, and MissingExtra.
    """
    if settings.jobs is None:
        raise SettingsError(
            "Background work needs PostgreSQL. Set AGENT_GRAPH_JOBS to its address, like "
            "postgresql://user@host:5432/database."
        )
    try:
        import dbos  # noqa: F401
        import psycopg  # noqa: F401
        from sqlalchemy import URL
    except ImportError as error:
        raise MissingExtra("dbos", "background") from error
    from psycopg.conninfo import conninfo_to_dict

    conninfo, shown = read_address(settings.jobs.get_secret_value())
    known: dict[str, Any] = conninfo_to_dict(conninfo)
    if not known.get("dbname"):
        raise SettingsError("AGENT_GRAPH_JOBS names no database; end the address with /database.")
    url = URL.create(
        "postgresql+psycopg",
        database=known.pop("dbname"),
        query={name: str(value) for name, value in known.items()},
    )
    return Place(conninfo, url.render_as_string(hide_password=False), shown)


def make_tables(place: Place) -> None:
    """Make the tables of the queues, or bring them up to date.

    Raises SettingsError when the server does not answer or refuses.
    """
    import psycopg
    from dbos import DBOS
    from sqlalchemy.exc import SQLAlchemyError

    quiet()
    try:
        # DBOS would go on trying to reach a server that is not there.
        psycopg.connect(place.conninfo).close()
        DBOS.migrate(place.url, schema=SCHEMA)
    except psycopg.OperationalError as error:
        raise SettingsError(
            f"PostgreSQL at {place.shown} cannot be reached ({one_line(error)}). Start the server, or correct "
            "AGENT_GRAPH_JOBS."
        ) from error
    except SQLAlchemyError as error:
        raise SettingsError(
            f"The tables for jobs cannot be made in PostgreSQL at {place.shown} "
            f"({one_line(getattr(error, 'orig', None) or error)}). Give the user the right to create a schema there, "
            "or name another database."
        ) from error


@contextmanager
def open_client(place: Place) -> Iterator[tuple["DBOSClient", "Engine"]]:
    """Open what enqueues and looks, and the engine under it for transactions of one's own.

    Raises SettingsError when the server does not answer, or goes away meanwhile.
    """
    from dbos import DBOSClient, DBOSPortableJSONSerializer
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    make_tables(place)
    engine = create_engine(place.url, pool_pre_ping=True)
    try:
        client = DBOSClient(
            system_database_engine=engine,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )
        try:
            yield client, engine
        except OperationalError as error:
            raise SettingsError(
                f"PostgreSQL at {place.shown} went away ({one_line(error.orig or error)}). Try again."
            ) from error
        finally:
            client.destroy()
    finally:
        engine.dispose()


def quiet() -> None:
    """Have DBOS log where everything else does, not on a stream of its own."""
    import logging

    log = logging.getLogger("dbos")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
