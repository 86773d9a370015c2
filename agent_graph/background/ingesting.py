"""One ingest as a job: it waits for the folder, says how far it is, and ends between two documents when cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph import guardrails
from agent_graph.background.assignment import IngestOrder
from agent_graph.bootstrap import open_default_knowledge
from agent_graph.errors import AgentGraphError
from agent_graph.settings import Settings
from retrieval.errors import PlaceBusy, RetrievalError
from retrieval.ingest import IngestReport
from tools.faults import one_line

PATIENCE_S = 600.0
"""Seconds an ingest waits for a folder that another process has open to write."""
_ASK_AGAIN_S = 0.5
_TELL_S = 1.0

Tell = Callable[[dict[str, int]], Awaitable[None]]

MOST_SKIPPED = 200
"""Documents that are named with the reason for which they were not read."""


class _Cancelled(AgentGraphError):
    """Ends an ingest between two documents."""


class Ingest:
    """One ingest; it tells how many documents are done, and how many there are."""

    def __init__(self, settings: Settings, order: IngestOrder) -> None:
        self._settings, self._order = settings, order
        self._cancelled = False
        self._progress: dict[str, int] = {}

    async def run(self, tell: Tell) -> dict[str, Any]:
        """Ingest; return what became of the documents, or the sentence that says why not, under `error`."""
        working = asyncio.ensure_future(asyncio.to_thread(self._ingested))
        telling = asyncio.ensure_future(self._telling(tell))
        try:
            return _told(await asyncio.shield(working))
        except (RetrievalError, AgentGraphError) as error:
            return {"error": guardrails.redact(one_line(error))}
        except asyncio.CancelledError:
            self._cancelled = True
            await asyncio.wait([working])
            working.exception()
            raise
        finally:
            telling.cancel()

    async def _telling(self, tell: Tell) -> None:
        told: dict[str, int] = {}
        while True:
            await asyncio.sleep(_TELL_S)
            if self._progress != told:
                told = self._progress
                await tell(told)

    def _ingested(self) -> IngestReport:
        order = self._order
        names = [order.collection] if order.collection else []
        waiting = Retrying(
            retry=retry_if_exception_type(PlaceBusy),
            wait=wait_fixed(_ASK_AGAIN_S),
            stop=stop_after_delay(PATIENCE_S),
            reraise=True,
        )

        def ingest() -> IngestReport:
            self._go_on()
            with open_default_knowledge(self._settings, *names) as knowledge:
                return knowledge.ingest(
                    list(order.paths),
                    progress=self._note,
                    prune=order.prune,
                    force=order.force,
                    urls=order.urls,
                    redact=guardrails.redact if order.redact else None,
                )

        return waiting(ingest)

    def _note(self, done: int, total: int, _document: str) -> None:
        self._progress = {"done": done, "total": total}
        self._go_on()

    def _go_on(self) -> None:
        if self._cancelled:
            raise _Cancelled("The ingest was cancelled.")


def _told(report: IngestReport) -> dict[str, Any]:
    skipped = [{"document": one.document, "reason": one.reason} for one in report.skipped[:MOST_SKIPPED]]
    return {
        "counts": {str(status): count for status, count in report.counts.items()},
        "passages": report.passages,
        "seconds": round(report.seconds, 3),
        "skipped": skipped,
        "refused": report.refused,
        "error": "" if report.entries else "There are no files to ingest.",
    }
