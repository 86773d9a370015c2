"""The page at /ui: what it serves and may load, and one conversation in a real browser."""

import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from served import Locked
from served_by_aegra import BY_AEGRA

from agent_graph.cli.serve import GRAPHS, write_config
from agent_graph.web.app import app

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "agent_graph" / "web" / "static"
HOSTILE = '<img src=x onerror="document.title=`owned`"> How far apart are the charters?'


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the Starlette app itself."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
        yield client


class Loads(HTMLParser):
    """The addresses a page loads something from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


async def test_the_page_and_what_it_loads_are_there(http: httpx.AsyncClient) -> None:
    """/ui leads to the page; its style sheet and its script come from beside it, nothing from elsewhere."""
    page = await http.get("/ui", follow_redirects=True)
    assert page.url.path == "/ui/"
    assert page.headers["content-type"].startswith("text/html")
    loads = [address for address in Loads(page.text).addresses if not address.startswith("data:")]
    assert loads == ["page.css", "page.js"]
    kinds = [(await http.get(f"/ui/{name}")).headers["content-type"].split(";")[0] for name in loads]
    assert kinds == ["text/css", "text/javascript"]


@pytest.mark.parametrize("path", ["/ui/", "/ui/page.css", "/ui/page.js"])
async def test_the_page_may_only_run_its_own_script(http: httpx.AsyncClient, path: str) -> None:
    """The browser is told to refuse inline scripts, other hosts, and being framed."""
    headers = (await http.get(path)).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/ui/app.py", "/ui/../app.py", "/ui/%2e%2e/app.py", "/threads", "/"])
async def test_no_other_route_is_taken(http: httpx.AsyncClient, path: str) -> None:
    """The page serves its three files and leaves every other address to the server."""
    assert (await http.get(path)).status_code == 404


def test_text_enters_the_page_as_text() -> None:
    """The script has no way to turn a string into HTML or code."""
    script = (STATIC / "page.js").read_text(encoding="utf-8")
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|setHTML|srcdoc"
    assert not re.search(ways, script)
    assert "replaceChildren" in script


def test_both_ways_to_start_the_server_bring_the_page(tmp_path: Path) -> None:
    """langgraph.json in a checkout and the one `agent-graph serve` writes name the same graph and page."""
    ours = json.loads((ROOT / "langgraph.json").read_text())
    written = json.loads(write_config(tmp_path).read_text())
    assert ours["http"]["app"] == written["http"]["app"] == "agent_graph.apps.http:app"
    assert ours["graphs"] == written["graphs"] == GRAPHS


@pytest.fixture
def browser() -> Iterator[Any]:
    """Open a headless Chromium; the test is skipped where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("the browser story needs Chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=quiet)
        yield opened
        opened.close()


WATCH_STEPS = """
  window.seen = [];
  const note = (drawn) => drawn.querySelectorAll?.("g.step").forEach((step) => seen.push(
    step.querySelector(".tool").textContent.split(" ")[0] + " " + step.getAttribute("class").split(" ")[1]));
  new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(note)))
    .observe(document.getElementById("turns"), { childList: true, subtree: true });
"""


def ask(page: Any, question: str, *, approval: str = "side_effects") -> Any:
    """Type a question and return its turn."""
    page.get_by_label("Ask me before a plan runs").select_option(approval)
    page.get_by_label("Question", exact=True).fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    return page.locator(".turn").last


@pytest.mark.server
def test_a_server_that_wants_a_key(either: Locked, browser: Any) -> None:
    """The page asks for the key when the server does, again when it was wrong, and not a third time."""
    from playwright.sync_api import expect

    page = browser.new_page()
    keys = ["ag_00000000_00", either.bob]
    page.on("dialog", lambda dialog: dialog.accept(keys.pop(0)))
    page.goto(f"{either.url}/ui")
    for _ in range(2):
        turn = ask(page, "How far apart are the charters?")
        expect(turn.locator(".answer:not(.draft)")).to_contain_text("They lie 51 years apart")
    assert keys == []


class Place(NamedTuple):
    """A server, and the key that the tab already has."""

    url: str
    key: str


@pytest.fixture(
    params=[
        pytest.param("server", id="langgraph", marks=pytest.mark.xdist_group("server")),
        pytest.param("locked_by_aegra", id="aegra", marks=BY_AEGRA),
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    """LangGraph's server, which asks for no key, and Aegra, which does."""
    opened = request.getfixturevalue(request.param)
    return Place(opened, "") if isinstance(opened, str) else Place(opened.url, opened.alice)


@pytest.mark.server
def test_a_conversation_in_a_browser(place: Place, browser: Any) -> None:
    """Steps are seen waiting, running and done; a citation opens its passage; a plan is edited and refused."""
    from playwright.sync_api import expect

    page = browser.new_page()
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.add_init_script(f'sessionStorage.setItem("agent-graph key", "{place.key}")')
    page.goto(f"{place.url}/ui")
    page.evaluate(WATCH_STEPS)

    first = ask(page, HOSTILE)
    answer = first.locator(".answer:not(.draft)")
    expect(answer).to_have_text("They lie 51 years apart E2. One was granted in 1215 E1.1.")
    seen = page.evaluate("seen")
    assert [one for one in dict.fromkeys(seen) if one.startswith("E2")] == [
        "E2 waiting",
        "E2 running",
        "E2 ok",
    ]
    expect(first.get_by_role("heading")).to_have_text(HOSTILE)
    assert page.title() == "agent-graph"
    assert page.locator("img").count() == 0

    first.get_by_role("button", name="E1.1").click()
    expect(first.locator(".source.here mark")).to_have_text("The charter of Ryswick was granted in 1215.")

    second = ask(page, "And again?", approval="always")
    second.get_by_label("The plan", exact=True).fill('#E1 = fly(to="the moon")')
    second.get_by_role("button", name="Run my edit").click()
    expect(second.locator(".approval .note")).to_contain_text("There is no tool 'fly'")
    expect(second.get_by_role("button", name="Approve")).to_be_disabled()

    page.reload()
    expect(page.locator(".turn")).to_have_count(2)
    second = page.locator(".turn").last
    second.get_by_label("The plan", exact=True).fill('#E1 = calculator(expression="6 * 7")')
    second.get_by_role("button", name="Run my edit").click()
    expect(second.locator(".found")).to_have_text(re.compile("E1 · calculator"))
    expect(second.locator(".found pre")).to_have_text("42")

    third = ask(page, "Once more?", approval="always")
    third.get_by_role("button", name="Approve").click()
    expect(third.locator(".answer:not(.draft)")).to_contain_text("51 years apart")
    assert errors == []
    page.close()
