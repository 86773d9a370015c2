"""The same knowledge over a real Chroma server, shared by several processes."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from retrieval import Document, open_knowledge
from retrieval.errors import BadRequest, EmbeddingMismatch, PlaceUnusable

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    chroma = Path(sys.executable).with_name("chroma")
    command = [str(chroma), "run", "--path", str(tmp_path_factory.mktemp("chroma")), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport, timeout=30) as client:
            client.get(f"{url}/api/v2/heartbeat").raise_for_status()
        yield url
        process.terminate()


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
