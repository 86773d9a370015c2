"""A worker: takes questions and ingests from the queues, and takes up the work of workers that died."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from agent_graph.background.answering import answer
from agent_graph.background.assignment import Assignment, Ending, IngestOrder
from agent_graph.background.desk import Desk, Tools
from agent_graph.background.ingesting import Ingest, Tell
from agent_graph.background.place import (
    APPLICATION,
    CONNECTIONS,
    INGESTS,
    QUESTIONS,
    SCHEMA,
    VERSION,
    Place,
    open_client,
    place_of,
    quiet,
)
from agent_graph.background.presence import LOOK_S, Presence, PresenceLost, present
from agent_graph.background.workflows import Expected, register
from agent_graph.checkpoint import open_checkpointer
from agent_graph.settings import Settings

POLL_S = 0.2
"""Seconds between two looks into a queue."""
_SCHEDULES_S = 5.0
"""Seconds between two looks at the schedules."""

_LOG = logging.getLogger(__name__)


class Worker:
    """One process that works; at most one in a process, because DBOS is one."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self.running: set[asyncio.Task[Any]] = set()
        """Questions and ingests under way."""
        self.lost = asyncio.Event()
        """Set when the database was lost in the middle of a run."""
        self._desk, self._settings = desk, settings
        self._stopping = False

    async def answer(self, thread: str, assignment: Assignment) -> Ending:
        """Answer a question; while the worker stops, none is begun."""
        from psycopg import Error

        async with self._under_way():
            try:
                return await answer(self._desk, thread, assignment)
            except Error as error:
                # Nothing is known about the question: it is left as it is, for whoever takes it up.
                _LOG.error("The database was lost: %s", type(error).__name__)
                self.lost.set()
                await asyncio.Event().wait()
                raise

    async def ingest(self, order: IngestOrder, tell: Tell) -> dict[str, Any]:
        """Ingest; while the worker stops, nothing is begun."""
        async with self._under_way():
            return await Ingest(self._settings, order).run(tell)

    @asynccontextmanager
    async def _under_way(self) -> AsyncIterator[None]:
        if self._stopping:
            await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            yield
        finally:
            self.running.discard(task)

    async def drain(self, seconds: float, looking: "asyncio.Future[Any]") -> None:
        """Begin nothing more, let what is under way end, and cut off what does not; another worker takes it up."""
        self._stopping = True
        if self.running:
            ended = asyncio.ensure_future(asyncio.wait(self.running))
            await asyncio.wait({ended, looking}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
        for task in self.running:
            task.cancel()
        if self.running:
            await asyncio.wait(self.running)


@asynccontextmanager
async def working(
    settings: Settings, *, concurrency: int, tools: Tools | None = None, drain: float = 20.0
) -> AsyncIterator[tuple[Worker, "asyncio.Future[Any]"]]:
    """Work, and yield the worker with a future that ends, by an error, only when it cannot go on.

    After the event loop has ended, `leave` lets go of what DBOS still holds. Raises SettingsError and MissingExtra.
    """
    place = place_of(settings)
    assert settings.jobs is not None
    name = f"worker-{uuid.uuid4().hex}"
    await asyncio.to_thread(_prepare, place, concurrency)
    async with AsyncExitStack() as stack:
        saver = await stack.enter_async_context(open_checkpointer(settings.jobs.get_secret_value()))
        desk = Desk(settings, saver, tools)
        await asyncio.to_thread(desk.check)
        stack.push_async_callback(desk.close)
        # Before the first question is taken: from here on our death is seen.
        presence = await stack.enter_async_context(present(place, name))
        worker = Worker(desk, settings)
        register(worker)
        _launch(place, name)
        looking = asyncio.ensure_future(_look(presence, worker))
        try:
            yield worker, looking
        finally:
            await worker.drain(drain, looking)
            looking.cancel()


def leave() -> None:
    """Let go of what DBOS still holds in this process."""
    from dbos import DBOS

    DBOS.destroy()


def _prepare(place: Place, concurrency: int) -> None:
    """Make the tables and the queues; DBOS takes from a queue as soon as it is launched."""
    with open_client(place) as (client, _):
        client.register_queue(QUESTIONS, worker_concurrency=concurrency, polling_interval_sec=POLL_S)
        # One ingest at a time: a folder has one writer.
        client.register_queue(INGESTS, global_concurrency=1)


def _launch(place: Place, name: str) -> None:
    from dbos import DBOS, DBOSPortableJSONSerializer

    quiet()
    logging.getLogger("dbos").addFilter(Expected())
    DBOS(
        config={
            "name": APPLICATION,
            "system_database_url": place.url,
            "dbos_system_schema": SCHEMA,
            "application_version": VERSION,
            "executor_id": name,
            # Rows that anything can read; the default is pickle.
            "serializer": DBOSPortableJSONSerializer(),
            "sys_db_pool_size": CONNECTIONS,
            "use_listen_notify": False,
            "scheduler_polling_interval_sec": _SCHEDULES_S,
            "log_level": "WARNING",
        }
    )
    DBOS.launch()  # here, and not in a thread: workflows run on the loop that it finds


async def _look(presence: Presence, worker: Worker) -> None:
    """Watch our own session and take up the work of the dead; ends by an error only."""
    looks = [
        asyncio.ensure_future(one) for one in (presence.watch(), _take_up(presence), _until_lost(worker))
    ]
    try:
        ended, _ = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        for one in ended:
            one.result()
    finally:
        for one in looks:
            one.cancel()


async def _until_lost(worker: Worker) -> None:
    await worker.lost.wait()
    raise PresenceLost(
        "The database was lost in the middle of a run. Others take it up; start the worker again."
    )


async def _take_up(presence: Presence) -> None:
    from dbos import DBOS

    while True:
        await asyncio.sleep(LOOK_S)
        pending = await DBOS.list_workflows_async(
            status="PENDING", app_version=VERSION, load_input=False, load_output=False
        )
        for worker in presence.others({one.executor_id for one in pending}):
            async with presence.instead_of(worker) as dead:
                if dead:
                    # What DBOS's own recovery service calls: it re-enqueues what is still this worker's, once.
                    taken = await asyncio.to_thread(DBOS._recover_pending_workflows, [worker])
                    _LOG.warning("Took up %d runs of a worker that died.", len(taken))
