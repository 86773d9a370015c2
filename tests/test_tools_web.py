"""The web tools, against servers on this machine that answer as the real ones do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tools import web_search as web_search_module
from tools.faults import is_transient, retry_after
from tools.observation import call
from tools.web_search import make_web_search
from tools.wikipedia import make_wikipedia

Answer = tuple[int, dict[str, str], bytes]
Asked = dict[str, str]

ARTICLES = {
    "Treaty of Ryswick": "The Peace of Ryswick was signed in 1697.",
    "Nine Years' War": "The Nine Years' War lasted from 1688 to 1697.",
}


class Site:
    """A server on a free port whose answers a test may change; it keeps what it was asked."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(urlsplit(self.path).query)

            def do_POST(self) -> None:
                self._reply(self.rfile.read(int(self.headers["content-length"])).decode())

            def _reply(self, query: str) -> None:
                asked = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
                site.asked.append(asked | {"user-agent": self.headers["user-agent"]})
                status, headers, body = site.answer(asked)
                with suppress(ConnectionError):  # a client that gave up is part of the story
                    self.send_response(status)
                    for name, value in ({"content-length": str(len(body))} | headers).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def mediawiki(asked: Asked) -> Answer:
    """Answer as MediaWiki's API does, for the questions the wikipedia package asks."""
    if asked.get("list") == "search":
        wanted = asked["srsearch"].lower()
        titles = [title for title, text in ARTICLES.items() if wanted in (title + text).lower()]
        return as_json({"query": {"search": [{"title": title} for title in titles[: int(asked["srlimit"])]]}})
    title = asked["titles"]
    number = str(list(ARTICLES).index(title) + 1)
    page: dict[str, Any] = {"pageid": int(number), "title": title}
    if "info" in asked["prop"]:
        page["fullurl"] = f"https://en.wikipedia.org/wiki/{title.replace(' ', '_')}"
    else:
        page |= {"extract": ARTICLES[title], "revisions": [{"revid": 1, "parentid": 0}]}
    return as_json({"query": {"pages": {number: page}}})


def as_json(body: Any) -> Answer:
    return 200, {"content-type": "application/json"}, json.dumps(body).encode()


def duckduckgo(asked: Asked) -> Answer:
    """Answer as DuckDuckGo's HTML page does."""
    found = "".join(
        f'<div class="result__body"><h2><a>Page {n} on {asked["q"]}</a></h2>'
        f'<a href="https://example.org/{n}">The text of page {n} about {asked["q"]}.</a></div>'
        for n in range(8)
    )
    return 200, {"content-type": "text/html"}, f"<html><body>{found}</body></html>".encode()


@pytest.fixture
def wiki() -> Iterator[Site]:
    site = Site(mediawiki)
    yield site
    site.close()


@pytest.fixture
def duck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    from ddgs.engines.duckduckgo import Duckduckgo

    site = Site(duckduckgo)
    monkeypatch.setattr(Duckduckgo, "search_url", site.url)  # the one thing changed: where the page is
    yield site
    site.close()


async def test_wikipedia_brings_articles_with_their_addresses(wiki: Site) -> None:
    """Text and title of each article found, each a source; the client says who it is."""
    observation = await call(make_wikipedia(api_url=wiki.url), {"query": "1697"})
    assert observation.error == ""
    assert observation.value.startswith(
        "[1] Treaty of Ryswick (https://en.wikipedia.org/wiki/Treaty_of_Ryswick): The P"
    )
    assert [source["title"] for source in observation.sources] == list(ARTICLES)
    assert observation.sources[1]["text"] == ARTICLES["Nine Years' War"]
    assert all(asked["user-agent"].startswith("agent-graph") for asked in wiki.asked)


async def test_wikipedia_is_bounded_in_articles_and_characters(wiki: Site) -> None:
    """No more articles and no longer ones than asked for."""
    observation = await call(make_wikipedia(pages=1, characters=20, api_url=wiki.url), {"query": "1697"})
    assert [source["text"] for source in observation.sources] == ["The Peace of Ryswick"]


async def test_wikipedia_without_an_article_is_an_observation(wiki: Site) -> None:
    """Nothing found is said, not failed."""
    observation = await call(make_wikipedia(api_url=wiki.url), {"query": "no such thing"})
    assert (observation.value, observation.sources) == ("No Wikipedia article found.", ())


async def test_wikipedia_passes_over_pages_that_only_disambiguate(wiki: Site) -> None:
    """A page that lists meanings is no article."""

    def ambiguous(asked: Asked) -> Answer:
        if asked.get("list") == "search":
            return as_json({"query": {"search": [{"title": "Mercury"}]}})
        page: dict[str, Any] = {"pageid": 1, "title": "Mercury", "pageprops": {"disambiguation": ""}}
        page["revisions"] = [{"*": "<ul><li><a>Mercury (planet)</a></li></ul>"}]
        return as_json({"query": {"pages": {"1": page}}})

    wiki.answer = ambiguous
    assert (await call(make_wikipedia(api_url=wiki.url), {"query": "Mercury"})).sources == ()


@pytest.mark.parametrize(("status", "transient"), [(429, True), (503, True), (403, False)])
async def test_wikipedias_refusals_say_whether_to_try_again(wiki: Site, status: int, transient: bool) -> None:
    """The status of the answer, and how long it asks to wait, come with the error."""
    wiki.answer = lambda _: (status, {"retry-after": "7"}, b"no")
    observation = await call(make_wikipedia(api_url=wiki.url), {"query": "x"})
    assert str(status) in observation.error
    assert observation.cause is not None
    assert is_transient(observation.cause) is transient
    assert retry_after(observation.cause) == 7


@pytest.mark.parametrize(
    "body", [b"<html>captive portal</html>", b"{}", b'{"error": {"info": "search is disabled"}}']
)
async def test_wikipedia_answering_strangely_is_an_error(wiki: Site, body: bytes) -> None:
    """What is no answer of the API is not taken for an empty one."""
    wiki.answer = lambda _: (200, {}, body)
    observation = await call(make_wikipedia(api_url=wiki.url), {"query": "x"})
    assert observation.value is None
    assert "Wikipedia cannot be reached" in observation.error


async def test_wikipedia_too_busy_to_answer_is_a_timeout(wiki: Site) -> None:
    """The API's own word for a full queue is a fault that passes."""
    wiki.answer = lambda _: as_json({"error": {"info": "Pool queue is full"}})
    observation = await call(make_wikipedia(api_url=wiki.url), {"query": "x"})
    assert isinstance(observation.cause, TimeoutError)


async def test_wikipedia_that_never_answers_is_given_up(wiki: Site) -> None:
    """The package knows no timeout; ours holds."""
    release = threading.Event()

    def silent(_: Asked) -> Answer:
        release.wait()
        return 500, {}, b""

    wiki.answer = silent
    observation = await call(make_wikipedia(timeout_s=0.05, api_url=wiki.url), {"query": "x"})
    release.set()
    assert isinstance(observation.cause, TimeoutError)


async def test_two_wikipedias_keep_to_their_own_addresses(wiki: Site) -> None:
    """The package has one address for all; each of our tools asks its own."""
    other = Site(lambda _: as_json({"query": {"search": []}}))
    ours, theirs = make_wikipedia(api_url=wiki.url), make_wikipedia(api_url=other.url)
    assert (await call(ours, {"query": "1697"})).sources
    assert not (await call(theirs, {"query": "1697"})).sources
    assert (await call(ours, {"query": "1697"})).sources
    other.close()


async def test_web_search_brings_titles_snippets_and_addresses(duck: Site) -> None:
    """The pages of DuckDuckGo's answer, no more than asked for, each a source."""
    observation = await call(make_web_search(pages=3), {"query": "ryswick"})
    assert observation.error == ""
    assert len(observation.sources) == 3
    assert {source["document"] for source in observation.sources} < {
        f"https://example.org/{n}" for n in range(8)
    }
    assert "[1] Page" in observation.value
    assert "about ryswick." in observation.sources[0]["text"]
    assert [asked["q"] for asked in duck.asked] == ["ryswick"]
    assert "df" not in duck.asked[0]  # no limit to the last year


async def test_web_search_without_results_is_an_observation(duck: Site) -> None:
    """Nothing found is said, not failed."""
    duck.answer = lambda _: (200, {"content-type": "text/html"}, b"<html><body>none</body></html>")
    observation = await call(make_web_search(), {"query": "zzz"})
    assert (observation.value, observation.sources) == (web_search_module.NOTHING_FOUND, ())


async def test_web_search_that_cannot_connect_is_an_error(duck: Site) -> None:
    """A dead service is no empty answer, and may be tried again."""
    duck.close()
    observation = await call(make_web_search(), {"query": "x"})
    assert observation.value is None
    assert observation.cause is not None
    assert is_transient(observation.cause)
