"""Jobs as a person sees them: put into the queues, looked at, cancelled, scheduled.

A job is all workflows that carry its name. What it stands at is counted from theirs, so there is nothing that could
disagree with them.
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from agent_graph.background.assignment import Assignment, Ending, IngestOrder, Kind
from agent_graph.background.place import INGESTS, QUESTIONS, open_client, place_of
from agent_graph.background.presence import COUNT, LOCKS
from agent_graph.background.questions import digest
from agent_graph.background.standing import ENDED, Job, ending_of, job_of, number_of, why_not
from agent_graph.background.workflows import INGEST, QUESTION, TICK
from agent_graph.checkpoint import open_checkpointer
from agent_graph.errors import UserError
from agent_graph.evals import EvalReport, Row
from agent_graph.settings import Settings

if TYPE_CHECKING:
    from dbos import DBOSClient, WorkflowStatus
    from sqlalchemy import Engine

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PAGE = 500


class Enqueued(NamedTuple):
    """What became of an enqueued file."""

    name: str
    new: int
    known: int
    """Lines that the job had already; they are not asked again."""


class Schedule(BaseModel):
    """An ingest that is repeated."""

    name: str
    cron: str
    timezone: str
    order: IngestOrder
    fired: str | None
    """When it last fired."""


class Jobs:
    """The queues, from the outside: no worker need be running."""

    def __init__(self, client: "DBOSClient", engine: "Engine") -> None:
        self._client, self._engine = client, engine

    def ask(self, name: str, assignments: Sequence[Assignment], *, kind: Kind, title: str = "") -> Enqueued:
        """Put questions into the queue, all or none; those that the job has already are left alone.

        Raises UserError when the name is that of a job of another kind.
        """
        from sqlalchemy import text

        with self._engine.begin() as connection:
            # Two that enqueue under one name at once would give out the same numbers.
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}
            )
            before = self._parts(name)
            self._check_kind(name, kind, before)
            known = {one.workflow_id for one in before}
            new = {f"{name}/{digest(one)}": one for one in assignments}
            for number, (workflow, one) in enumerate(
                ((key, one) for key, one in new.items() if key not in known), start=len(known) + 1
            ):
                self._client.enqueue_in_transaction(
                    connection,
                    {
                        "workflow_name": QUESTION,
                        "queue_name": QUESTIONS,
                        "workflow_id": workflow,
                        "attributes": {"job": name, "kind": kind, "number": number, "title": title},
                    },
                    one.model_dump(mode="json"),
                )
        return Enqueued(name, len(new.keys() - known), len(new.keys() & known))

    def ingest(self, name: str, order: IngestOrder) -> None:
        """Put an ingest into the queue.

        Raises UserError when there is a job of that name.
        """
        if self._parts(name):
            raise UserError(f"There is a job {name!r} already; give this one another name with --name.")
        self._client.enqueue(
            {
                "workflow_name": INGEST,
                "queue_name": INGESTS,
                "workflow_id": f"{name}/run",
                "attributes": {"job": name, "kind": "ingest", "number": 1},
            },
            order.model_dump(mode="json"),
        )

    def schedule(self, name: str, cron: str, timezone: str, order: IngestOrder) -> None:
        """Repeat an ingest; a schedule of the same name is replaced.

        Raises UserError for a time that cannot be read.
        """
        from dbos import error as failure

        try:
            self._client.apply_schedules(
                [
                    {
                        "schedule_name": name,
                        "workflow_name": TICK,
                        "schedule": cron,
                        "context": {"name": name, "order": order.model_dump(mode="json")},
                        "cron_timezone": timezone,
                    }
                ]
            )
        except failure.DBOSException as error:
            raise UserError(
                f"{error}. Write the time as cron does, for example --every '0 3 * * *' for three at night, and the "
                "zone like Europe/Berlin."
            ) from error

    def schedules(self) -> list[Schedule]:
        """Return the ingests that are repeated."""
        return [
            Schedule(
                name=one["schedule_name"],
                cron=one["schedule"],
                timezone=one.get("cron_timezone") or "UTC",
                order=IngestOrder.model_validate(one["context"]["order"]),
                fired=one["last_fired_at"],
            )
            for one in self._client.list_schedules(workflow_name=TICK)
        ]

    def unschedule(self, name: str) -> None:
        """Repeat an ingest no more; a run of it that is under way ends.

        Raises UserError when there is no such schedule.
        """
        if self._client.get_schedule(name) is None:
            raise UserError(f"There is no schedule {name!r}. See: agent-graph jobs schedules")
        self._client.delete_schedule(name)

    def trigger(self, name: str) -> None:
        """Have a schedule fire now.

        Raises UserError when there is no such schedule.
        """
        if self._client.get_schedule(name) is None:
            raise UserError(f"There is no schedule {name!r}. See: agent-graph jobs schedules")
        self._client.trigger_schedule(name)

    def newest(self, most: int) -> list[Job]:
        """Return the newest jobs, newest first."""
        firsts = self._client.list_workflows(
            name=[QUESTION, INGEST],
            attributes={"number": 1},
            limit=most,
            sort_desc=True,
            load_input=False,
            load_output=False,
        )
        return [self.job((one.attributes or {})["job"]) for one in firsts]

    def job(self, name: str) -> Job:
        """Return how a job stands.

        Raises UserError when there is none of that name.
        """
        return job_of(name, self._there(name))

    def endings(self, name: str) -> Iterator[Ending]:
        """Yield how each question of a job ended, in the order of the file; those that have not ended are left out."""
        ended = [one.workflow_id for one in self._there(name) if one.status in ENDED]
        for start in range(0, len(ended), _PAGE):
            page = self._client.list_workflows(workflow_ids=ended[start : start + _PAGE])
            for one in sorted(page, key=number_of):
                yield ending_of(one)

    def ingested(self, name: str) -> dict[str, Any]:
        """Return what became of the documents of an ingest; empty until it has ended."""
        (found,) = self._client.list_workflows(workflow_ids=[one.workflow_id for one in self._there(name)])
        if found.status == "SUCCESS":
            return dict(found.output or {})
        return {"error": why_not(found)} if found.status in ENDED else {}

    def report(self, name: str) -> EvalReport:
        """Return the report of an evaluation, of the questions that have ended."""
        job = self.job(name)
        rows = tuple(
            one.row or Row(id=one.id, question=one.question, error=one.error) for one in self.endings(name)
        )
        seconds = (job.ended or job.created) - job.created
        return EvalReport(name=job.title, rows=rows, seconds=round(seconds, 3))

    def cancel(self, name: str) -> int:
        """Cancel what has not ended and return how much that was; what runs is cut off within seconds.

        Raises UserError when there is no such job.
        """
        going = [one.workflow_id for one in self._there(name) if one.status not in ENDED]
        for start in range(0, len(going), _PAGE):
            self._client.cancel_workflows(going[start : start + _PAGE])
        return len(going)

    def forget(self, name: str) -> list[str]:
        """Delete a job that has ended; return the threads of its runs, which lie with the checkpoints.

        Raises UserError when there is none of that name, or it has not ended.
        """
        parts = self._there(name)
        if any(one.status not in ENDED for one in parts):
            raise UserError(
                f"The job {name!r} has not ended. Cancel it first: agent-graph jobs cancel {name}"
            )
        return self._delete(parts)

    def forget_older(self, than: datetime) -> list[str]:
        """Delete jobs whose last part ended before a moment; return the threads as `forget` does."""
        found = self._client.list_workflows(
            name=[QUESTION, INGEST, TICK],
            status=sorted(ENDED),
            completed_before=than.isoformat(),
            load_input=False,
            load_output=False,
        )
        old = Counter((one.attributes or {}).get("job") for one in found)
        going = {name for name, count in old.items() if name and len(self._parts(name)) > count}
        return self._delete([one for one in found if (one.attributes or {}).get("job") not in going])

    def workers(self) -> int:
        """Return how many workers live."""
        from sqlalchemy import text

        with self._engine.begin() as connection:
            asked = COUNT.replace("%(locks)s", ":locks")
            return int(connection.execute(text(asked), {"locks": LOCKS}).scalar_one())

    def _delete(self, parts: "Sequence[WorkflowStatus]") -> list[str]:
        ids = [one.workflow_id for one in parts]
        for start in range(0, len(ids), _PAGE):
            self._client.delete_workflows(ids[start : start + _PAGE])
        return [one.workflow_id for one in parts if one.name == QUESTION]

    def _parts(self, name: str) -> "list[WorkflowStatus]":
        found = self._client.list_workflows(attributes={"job": name}, load_input=False, load_output=False)
        return sorted(found, key=number_of)

    def _there(self, name: str) -> "list[WorkflowStatus]":
        found = self._parts(name)
        if not found:
            raise UserError(f"There is no job {name!r}. See: agent-graph jobs list")
        return found

    def _check_kind(self, name: str, kind: Kind, before: "Sequence[WorkflowStatus]") -> None:
        kinds: set[str] = {(one.attributes or {})["kind"] for one in before}
        if kinds - {kind}:
            raise UserError(f"The job {name!r} is of another kind ({kinds.pop()}); choose another name.")


@contextmanager
def open_jobs(settings: Settings) -> Iterator[Jobs]:
    """Open the queues.

    Raises SettingsError and MissingExtra.
    """
    with open_client(place_of(settings)) as (client, engine):
        yield Jobs(client, engine)


async def forget_threads(settings: Settings, threads: Sequence[str]) -> None:
    """Delete the checkpoints of runs."""
    if threads and settings.jobs is not None:
        async with open_checkpointer(settings.jobs.get_secret_value()) as saver:
            for thread in threads:
                await saver.adelete_thread(thread)


def named(name: str | None, kind: Kind) -> str:
    """Return the name of a new job, a made one when none was given.

    Raises UserError for a name that nobody could type again.
    """
    if name is None:
        return f"{kind}-{uuid.uuid4().hex[:8]}"
    if not _NAME.fullmatch(name):
        raise UserError(
            "A job's name is up to 100 letters, digits, dots, dashes and underscores: night-run-3"
        )
    return name
