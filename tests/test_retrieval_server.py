"""The same knowledge over a real Chroma server, shared by several processes."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from agent_graph.bootstrap import find_knowledge, open_default_knowledge
from agent_graph.cli.check_documents import chroma_servers
from agent_graph.settings import read_settings
from retrieval import Config, Document, open_knowledge
from retrieval.errors import BadRequest, EmbeddingMismatch, PlaceUnusable, ServerBusy
from retrieval.stores import chroma

pytestmark = pytest.mark.server

HARBOUR = [
    Document("cranes", "The harbour of Ostrel has nine cranes built in Leith.", "Cranes"),
    Document("ferry", "The ferry to Quorlan leaves at nine from the eastern pier.", "Ferry"),
    Document("market", "On Saturdays there is a fish market behind the customs house.", "Market"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """A real Chroma server over a folder."""
    program = Path(sys.executable).with_name("chroma")
    command = [str(program), "run", "--path", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport, timeout=30) as client:
            client.get(f"http://127.0.0.1:{port}/api/v2/heartbeat").raise_for_status()
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with served(tmp_path_factory.mktemp("chroma"), port):
        yield f"http://127.0.0.1:{port}"


class Proxy(ThreadingHTTPServer):
    """What `deploy/` puts before Chroma: it wants a token, and is out of order when told to be."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Through)
        self.behind = behind
        self.token = "right"
        self.refusals = 0
        self.asked: Counter[str] = Counter()


class _Through(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def through(self) -> None:
        proxy: Any = self.server
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        proxy.asked[self.path.rpartition("/")[2]] += 1
        if self.headers.get("Authorization") != f"Bearer {proxy.token}":
            return self.answer(401, b"who are you")
        if proxy.refusals:
            proxy.refusals -= 1
            return self.answer(503, b"restarting")
        told = httpx.request(
            self.command,
            proxy.behind + self.path,
            content=body,
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        return self.answer(told.status_code, told.content)

    do_GET = do_POST = do_PUT = do_DELETE = through  # noqa: N815 - the names http.server calls

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with Proxy(server) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


def test_documents_on_a_server_are_found_by_meaning_and_words(server: str) -> None:
    """Ingest, search, card and idempotence are the same as in a folder."""
    with open_knowledge(server, "found") as knowledge:
        assert knowledge.search("ferry") == []
        assert knowledge.add(HARBOUR).counts == {"ingested": 3}
        assert knowledge.add(HARBOUR).counts == {"unchanged": 3}
        best = knowledge.search("When does the Quorlan ferry leave?", k=1)[0]
        assert (best.passage.document, best.passage.title) == ("ferry", "Ferry")
        assert best.lexical is not None
        assert "3 documents (3 text), 3 passages" in str(knowledge.card())
        assert knowledge.search("nine", filters={"document": "cranes"})[0].passage.document == "cranes"
        assert knowledge.remove("cranes") == 1
        assert knowledge.count() == 2


def test_two_processes_share_a_server(server: str) -> None:
    """What another process writes is seen at once."""
    code = (
        "from retrieval import Document, open_knowledge\n"
        f"with open_knowledge({server!r}, 'shared') as knowledge:\n"
        "    knowledge.add([Document('far', 'Written far away about Brimstead.')])"
    )
    with open_knowledge(server, "shared") as knowledge:
        knowledge.add(HARBOUR)
        root = Path(__file__).parent.parent
        subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=120)
        assert knowledge.search("Brimstead", k=1)[0].passage.document == "far"


def test_a_server_collection_keeps_its_embeddings(server: str) -> None:
    """Another model is refused on a server too."""
    with open_knowledge(server, "stamped") as knowledge:
        knowledge.add(HARBOUR)
    with pytest.raises(EmbeddingMismatch, match="wordllama:256"):
        open_knowledge(server, "stamped", embeddings=DeterministicFakeEmbedding(size=8))


def test_a_collection_dropped_by_others_is_empty_and_can_be_filled_again(server: str) -> None:
    """A collection that vanished under us is not an error."""
    address = f"{server}/api/v2/tenants/default_tenant/databases/default_database/collections/dropped"
    with open_knowledge(server, "dropped") as knowledge:
        knowledge.add(HARBOUR)
        httpx.delete(address).raise_for_status()
        assert knowledge.search("ferry") == []
        assert knowledge.count() == 0
        assert knowledge.add(HARBOUR).counts == {"ingested": 3}


def test_no_server_is_told_at_once() -> None:
    """An address where nothing listens raises and says how to start a server."""
    with pytest.raises(PlaceUnusable, match="chroma run"):
        open_knowledge(f"http://127.0.0.1:{free_port()}")


def test_something_else_at_the_address_is_told() -> None:
    """A web server that is not Chroma, or refuses the token, is named."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401 if self.headers.get("Authorization") == "Bearer wrong" else 200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{other.server_port}"
        try:
            with pytest.raises(PlaceUnusable, match="not a Chroma server"):
                open_knowledge(url)
            with pytest.raises(PlaceUnusable, match="refused the token"):
                open_knowledge(url, token="wrong")
        finally:
            other.shutdown()
            thread.join()


@pytest.mark.parametrize("where", ["s3://bucket/knowledge", "http://", "chroma://localhost:8000"])
def test_an_address_of_another_kind_is_refused(where: str) -> None:
    """Only folders and http(s) servers are places."""
    with pytest.raises(BadRequest, match="neither a folder nor a Chroma server"):
        open_knowledge(where)


def test_a_folder_can_be_served_and_taken_back(tmp_path: Path) -> None:
    """What was ingested into a folder is there when a server opens it, and what came through the server afterwards."""
    with open_knowledge(tmp_path) as knowledge:
        knowledge.add(HARBOUR)
    port = free_port()
    with served(tmp_path, port), open_knowledge(f"http://127.0.0.1:{port}") as knowledge:
        assert knowledge.add(HARBOUR).counts == {"unchanged": 3}
        knowledge.add([Document("lock", "The lock of Brimstead opens at high water.", "Lock")])
        knowledge.remove("market")
    with open_knowledge(tmp_path) as knowledge:
        assert knowledge.search("Brimstead", k=1)[0].passage.document == "lock"
        assert {row.document for row in knowledge.documents()} == {"cranes", "ferry", "lock"}


def test_a_server_follows_the_names(server: str) -> None:
    """A document that a good passage mentions is found there too, by one more question."""
    island = Document(
        "island", "Bansaan Island is a small island of the province of Bohol.", "Bansaan Island"
    )
    province = Document("province", "It is known for chocolate hills and tarsiers.", "Bohol")
    with open_knowledge(server, "links") as knowledge:
        knowledge.add([*HARBOUR, province, island])
        hits = knowledge.search("Which province does Bansaan Island belong to?", k=2)
        assert [hit.passage.document for hit in hits] == ["island", "province"]


def test_trust_is_written_on_the_collection(server: str) -> None:
    """A mark holds for everybody; whoever opens may be more careful than the mark, never less."""
    with open_knowledge(server, "mail", trusted=False) as knowledge:
        knowledge.add(HARBOUR)
        assert not knowledge.trusted
    with open_knowledge(server, "mail", trusted=True) as knowledge:
        assert not knowledge.trusted
        knowledge.mark(trusted=True)
        assert knowledge.trusted
        assert knowledge.search("ferry")
    with (
        open_knowledge(server, "mail") as knowledge,
        open_knowledge(server, "mail", trusted=False) as careful,
    ):
        assert (knowledge.trusted, careful.trusted) == (True, False)


def test_collections_are_sharded_by_a_map(server: str, tmp_path: Path) -> None:
    """Each collection has its own place, and `at` finds it."""
    port = free_port()
    with served(tmp_path / "second", port):
        second = f"http://127.0.0.1:{port}"
        with open_knowledge({"north": server, "south": second}, "north") as north, north.at("south") as south:
            north.add(HARBOUR[:1])
            south.add(HARBOUR[1:])
            assert (north.where, south.where) == (server, second)
            assert (north.count(), south.count()) == (1, 2)
        with open_knowledge(second, "south") as south:
            assert south.count() == 2


def test_a_server_that_restarts_is_asked_again(tmp_path: Path) -> None:
    """Connections that broke are made anew; nobody has to open the knowledge again."""
    port = free_port()
    with served(tmp_path, port):
        knowledge = open_knowledge(f"http://127.0.0.1:{port}", config=Config(retries=0))
        knowledge.add(HARBOUR)
    with pytest.raises(ServerBusy, match="did not answer"):
        knowledge.search("ferry")
    with served(tmp_path, port):
        assert knowledge.search("Quorlan ferry", k=1)[0].passage.document == "ferry"
        knowledge.close()


def test_a_proxy_wants_its_token_and_may_be_out_of_order(proxy: Proxy) -> None:
    """The token goes along with every request, a 503 is asked again, and a token that changed is told."""
    url = f"http://127.0.0.1:{proxy.server_port}"
    with pytest.raises(PlaceUnusable, match="refused the token"):
        open_knowledge(url, "proxied", token="wrong")
    with open_knowledge(url, "proxied", token="right") as knowledge:
        proxy.refusals = 2
        assert knowledge.add(HARBOUR).counts == {"ingested": 3}
        proxy.refusals = 2
        assert knowledge.search("Quorlan ferry", k=1)[0].passage.document == "ferry"
        assert proxy.refusals == 0
        proxy.refusals = 99
        with pytest.raises(ServerBusy, match="503"):
            knowledge.search("ferry")
        proxy.refusals = 0
        proxy.token = "another"
        with pytest.raises(PlaceUnusable, match="refused the token"):
            knowledge.search("ferry")


async def test_many_searches_at_once_are_one_request(proxy: Proxy) -> None:
    """The queries of a plan's ready steps reach the server together."""
    url = f"http://127.0.0.1:{proxy.server_port}"
    knowledge = await asyncio.to_thread(open_knowledge, url, "batched", token="right")
    await asyncio.to_thread(knowledge.add, HARBOUR)
    proxy.asked.clear()
    queries = ["nine cranes", "Quorlan ferry", "fish market"]
    found = await asyncio.gather(*(knowledge.asearch(query, k=1) for query in queries))
    assert [hits[0].passage.document for hits in found] == ["cranes", "ferry", "market"]
    assert proxy.asked["query"] == 1
    knowledge.close()


def test_a_card_on_a_server_is_read_not_made(proxy: Proxy, tmp_path: Path) -> None:
    """Who ingests leaves the card with the collection; who reads it asks two small questions."""
    url = f"http://127.0.0.1:{proxy.server_port}"
    for document in HARBOUR:
        (tmp_path / f"{document.address}.txt").write_text(document.text)
    with open_knowledge(url, "carded", token="right") as knowledge:
        knowledge.ingest(tmp_path)
    with open_knowledge(url, "carded", token="right") as knowledge:
        proxy.asked.clear()
        card = knowledge.card()
        assert (card.documents, card.passages) == (3, 3)
        assert proxy.asked["get"] == 0
        assert sum(proxy.asked.values()) <= 4


def test_a_large_document_is_seen_whole_or_not_at_all(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that needs several writes shows with the last of them, and a writer that died leaves nothing to see."""
    monkeypatch.setattr(chroma, "FLOATS_PER_WRITE", 100 * 256)
    long = Document(
        "long", " ".join(f"Sentence {number} is about the tide at noon." for number in range(9000))
    )
    with open_knowledge(server, "large") as knowledge:
        knowledge.add([Document("short", "The tide is low at noon.")])
        seen: set[int] = set()
        done = threading.Event()

        def read() -> None:
            with open_knowledge(server, "large") as reader:
                while not done.is_set():
                    hits = reader.search("sentence about the tide at noon", k=100)
                    seen.add(len({hit.passage.document for hit in hits}))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            assert knowledge.add([long]).counts == {"ingested": 1}
        finally:
            done.set()
            thread.join()
        assert knowledge.count() > 900
        opening = next(row.opening for row in knowledge.documents() if row.document == "long")
        address = f"{server}/api/v2/tenants/default_tenant/databases/default_database/collections"
        collection = httpx.get(f"{address}/large").json()["id"]
        httpx.post(f"{address}/{collection}/delete", json={"ids": [opening]}).raise_for_status()
        assert {hit.passage.document for hit in knowledge.search("the tide at noon", k=100)} == {"short"}
        assert [row.document for row in knowledge.documents()] == ["short"]
        assert knowledge.add([long]).passages > 0
        assert "long" in {hit.passage.document for hit in knowledge.search("the tide at noon", k=100)}


@pytest.mark.parametrize(
    ("host", "outcome", "found"),
    [
        ("127.0.0.1", "ok", "listens on this machine"),
        ("0.0.0.0", "warn", "answers anybody who reaches it"),
    ],
)
def test_the_doctor_tells_who_may_reach_a_server(
    server: str, host: str, outcome: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chroma asks nobody who they are, which is fine on one's own machine only."""
    monkeypatch.setenv("AGENT_GRAPH_KNOWLEDGE", server.replace("127.0.0.1", host))
    (check,) = chroma_servers(read_settings())
    assert check.outcome == outcome
    assert found in check.found


def test_the_doctor_is_content_with_a_proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one that asks for a token the server is not open."""
    monkeypatch.setenv("AGENT_GRAPH_KNOWLEDGE", f"http://127.0.0.1:{proxy.server_port}")
    (check,) = chroma_servers(read_settings())
    assert check.found.endswith("asks for a token")


def test_a_map_in_the_settings_shards_collections(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings name the place of each collection; all of them are searched as one."""
    monkeypatch.setenv("AGENT_GRAPH_KNOWLEDGE", f"shard={server},*={tmp_path}")
    monkeypatch.setenv("AGENT_GRAPH_COLLECTION", "shard, rest")
    settings = read_settings()
    for name, text in (("shard", "Apples are red."), ("rest", "Pears are green.")):
        with open_default_knowledge(settings, name) as knowledge:
            knowledge.add([Document(f"{name}.txt", text)])
    both = find_knowledge(settings)
    assert both is not None
    with both:
        found = {hit.passage.document: hit for hit in both.search("colour of apples and pears")}
    assert set(found) == {"shard.txt", "rest.txt"}
    with open_knowledge(server, "shard") as shard:
        assert shard.count() == 1
