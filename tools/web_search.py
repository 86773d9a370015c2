"""Web search through DuckDuckGo, by way of langchain_community and ddgs."""

from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from tools import community, faults
from tools.errors import Unreachable
from tools.observation import SourceRecord, source_record

NOTHING_FOUND = "No web page found."
"""The text of a search without results: a valid observation, without sources."""

_MAX_SNIPPET = 1_000
_MAX_TITLE = 200


class _Arguments(BaseModel):
    query: str = Field(
        min_length=1, max_length=400, description="What to look for, as typed into a search box."
    )


def make_web_search(*, pages: int = 5) -> BaseTool:
    """Return the `web_search` tool; it brings at most `pages` titles and snippets, and needs the extra `web`."""

    def web_search(query: str) -> tuple[str, dict[str, list[SourceRecord]]]:
        sources = [_source(found) for found in _search(query, pages)]
        return "\n\n".join(map(_printed, range(1, pages + 1), sources)) or NOTHING_FOUND, {"sources": sources}

    return StructuredTool.from_function(
        func=web_search,
        name="web_search",
        description="Searches the web for current or general facts and returns titles and snippets of a few pages.",
        args_schema=_Arguments,
        response_format="content_and_artifact",
        metadata={
            "effects": "reads",
            "idempotent": True,
            "returns": "text",
            "fallback": "wikipedia",
            "examples": ['web_search(query="latest stable Python release")'],
        },
    )


def _search(query: str, pages: int) -> list[dict[str, str]]:
    from ddgs.exceptions import DDGSException, TimeoutException

    wrapper = community.load("utilities", "DuckDuckGoSearchAPIWrapper")
    # the wrapper's own default looks at the last year only
    search = wrapper(backend="duckduckgo", time=None, max_results=pages)
    try:
        found: list[dict[str, str]] = search.results(query, pages)
    except TimeoutException as error:
        raise TimeoutError(f"the web search did not answer in time: {faults.one_line(error)}") from error
    except DDGSException as error:
        if "No results found" in str(error):
            return []
        raise Unreachable(f"the web search cannot be reached: {faults.one_line(error)}") from error
    return found[:pages]


def _source(found: dict[str, Any]) -> SourceRecord:
    return source_record(
        str(found.get("link", "")),
        title=str(found.get("title", ""))[:_MAX_TITLE],
        text=str(found.get("snippet", ""))[:_MAX_SNIPPET],
    )


def _printed(number: int, source: SourceRecord) -> str:
    return f"[{number}] {source['title']} ({source['document']}): {source['text']}"
