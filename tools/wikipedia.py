"""Wikipedia, by way of langchain_community and the wikipedia package."""

import functools
import importlib
import threading
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from tools import community, faults
from tools.errors import Unreachable
from tools.observation import SourceRecord, source_record

NOTHING_FOUND = "No Wikipedia article found."
"""The text of a search without results: a valid observation, without sources."""
API_URL = "https://{language}.wikipedia.org/w/api.php"
"""Where the MediaWiki API of a language answers."""

_USER_AGENT = "agent-graph (a LangGraph agent; python-requests)"
_REQUEST = threading.local()
"""Address and timeout of the search this thread is in: the wikipedia package has one address for all."""


class _Arguments(BaseModel):
    query: str = Field(
        min_length=1, max_length=300, description="Name of a person, place, work, event or idea."
    )


def make_wikipedia(
    *,
    pages: int = 2,
    characters: int = 4_000,
    language: str = "en",
    timeout_s: float = 10,
    api_url: str | None = None,
) -> BaseTool:
    """Return the `wikipedia` tool; it needs the extra `web`.

    It brings at most `pages` articles, cut at `characters` each; every request may take `timeout_s` seconds.
    """
    address = api_url or API_URL.format(language=language)

    def wikipedia(query: str) -> tuple[str, dict[str, list[SourceRecord]]]:
        _REQUEST.address, _REQUEST.timeout_s = address, timeout_s
        sources = [_source(found) for found in _search(query, pages, characters)]
        return "\n\n".join(map(_printed, range(1, pages + 1), sources)) or NOTHING_FOUND, {"sources": sources}

    return StructuredTool.from_function(
        func=wikipedia,
        name="wikipedia",
        description="Finds the Wikipedia articles about one named subject and returns how they begin.",
        args_schema=_Arguments,
        response_format="content_and_artifact",
        metadata={
            "effects": "reads",
            "idempotent": True,
            "returns": "text",
            "examples": ['wikipedia(query="Treaty of Ryswick")'],
        },
    )


def _search(query: str, pages: int, characters: int) -> list[Any]:
    import requests

    exceptions = importlib.import_module("wikipedia.exceptions")
    wrapper = _wrapper()(top_k_results=pages, doc_content_chars_max=characters)
    wrapper.wiki_client = _Client(importlib.import_module("wikipedia.wikipedia"))
    try:
        return list(wrapper.lazy_load(query))
    except (requests.Timeout, exceptions.HTTPTimeoutError) as error:
        raise TimeoutError(f"Wikipedia did not answer in time: {faults.one_line(error)}") from error
    except (requests.RequestException, exceptions.WikipediaException, KeyError) as error:
        if getattr(error, "response", None) is not None:
            raise  # it carries the status and Retry-After, which say whether to try again
        raise Unreachable(f"Wikipedia cannot be reached: {faults.one_line(error)}") from error


@functools.cache
def _wrapper() -> Any:
    """Load the packages, and give the wikipedia module what it has no parameter for: a timeout and a parser."""
    from bs4 import BeautifulSoup

    module: Any = importlib.import_module("wikipedia.wikipedia")
    module.requests = _Requests()
    module.BeautifulSoup = functools.partial(BeautifulSoup, features="html.parser")
    return community.load("utilities", "WikipediaAPIWrapper")


class _Requests:
    """What the wikipedia package uses of `requests`: with this search's address, a timeout, and errors raised."""

    def get(self, url: str, params: dict[str, Any], headers: dict[str, str]) -> Any:
        import requests

        address = getattr(_REQUEST, "address", url)
        headers = {**headers, "User-Agent": _USER_AGENT}
        response = requests.get(
            address, params=params, headers=headers, timeout=getattr(_REQUEST, "timeout_s", 10)
        )
        response.raise_for_status()
        return response


class _Client:
    """The functions of the wikipedia module that the wrapper calls, without its cache that never empties."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.exceptions = importlib.import_module("wikipedia.exceptions")

    def search(self, query: str, results: int) -> list[str]:
        titles: list[str] = self._module.search.fn(query, results=results)
        return titles

    def page(self, title: str, auto_suggest: bool) -> Any:
        return self._module.page(title=title, auto_suggest=auto_suggest)


def _source(found: Any) -> SourceRecord:
    about = found.metadata
    text = found.page_content
    return source_record(about["source"], title=about["title"], text=text, end=len(text))


def _printed(number: int, source: SourceRecord) -> str:
    return f"[{number}] {source['title']} ({source['document']}): {source['text']}"
