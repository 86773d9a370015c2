"""What DBOS runs: a question, an ingest, and a schedule's tick; each a workflow of one step."""

import json
import logging
from datetime import datetime
from typing import Any, Protocol

from agent_graph.background.assignment import Assignment, Ending, IngestOrder
from agent_graph.background.ingesting import Tell
from agent_graph.background.place import INGESTS

QUESTION, INGEST, TICK = "question", "ingest", "tick"
"""Names of the workflows."""

LIVES = 5
"""How often a question or an ingest is taken up again after its worker died; it may be what kills them."""


class Hands(Protocol):
    """Does the work."""

    async def answer(self, thread: str, assignment: Assignment) -> Ending:
        """Answer a question on a thread."""
        ...

    async def ingest(self, order: IngestOrder, tell: Tell) -> dict[str, Any]:
        """Ingest, tell how far it is, and return what became of it."""
        ...


def register(hands: Hands) -> None:
    """Make the workflows known to DBOS, before it is launched."""
    from dbos import DBOS, error

    async def answer(thread: str, assignment: dict[str, Any]) -> dict[str, Any]:
        ending = await hands.answer(thread, Assignment.model_validate(assignment))
        return _storable(ending.model_dump(mode="json", exclude_none=True))

    async def ingest(workflow: str, order: dict[str, Any]) -> dict[str, Any]:
        return await hands.ingest(
            IngestOrder.model_validate(order), lambda progress: _note(workflow, progress)
        )

    @DBOS.workflow(name=QUESTION, max_recovery_attempts=LIVES)
    async def question_workflow(assignment: dict[str, Any]) -> dict[str, Any]:
        thread = _workflow()
        ending = await DBOS.run_step_async(
            {"name": "answer", "preemptible": True}, answer, thread, assignment
        )
        if ending["outcome"] != "answered":
            await _note(thread, {"outcome": ending["outcome"]})
        return ending

    @DBOS.workflow(name=INGEST, max_recovery_attempts=LIVES)
    async def ingest_workflow(order: dict[str, Any]) -> dict[str, Any]:
        workflow = _workflow()
        told = await DBOS.run_step_async({"name": "ingest", "preemptible": True}, ingest, workflow, order)
        if told["error"]:
            await _note(workflow, {"outcome": "failed"})
        return told

    @DBOS.workflow(name=TICK)
    async def tick_workflow(scheduled: datetime, schedule: dict[str, Any]) -> str:
        # One run of a schedule at a time: the queue refuses a second one under the same key.
        name = schedule["name"]
        job = f"{name}-{scheduled:%Y%m%d-%H%M%S}"
        try:
            handle = await DBOS.enqueue_workflow_with_options_async(
                {
                    "workflow_name": INGEST,
                    "queue_name": INGESTS,
                    "workflow_id": f"{job}/run",
                    "deduplication_id": name,
                    "attributes": {"job": job, "kind": "ingest", "number": 1, "schedule": name},
                },
                schedule["order"],
            )
        except error.DBOSQueueDeduplicatedError:
            return "The run before it is still going on."
        return handle.workflow_id

    del question_workflow, ingest_workflow, tick_workflow


def _storable(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without halves of surrogate pairs, which a model can write and PostgreSQL refuses."""
    written = json.dumps(document, ensure_ascii=False).encode("utf-16", "surrogatepass")
    stored: dict[str, Any] = json.loads(written.decode("utf-16", "replace"))
    return stored


async def _note(workflow: str, attributes: dict[str, Any]) -> None:
    from dbos import DBOS

    await DBOS.update_workflow_attributes_async(workflow, attributes, merge=True)


def _workflow() -> str:
    from dbos import DBOS

    assert DBOS.workflow_id is not None
    return DBOS.workflow_id


class Expected(logging.Filter):
    """Keeps out of the log what DBOS warns of and we foresee: workflows that were cancelled, or cut off at the end."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is worth a line."""
        raised = record.exc_info[1] if record.exc_info else None
        return "Cancelled" not in type(raised).__name__ and "task cancelled" not in str(record.msg)
