"""The graph `ingest`: reads a folder that the operator named into the collection of whoever asks."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field
from typing_extensions import TypedDict

from agent_graph.errors import UserError
from agent_graph.identity import collection_of, identity
from agent_graph.settings import Settings
from retrieval.errors import RetrievalError
from retrieval.ingest import IngestReport
from retrieval.knowledge import Knowledge

Open = Callable[[str], Knowledge]
"""Opens a collection by name."""


class Report(TypedDict):
    """What became of the documents of a folder."""

    folder: str
    collection: str
    counts: dict[str, int]
    """Documents by what became of them: ingested, updated, unchanged, skipped, removed."""
    passages: int
    seconds: float
    skipped: list[dict[str, str]]
    """Documents that were not read, by their path in the folder, with the reason."""
    refused: str
    """Why vanished documents were kept although it was asked to take them out."""


def build_ingest(settings: Settings, open_collection: Open) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph; it takes the name of an allowed folder, never a path."""
    names = sorted(settings.ingest_folders)

    class IngestInput(TypedDict, total=False):
        folder: Annotated[
            str,
            Field(
                title="Folder",
                description="One of those the operator allowed.",
                json_schema_extra={"enum": names},
            ),
        ]
        prune: Annotated[
            bool, Field(title="Prune", description="Take out documents whose files have vanished.")
        ]

    class IngestOutput(TypedDict, total=False):
        report: Annotated[Report, Field(description="What became of the documents of the folder.")]

    class IngestState(IngestInput, IngestOutput, total=False):
        pass

    async def ingest(state: IngestState) -> dict[str, Any]:
        name = str(state.get("folder") or "")
        folder = _allowed(settings, name)
        default = settings.collections[0]
        collection = collection_of(identity(), default) if settings.collection_per_user else default
        report = await asyncio.to_thread(
            _ingested, open_collection, collection, folder, prune=bool(state.get("prune"))
        )
        return {"report": _told(report, name, folder, collection)}

    graph = StateGraph(IngestState, input_schema=IngestInput, output_schema=IngestOutput)
    graph.add_node("ingest", ingest)
    graph.add_edge(START, "ingest")
    graph.add_edge("ingest", END)
    return graph.compile(name="ingest")


def _allowed(settings: Settings, name: str) -> Path:
    if name not in settings.ingest_folders:
        names = ", ".join(sorted(settings.ingest_folders))
        allowed = (
            f"These may: {names}." if names else "Its operator sets AGENT_GRAPH_INGEST_FOLDERS to allow some."
        )
        raise UserError(f"The server may not ingest {name!r}. {allowed}")
    return settings.ingest_folders[name].expanduser()


def _ingested(open_collection: Open, collection: str, folder: Path, *, prune: bool) -> IngestReport:
    try:
        with open_collection(collection) as knowledge:
            return knowledge.ingest([str(folder)], prune=prune)
    except RetrievalError as error:
        raise UserError(str(error).replace(str(folder), folder.name)) from error


def _told(report: IngestReport, name: str, folder: Path, collection: str) -> Report:
    skipped = [
        {"document": entry.document.removeprefix(f"{folder}/"), "reason": entry.reason}
        for entry in report.skipped
    ]
    return Report(
        folder=name,
        collection=collection,
        counts={str(status): count for status, count in report.counts.items()},
        passages=report.passages,
        seconds=round(report.seconds, 3),
        skipped=skipped,
        refused=report.refused,
    )
