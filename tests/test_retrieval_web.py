"""Web addresses are fetched when asked for, within bounds, and never out of private networks."""

import gzip
import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from retrieval import Knowledge, open_knowledge
from retrieval.errors import DocumentMissing
from retrieval.loaders import fetch as fetching
from retrieval.loaders.extract import Unreadable
from retrieval.loaders.fetch import fetch
from retrieval.reading import Reading

PAGE = b"<html><head><title>The Aurel canal</title></head><body><h1>Locks</h1><p>It has nineteen locks.</p></body></html>"
HERE = Reading(private_addresses=True, fetch_timeout_s=5)


ZIPPED = gzip.compress(bytes(20_000_000))


class Site(BaseHTTPRequestHandler):
    """A small site; what its paths do is in their names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, rest = self.path[1:].partition("?")
        match path:
            case "page" | "page.html":
                self.reply(PAGE, "text/html; charset=utf-8")
            case "report":
                self.reply(b"| year | length |\n|---|---|\n| 1817 | 40 km |\n", "text/markdown")
            case "host":
                self.reply(self.headers["host"].encode(), "text/plain")
            case "zipped":
                self.reply(ZIPPED, "text/plain", **{"content-encoding": "gzip"})
            case "to":
                self.reply(b"", "text/plain", status=302, location=rest)
            case "again":
                self.reply(b"", "text/plain", status=302, location="/again")
            case "slow":
                self.send_response(200)
                self.send_header("content-length", "100")
                self.end_headers()
                self.server.hold.wait(30)  # type: ignore[attr-defined]
            case "busy":
                self.reply(b"", "text/plain", status=503)
            case _:
                self.reply(b"", "text/plain", status=404)

    def reply(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.hold = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.hold.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    with open_knowledge(tmp_path / "knowledge") as opened:
        yield opened


def refusal(url: str, *, private: bool = True, max_bytes: int = 10**6) -> str:
    with pytest.raises(Unreadable) as told:
        fetch(url, max_bytes=max_bytes, timeout_s=1, private=private)
    return str(told.value)


def test_a_web_page_is_a_document_with_a_link_to_its_passage(knowledge: Knowledge, site: str) -> None:
    """Format by media type, title from the page, and a link that leads to the words."""
    report = knowledge.ingest([f"{site}/page", f"{site}/report"], urls=True, reading=HERE)
    best = knowledge.search("how many locks", k=1)[0].passage
    assert report.counts == {"ingested": 2}
    assert (best.document, best.title, best.location) == (f"{site}/page", "The Aurel canal", "Locks")
    assert best.link == f"{site}/page#:~:text=Locks"
    assert knowledge.ingest([f"{site}/page", f"{site}/report"], urls=True, reading=HERE).counts == {
        "unchanged": 2
    }


def test_nothing_is_fetched_unless_asked_for(knowledge: Knowledge, site: str) -> None:
    """A web address among the paths is an error that names the switch."""
    with pytest.raises(DocumentMissing, match="urls=True"):
        knowledge.ingest(f"{site}/page")


def test_a_missing_page_is_skipped_and_keeps_what_was_ingested(knowledge: Knowledge, site: str) -> None:
    """A server's refusal is the reason in the report."""
    report = knowledge.ingest([f"{site}/nowhere", f"{site}/busy"], urls=True, reading=HERE)
    assert [entry.reason for entry in report.entries] == [
        "the server says 404 Not Found",
        "the server says 503 Service Unavailable; try again later",
    ]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "10.1.2.3",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00::1]",
        "[fe80::1]",
        "224.0.0.1",
        "public.example@127.0.0.1",
    ],
)
def test_private_addresses_are_refused_in_every_spelling(host: str) -> None:
    """What a name leads to counts, not how it is written."""
    assert "leads to the private address" in refusal(f"http://{host}/secret", private=False)


def test_a_redirect_into_a_private_network_is_refused(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hop is checked like the first; here 127.0.0.1 stands for a public server."""
    real = fetching._meant
    public = [ipaddress.ip_address("9.9.9.9")]
    monkeypatch.setattr(fetching, "_meant", lambda one: public if one == "127.0.0.1" else real(one))
    assert fetch(f"{site}/to?/page", max_bytes=10**6, timeout_s=5).raw == PAGE
    assert "private address 127.0.0.2" in refusal(f"{site}/to?http://127.0.0.2/", private=False)
    assert "only http and https" in refusal(f"{site}/to?file:///etc/passwd", private=False)


def test_the_address_that_was_checked_is_the_one_connected_to(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is resolved once: its server cannot point elsewhere between the check and the connection."""
    port = int(site.rpartition(":")[2])
    asked: list[str] = []

    def resolve(host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)
    fetched = fetch(f"http://rebinding.example:{port}/host", max_bytes=100, timeout_s=5, private=True)
    assert fetched.raw == f"rebinding.example:{port}".encode()
    assert asked[0] == "rebinding.example"
    assert "rebinding.example" not in asked[1:]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("zipped", "too large: more than 1,000,000 bytes"),
        ("again", "it redirects more than 5 times"),
        ("slow", "the server takes too long; try again later"),
        ("to?ftp://example.org/", "only http and https addresses are fetched"),
    ],
)
def test_fetching_is_bounded(site: str, path: str, reason: str) -> None:
    """Size counts after unpacking; time and redirects end."""
    assert refusal(f"{site}/{path}") == reason


@pytest.mark.parametrize(
    "url", ["http://", "http:///x", "http://no.such.invalid/", "http://127.0.0.1:1/", "http://[::1"]
)
def test_an_address_that_leads_nowhere_has_a_reason(url: str) -> None:
    """Malformed and unknown addresses end as a reason, never as a crash."""
    assert refusal(url)
