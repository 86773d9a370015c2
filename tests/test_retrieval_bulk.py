"""An ingest on Ray stores what an ingest in one process stores, whoever dies meanwhile."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bulk_parts import Deadly, Locked, Small, Unmakeable, Versioned, Wrong, unversioned
from langchain_core.embeddings import Embeddings
from test_retrieval_server import free_port, served

from agent_graph.cli import main
from retrieval import Cluster, Knowledge, embeddings_from, open_knowledge
from retrieval.engines.travel import maker
from retrieval.errors import BadRequest, EmbeddingsFailed, EngineFailed, EngineMissing
from retrieval.reading import Reading
from retrieval.stores.manifest import versions

ROOT = Path(__file__).parent.parent
FILES = ROOT / "tests" / "documents" / "files"
ONE = Cluster(actors=1)
TWO = Cluster(actors=2)

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("ray")]


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with served(tmp_path_factory.mktemp("chroma"), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def ray() -> Iterator[str]:
    """A Ray of two processors that outlives the ingests of these tests, and its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        import ray

        started = ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            configure_logging=False,
            log_to_driver=False,
            object_store_memory=100 * 2**20,
        )
        yield str(started.address_info["gcs_address"])
        ray.shutdown()


def held(knowledge: Knowledge) -> dict[str, set[str]]:
    return dict(knowledge.store.held([row.document for row in knowledge.documents()]))


def notes(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.txt").write_text(f"Beacon {number} stands on rock {number}.")
    return folder


def test_actors_store_what_one_process_stores(ray: str, chroma: str) -> None:
    """Every file ends with the same word and the same reason, with equal passages and vectors; then all is unchanged."""
    with open_knowledge(chroma, "here") as here, open_knowledge(chroma, "there") as there:
        reports = [
            here.ingest(FILES, root=FILES),
            there.ingest(FILES, root=FILES, engine=TWO),
        ]
        assert reports[0].entries == reports[1].entries
        assert len(reports[0].skipped) == 8
        assert held(here) == held(there)
        ids = set().union(*held(here).values())
        one, other = here.store.vectors(ids), there.store.vectors(ids)
        assert all(np.allclose(one[key], other[key]) for key in ids)
        again = there.ingest(FILES, root=FILES, engine=TWO)
        assert again.counts == {"unchanged": reports[0].counts["ingested"], "skipped": 8}


def test_a_killed_ingest_goes_on_where_it_was(ray: str, chroma: str, tmp_path: Path) -> None:
    """After kill -9 of the one who writes, nothing is half; the next one reads only what is missing."""
    folder = notes(tmp_path / "notes", 300)
    command = [sys.executable, str(ROOT / "tests" / "bulk_run.py"), chroma, "killed", str(folder), ray]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as driver:
        assert driver.stdout
        assert driver.stdout.readline() == "kept\n"
        os.kill(driver.pid, signal.SIGKILL)
    with open_knowledge(chroma, "killed") as knowledge:
        stored = held(knowledge)
        assert 1 <= len(stored) < 300
        assert all(version.whole for ids in stored.values() for version in versions(ids))
        counts = knowledge.ingest(folder, root=folder, engine=ONE).counts
        assert counts == {"unchanged": len(stored), "ingested": 300 - len(stored)}
        assert len(held(knowledge)) == 300


def test_an_actor_that_dies_is_replaced(ray: str, tmp_path: Path) -> None:
    """Its file is read again by another; one over which all die is skipped, and the rest of the folder is there."""
    folder = notes(tmp_path / "notes", 20)
    (folder / "005.once").write_text(str(tmp_path / "it was killed"))
    (folder / "010.always").write_text("poison")
    reading = Reading(loaders={".once": "bulk_parts:once", ".always": "bulk_parts:always"})
    with open_knowledge(tmp_path / "knowledge", embeddings=Small()) as knowledge:
        report = knowledge.ingest(folder, root=folder, engine=TWO, reading=reading)
        assert [entry.document for entry in report.entries] == sorted(file.name for file in folder.iterdir())
        assert [(entry.document, entry.reason) for entry in report.skipped] == [
            ("010.always", "3 processes that were to read it died, one after the other")
        ]
        texts = [hit.passage.text for hit in knowledge.search("second try", filters={"document": "005.once"})]
        assert texts == ["005.once was read at the second try."]
        assert knowledge.card().documents == 21


@pytest.mark.parametrize(("hook", "here"), [(unversioned, True), (Versioned(), False)])
def test_a_hook_with_a_version_runs_where_files_are_read(
    ray: str, tmp_path: Path, hook: Any, here: bool
) -> None:
    """One without may remember what it saw: it is called in this process, in order."""
    folder = notes(tmp_path / "notes", 3)
    with open_knowledge(tmp_path / "knowledge", embeddings=Small()) as knowledge:
        knowledge.ingest(folder, redact=hook, engine=ONE)
        texts = [hit.passage.text for hit in knowledge.search("beacon", k=3)]
        ran = {int(number) for text in texts for number in re.findall(r"\((\d+)\)", text)}
        assert len(texts) == 3
        assert ran
        assert (ran == {os.getpid()}) is here
        assert (os.getpid() in ran) is here


def test_embeddings_that_cannot_be_sent_stay_here(
    ray: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Files are read by actors all the same, and a log line says what is not done by them."""
    folder = notes(tmp_path / "notes", 3)
    with open_knowledge(tmp_path / "knowledge", embeddings=Locked()) as knowledge:
        assert knowledge.ingest(folder, engine=ONE).counts == {"ingested": 3}
    assert "'locked' cannot be sent to other processes" in caplog.text


def test_a_client_is_made_anew_where_it_arrives() -> None:
    """Embeddings of a provider hold sockets; they travel as what they were made from, key included."""
    sent = embeddings_from("openai:small", base_url="http://127.0.0.1:9/v1", api_key="a key")
    make = maker(sent)
    assert make is not None
    made: Any = make()
    assert (made.model, made.openai_api_base) == ("small", "http://127.0.0.1:9/v1")
    assert made.openai_api_key.get_secret_value() == "a key"
    assert not made.check_embedding_ctx_length


@pytest.mark.parametrize(
    ("embeddings", "error", "told"),
    [
        (Deadly(), EngineFailed, "^Actors on Ray die over embedding with 'deadly'"),
        (Wrong(), EmbeddingsFailed, "^The embeddings 'wrong' returned 1 vectors for 2 texts"),
        (Unmakeable(), EngineFailed, "There are no embeddings called 'a model that only the sender has'"),
    ],
)
def test_what_no_actor_survives_ends_the_ingest(
    ray: str, tmp_path: Path, embeddings: Embeddings, error: type[Exception], told: str
) -> None:
    """It is told with its cause; what was ingested before is kept, and without Ray the rest can follow."""
    folder = notes(tmp_path / "notes", 3)
    with open_knowledge(tmp_path / "knowledge", embeddings=embeddings) as knowledge:
        knowledge.ingest(folder / "000.txt")
        with pytest.raises(error, match=told):
            knowledge.ingest(folder, engine=ONE)
        assert knowledge.ingest(folder).counts == {"unchanged": 1, "ingested": 2}


def test_a_hook_that_is_interrupted_ends_the_actors(ray: str, tmp_path: Path) -> None:
    """Ctrl-C leaves whole documents, no thread and no actor; the processors are free for the next ingest."""
    folder = notes(tmp_path / "notes", 30)
    calls = iter(range(100))

    def impatient(text: str) -> str:
        if next(calls) == 9:
            raise KeyboardInterrupt
        return text

    with open_knowledge(tmp_path / "knowledge", embeddings=Small()) as knowledge:
        with pytest.raises(KeyboardInterrupt):
            knowledge.ingest(folder, redact=impatient, engine=TWO)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]
        assert knowledge.ingest(folder, engine=TWO).counts == {"ingested": 30}


def test_a_cluster_that_has_no_room_is_told(ray: str, tmp_path: Path) -> None:
    """An actor that cannot be started is not waited for without end."""
    folder = notes(tmp_path / "notes", 1)
    with (
        open_knowledge(tmp_path / "knowledge") as knowledge,
        pytest.raises(EngineFailed, match=r"started no actor in 0\.5 s"),
    ):
        knowledge.ingest(folder, engine=Cluster(cpus=64, start_timeout_s=0.5))


def test_a_second_ray_in_one_program_is_refused(ray: str, tmp_path: Path) -> None:
    """Ray connects a program to one cluster: an address is an error where another one is in use."""
    with (
        open_knowledge(tmp_path / "knowledge") as knowledge,
        pytest.raises(BadRequest, match="connected to a Ray already"),
    ):
        knowledge.ingest(notes(tmp_path / "notes", 1), engine=Cluster(address=ray))


def test_the_command_line_takes_an_engine(
    ray: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`agent-graph ingest --engine ray` reports as ever; options of Ray without it are wrong usage."""
    folder = notes(tmp_path / "notes", 3)
    assert main(["ingest", str(folder), "--engine", "ray", "--actors", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["ingested"] == 3
    assert main(["ingest", str(folder), "--actors", "1"]) == 2
    assert "--engine ray" in capsys.readouterr().err


def test_an_address_where_nobody_listens_is_told_at_once(tmp_path: Path) -> None:
    """Ray itself would ask for minutes."""
    code = (
        "from retrieval import Cluster, open_knowledge\n"
        f"with open_knowledge({str(tmp_path / 'knowledge')!r}) as knowledge:\n"
        f"    knowledge.ingest({__file__!r}, engine=Cluster(address='127.0.0.1:{free_port()}'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert "EngineFailed: No Ray cluster answers at 127.0.0.1:" in told.stderr


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else of an ingest needs it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    folder = notes(tmp_path / "notes", 1)
    with open_knowledge(tmp_path / "knowledge") as knowledge:
        with pytest.raises(EngineMissing, match=r"pip install 'agent-graph\[bulk\]'"):
            knowledge.ingest(folder, engine="ray")
        assert knowledge.ingest(folder, engine="local").counts == {"ingested": 1}


def test_only_known_engines_are_taken(tmp_path: Path) -> None:
    """A name that is none, and a cluster of no actors, are refused at once."""
    folder = notes(tmp_path / "notes", 1)
    with (
        open_knowledge(tmp_path / "knowledge") as knowledge,
        pytest.raises(BadRequest, match="no engine 'spark'"),
    ):
        knowledge.ingest(folder, engine="spark")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="at least one actor"):
        Cluster(actors=0)


@pytest.mark.parametrize(
    ("cluster", "size"),
    [
        (Cluster(), 8),
        (Cluster(cpus=2), 4),
        (Cluster(gpus=1), 2),
        (Cluster(gpus=0.5, cpus=4), 2),
        (Cluster(cpus=16), 1),
        (Cluster(actors=3), 3),
    ],
)
def test_a_cluster_is_filled(cluster: Cluster, size: int) -> None:
    """As many actors as there is room for, by what is scarcest; never none."""
    assert cluster.size({"CPU": 8.0, "GPU": 2.0}) == size
