"""Every process of a divided agent sends its spans to the collector that OpenTelemetry's variables name."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from role_services import closed_port

from agent_graph.settings import read_settings

COMMAND = [sys.executable, "-m", "agent_graph"]


class Told(NamedTuple):
    """A span as the collector hears of it."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    began: int
    ended: int


class Collector(ThreadingHTTPServer):
    """Takes spans as OTLP over HTTP."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = {
                tag.value.string_value for tag in one.resource.attributes if tag.key == "service.name"
            }
            for span in (span for scope in one.scope_spans for span in scope.spans):
                ids = (span.trace_id, span.span_id, span.parent_span_id)
                times = (span.start_time_unix_nano, span.end_time_unix_nano)
                self.told.put(Told(service, span.name, *ids, *times))

    def until(self, *names: str) -> dict[str, Told]:
        """Wait until spans of these names have come, and return all of them."""
        heard: dict[str, Told] = {}
        while not heard.keys() >= set(names):
            one = self.told.get(timeout=60)
            heard[one.name] = one
        return heard


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        collector = self.server
        assert isinstance(collector, Collector)
        collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def started(environment: Mapping[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )


def test_graph_and_role_tell_one_trace(collector: Collector) -> None:
    """The run's span is that of the whole run: what either process does in it lies under it and within its time."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with started(environment, "role", "worker", "--port", "0") as worker:
        try:
            assert worker.stdout is not None
            url = worker.stdout.readline().split()[1]
            question = ("ask", "What is 6 * 7?", "--json")
            with started({**environment, "AGENT_GRAPH_WORKER_URLS": url}, *question) as asking:
                answer = json.loads(asking.communicate(timeout=120)[0])
            assert "42" in answer["answer"]["text"]
            spans = collector.until(
                "invoke_agent", "plan", "solve", "serve worker", "execute_tool calculator"
            )
        finally:
            worker.terminate()
            worker.wait(30)
    run, served = spans["invoke_agent"], spans["serve worker"]
    assert {one.trace for one in spans.values()} == {run.trace}
    assert {name for name, one in spans.items() if one.service == "agent-graph-worker"} == {
        "serve worker",
        "execute_tool calculator",
    }
    assert run.service == "agent-graph"
    assert run.parent == b""
    assert {spans[name].parent for name in ("plan", "solve")} == {run.id}
    assert served.parent == run.id
    assert spans["execute_tool calculator"].parent == served.id
    for one in (spans["plan"], spans["solve"]):
        assert run.began <= one.began <= one.ended <= run.ended


def test_a_collector_that_is_not_there_costs_no_answer() -> None:
    """The run goes on, and the process ends, without it."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": closed_port()}
    with started(environment, "ask", "What is 6 * 7?", "--json") as asking:
        assert "42" in json.loads(asking.communicate(timeout=120)[0])["answer"]["text"]
    assert asking.returncode == 0


@pytest.mark.parametrize(
    ("named", "to"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318/"}, "http://all:4318/v1/traces"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x",
            },
            "http://t/x",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
    ],
)
def test_where_spans_go(monkeypatch: pytest.MonkeyPatch, named: dict[str, str], to: str | None) -> None:
    """OpenTelemetry's own variables say it."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert read_settings().spans_to == to
