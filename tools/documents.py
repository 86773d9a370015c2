"""The knowledge as a tool: search it, get passages as text, and keep where each one stands."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, create_model

from tools.observation import SourceRecord, source_record

MAX_PASSAGES = 50
"""Most passages one search may bring."""
NOTHING_FOUND = "No passage found."
"""The text of a search that found nothing: a valid observation, without sources."""


Filters = Mapping[str, str | Sequence[str]]


class Passage(Protocol):
    """A piece of a document; `start` and `end` are characters in the document's text."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def document(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def location(self) -> str: ...  # noqa: D102
    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def end(self) -> int: ...  # noqa: D102


class Hit(Protocol):
    """A passage found, and how well it fits; a higher score fits better."""

    @property
    def passage(self) -> Passage: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102


class Searchable(Protocol):
    """What this tool asks of `retrieval.Knowledge`."""

    async def asearch(self, query: str, *, k: int, filters: Filters | None) -> Sequence[Hit]:
        """Return the best `k` hits, best first; filters map a field to its value or values."""
        ...


def make_search_documents(knowledge: Searchable, passages: int = 6) -> BaseTool:
    """Return the `search_documents` tool over `knowledge`, bringing `passages` unless the plan says k."""

    async def search_documents(
        query: str, k: int = passages, filters: Filters | None = None
    ) -> tuple[str, dict[str, list[SourceRecord]]]:
        hits = await knowledge.asearch(query, k=k, filters=filters)
        text = "\n\n".join(_printed(number, hit.passage) for number, hit in enumerate(hits, start=1))
        return text or NOTHING_FOUND, {"sources": [_source(hit) for hit in hits]}

    return StructuredTool.from_function(
        coroutine=search_documents,
        name="search_documents",
        description=(
            "Searches the ingested documents for passages about one subject or question, "
            "and returns their text with titles."
        ),
        args_schema=_arguments(passages),
        response_format="content_and_artifact",
        metadata={
            "run_defaults": {"k": "passages"},
            "effects": "reads",
            "idempotent": True,
            "returns": "text",
            "examples": [
                'search_documents(query="year the Treaty of Ryswick was signed", k=4)',
                'search_documents(query="total revenue", filters={"document": "report-2023.pdf"})',
            ],
        },
    )


def _arguments(passages: int) -> type[BaseModel]:
    return create_model(
        "search_documents",
        query=(str, Field(description="What to look for, in words the documents would use.")),
        k=(int, Field(passages, ge=1, le=MAX_PASSAGES, description="How many passages to bring.")),
        filters=(
            dict[str, str | list[str]] | None,
            Field(None, description="Only passages with this document, title, location or kind."),
        ),
    )


def _printed(number: int, passage: Passage) -> str:
    title = passage.title or passage.document
    where = f" ({passage.location})" if passage.location else ""
    return f"[{number}] {title}{where}: {passage.text}"


def _source(hit: Hit) -> SourceRecord:
    passage = hit.passage
    return source_record(
        passage.document,
        title=passage.title,
        location=passage.location,
        passage=passage.id,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        score=hit.score,
    )
