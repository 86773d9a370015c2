"""The default tools, and the reasons why some are missing."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import open_knowledge
from tools import offer
from tools.catalog import Catalog, default_tools
from tools.web_search import make_web_search
from tools.wikipedia import make_wikipedia


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    offer.reachable.cache_clear()
    yield
    offer.reachable.cache_clear()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_without_knowledge_and_web_there_is_still_arithmetic_and_time() -> None:
    """What is missing is named with one sentence on what to do."""
    offered = default_tools(web="off")
    assert [tool.name for tool in offered.tools] == ["calculator", "clock"]
    assert offered.absent == {
        "search_documents": "there is no knowledge to search: ingest documents first",
        "web_search": "web tools are switched off",
        "wikipedia": "web tools are switched off",
    }


def test_every_default_tool_says_what_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All five stand in a catalogue: marked as reads, with an example that names the tool."""
    monkeypatch.setattr(offer, "reachable", frozenset)
    with open_knowledge(tmp_path) as knowledge:
        catalog = Catalog(default_tools(knowledge, passages=3).tools)
    assert list(catalog) == ["search_documents", "calculator", "clock", "web_search", "wikipedia"]
    for name, spec in catalog.items():
        assert spec.effects == "reads"
        assert spec.returns
        assert all(example.startswith(f"{name}(") for example in spec.examples)
    assert catalog.fallback("web_search") is catalog["wikipedia"]
    assert catalog["search_documents"].properties["k"]["default"] == 3


def test_a_package_that_is_not_there_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the command that mends it."""
    monkeypatch.setattr(offer, "reachable", frozenset)
    monkeypatch.setattr(offer, "_WEB", {"web_search": ("no_such_package", "localhost", make_web_search)})
    absent = default_tools().absent["web_search"]
    assert absent.endswith("not installed; install it with: pip install 'agent-graph[web]'")


@pytest.mark.usefixtures("no_proxy")
def test_hosts_that_answer_are_told_from_those_that_do_not(listener: socket.socket) -> None:
    """One connection tells; the reserved name resolves nowhere."""
    port = listener.getsockname()[1]
    assert offer.reachable(("127.0.0.1", "host.invalid"), port=port) == {"127.0.0.1"}


@pytest.mark.usefixtures("no_proxy")
def test_the_answer_is_kept_for_the_process(listener: socket.socket) -> None:
    """A second look connects nowhere."""
    port = listener.getsockname()[1]
    assert offer.reachable(("127.0.0.1",), port=port)
    listener.close()
    assert offer.reachable(("127.0.0.1",), port=port)
    assert not offer.reachable(("127.0.0.1", "127.0.0.1"), port=port)


@pytest.mark.usefixtures("no_proxy")
def test_behind_a_proxy_it_is_the_proxy_that_has_to_answer(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests would go through it, so the probe asks it."""
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert offer.reachable(("host.invalid",)) == {"host.invalid"}


@pytest.mark.usefixtures("no_proxy")
def test_a_host_that_does_not_answer_makes_its_tool_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the host."""
    monkeypatch.setattr(offer, "_WEB", {"wikipedia": ("wikipedia", "host.invalid", make_wikipedia)})
    assert default_tools().absent["wikipedia"] == "no network: cannot reach host.invalid"
