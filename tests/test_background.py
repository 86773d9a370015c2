"""Background work: real workers over a real PostgreSQL, one of them killed in the middle."""

import asyncio
import json
import signal
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from jobs_tools import TOOLS
from jobs_worker import KEY, UNKNOWN, Works, until, working
from stored import until_stored
from test_postgres import database, server  # noqa: F401  # fixtures
from typer.testing import CliRunner

from agent_graph import build_agent
from agent_graph.background.place import open_client, place_of
from agent_graph.background.presence import LOCKS
from agent_graph.background.questions import digest, read_questions
from agent_graph.background.workflows import TICK
from agent_graph.bootstrap import find_knowledge
from agent_graph.cli.app import app
from agent_graph.errors import MissingExtra, SettingsError, UserError
from agent_graph.evals import evaluate, load_questions
from agent_graph.settings import Settings
from retrieval import open_knowledge

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("background")]


PASSWORD = "a-password-that-is-not-asked-for"


def lines(path: Path, *records: object) -> str:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records))
    return str(path)


def asked(*questions: str) -> list[dict[str, str]]:
    return [{"question": one} for one in questions]


def run(works: Works, *arguments: str) -> Any:
    """Run a command of `agent-graph jobs` and return the document that it prints."""
    assert works.settings.jobs is not None
    env = {"AGENT_GRAPH_JOBS": works.settings.jobs.get_secret_value(), "AGENT_GRAPH_HOME": str(works.home)}
    done = CliRunner().invoke(app, ["jobs", *arguments, "--json"], env=env, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def works(server: "psycopg.Connection[Any]", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:  # noqa: F811
    """One worker for the stories in which nobody dies."""
    name = f"agent_graph_{uuid.uuid4().hex[:12]}"
    server.execute(f'CREATE DATABASE "{name}"')
    info = server.info
    known = {"host": info.host, "port": info.port, "user": info.user, "password": info.password or PASSWORD}
    url = f"postgresql:///{name}?{urlencode(known)}"
    with working(url, tmp_path_factory.mktemp("works"), workers=1) as opened:
        yield opened
    server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_killed_in_the_middle(database: str, tmp_path: Path, server: "psycopg.Connection[Any]") -> None:  # noqa: F811
    """Of two workers one is killed: the other ends its runs from their checkpoints, and no message is sent twice."""
    names = ["cut", *(f"friend{number}" for number in range(19))]
    file = tmp_path / "questions.jsonl"
    lines(file, *asked(*(f"write to {name}" for name in names)))
    thread = {"configurable": {"thread_id": f"batch/{digest(read_questions(file)[0])}"}}
    with working(database, tmp_path, workers=2) as works:
        told = run(works, "ask", str(file), "--name", "batch", "--approval", "never", "--max-replans", "0")
        assert told == {"name": "batch", "kind": "ask", "new": 20, "known": 0, "workers": 2}
        (line,) = until(lambda: [one for one in works.log if one[:2] == ["send", "cut@example.org"]])
        asyncio.run(until_stored(database, thread, "E1"))
        dead = works.workers[int(line[2])]
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        job = works.ended("batch")
        assert job.counts == {"answered": 20}
        said = {one.question.split()[-1]: one.answer for one in works.jobs.endings("batch")}
        assert (sorted(said), said["cut"]) == (sorted(names), UNKNOWN)
        sent = Counter(to.split("@")[0] for what, to, _ in works.log if what == "send")
        # What was about to be sent when the worker died is not sent again, and the answer says so.
        assert all(sent[name] == 1 or (sent[name] == 0 and said[name] == UNKNOWN) for name in names)
        assert works.did("look", "cut") == 1
        _lose_presence(server, database)
        (left,) = (one for one in works.workers.values() if one is not dead)
        assert left.wait(60) == 1
        assert any("was lost" in log.read_text() for log in tmp_path.glob("worker-*.log"))


def _lose_presence(server: "psycopg.Connection[Any]", database: str) -> None:  # noqa: F811
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND "
        "database = (SELECT oid FROM pg_database WHERE datname = %s)",
        (LOCKS, name),
    )


def test_how_questions_end(works: Works, tmp_path: Path) -> None:
    """A question is answered, waits on its thread for a person, or fails with its sentence; none stops the others."""
    file = lines(
        tmp_path / "q.jsonl", *asked("look up ann", "write to bob"), {"question": "look up eve", "id": 7}
    )
    run(works, "ask", file, "--name", "ends")
    run(works, "ask", lines(tmp_path / "other.jsonl", *asked("look up ann")), "-n", "bad", "-c", "no such !")
    assert works.ended("ends").counts == {"answered": 2, "needs approval": 1}
    assert works.ended("bad").counts == {"failed": 1}
    answers = tmp_path / "answers.jsonl"
    shown = run(works, "show", "ends", "--answers", str(answers))
    first, second, third = map(json.loads, answers.read_text().splitlines())
    assert (first["answer"], first["author"]) == ("It was done [E1].", "openai:test-model")
    assert [one["marker"] for one in first["citations"]] == ["E1"]
    assert (second["outcome"], second["thread"].split("/")[0]) == ("needs approval", "ends")
    assert works.did("send", "bob@example.org") == 0
    assert third["id"] == "7"
    assert [one["question"] for one in shown["endings"]] == ["look up ann", "write to bob", "look up eve"]
    (failed,) = run(works, "show", "bad")["endings"]
    assert "no such !" in failed["error"]


def test_the_same_lines_are_asked_once(works: Works, tmp_path: Path) -> None:
    """A file enqueued again under the same name adds only what is new in it; repeated lines are one question."""
    once = lines(tmp_path / "a.jsonl", *asked("look up otto", "look up emil", "look up otto"))
    assert run(works, "ask", once, "--name", "same")["new"] == 2
    works.ended("same")
    more = lines(tmp_path / "b.jsonl", *asked("look up anna", "look up emil", "look up otto"))
    told = run(works, "ask", more, "--name", "same")
    assert (told["new"], told["known"]) == (1, 2)
    assert works.ended("same").counts == {"answered": 3}
    assert [works.did("look", name) for name in ("otto", "emil", "anna")] == [1, 1, 1]


def test_a_job_is_cancelled(works: Works, tmp_path: Path) -> None:
    """What runs is cut off, what waits is never begun, and the worker goes on with other jobs."""
    questions = asked(*(f"wait for guest{number}" for number in range(5)))
    run(works, "ask", lines(tmp_path / "q.jsonl", *questions), "--name", "endless")
    until(lambda: works.jobs.job("endless").counts.get("running") == 3)
    begun = until(lambda: guests if len(guests := works.with_whom("wait")) == 3 else None)
    with pytest.raises(UserError, match=r"has not ended\. Cancel it first: agent-graph jobs cancel endless"):
        works.jobs.forget("endless")
    assert run(works, "cancel", "endless") == {"name": "endless", "cancelled": 5}
    until(lambda: works.with_whom("cancelled") == begun)
    assert works.jobs.job("endless").counts == {"cancelled": 5}
    run(works, "ask", lines(tmp_path / "after.jsonl", *asked("look up next")), "--name", "after")
    assert works.ended("after").counts == {"answered": 1}
    assert works.with_whom("wait") == begun


def test_an_ingest_is_repeated_one_at_a_time(works: Works, tmp_path: Path) -> None:
    """A schedule fires; while its run waits for the folder it fires again and again and begins no second run."""
    document = tmp_path / "charter.txt"
    document.write_text("The charter of Ryswick was granted in 1215.")
    with open_knowledge(works.home / "knowledge"):  # this process owns the folder now
        run(works, "ingest", str(tmp_path), "--name", "nightly", "--every", "* * * * * *")
        until(lambda: _ticks(works) >= 2)
        (running,) = (one for one in works.jobs.newest(50) if one.schedule == "nightly")
        assert running.open == 1
    done = works.ended(running.name)
    assert (done.kind, done.counts) == ("ingest", {"done": 1})
    assert works.jobs.ingested(running.name)["counts"] == {"ingested": 1}
    until(lambda: sum(one.schedule == "nightly" for one in works.jobs.newest(50)) > 1)
    (planned,) = run(works, "schedules")["schedules"]
    assert (planned["name"], planned["cron"], planned["order"]["paths"]) == (
        "nightly",
        "* * * * * *",
        [str(tmp_path)],
    )
    run(works, "unschedule", "nightly")
    run(works, "ingest", str(tmp_path), "--name", "yearly", "--every", "0 0 1 1 *")
    run(works, "trigger", "yearly")
    until(lambda: any(one.schedule == "yearly" for one in works.jobs.newest(50)))
    run(works, "unschedule", "yearly")
    assert run(works, "schedules")["schedules"] == []


def _ticks(works: Works) -> int:
    with open_client(place_of(works.settings)) as (client, _):
        return len(client.list_workflows(name=TICK, status="SUCCESS", schedule_name="nightly"))


def test_an_evaluation_reports_as_the_command_does(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report of a job is that of `agent-graph eval` on the same questions, times apart."""
    file = tmp_path / "questions.csv"
    file.write_text("question,answer\nlook up rudi,rudi@example.org\nlook up nobody,\n")
    run(works, "eval", str(file), "--name", "scored")
    assert works.ended("scored").counts == {"answered": 2}
    report = run(works, "show", "scored", "--out", str(tmp_path / "report"))["report"]
    assert sorted(one.name for one in (tmp_path / "report").iterdir()) == ["report.json", "report.md"]
    monkeypatch.setenv("JOBS_TEST_LOG", str(tmp_path / "tools.log"))
    with find_knowledge(works.settings, read_only=True) or nullcontext() as knowledge:
        agent = build_agent(tools=TOOLS, knowledge=knowledge, settings=works.settings)
        told = asyncio.run(evaluate(agent, load_questions(file), name=file.name))
    assert _untimed(report) == _untimed({**told.model_dump(mode="json"), "roles": told.roles})


def _untimed(report: Any) -> Any:
    """Return a report without the seconds in it."""
    if isinstance(report, dict):
        return {key: _untimed(value) for key, value in report.items() if "seconds" not in key}
    return [_untimed(one) for one in report] if isinstance(report, list) else report


def test_no_secret_is_kept(works: Works, tmp_path: Path) -> None:
    """Neither the model's key nor the database's password stands in any table of the queues."""
    run(works, "ask", lines(tmp_path / "q.jsonl", *asked("look up key")), "--name", "secrets")
    works.ended("secrets")
    url = works.settings.jobs
    assert url is not None
    with psycopg.connect(url.get_secret_value()) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'agent_graph_jobs'"
        ).fetchall()
        kept = "".join(
            str(connection.execute(f'SELECT * FROM agent_graph_jobs."{one}"').fetchall())  # type: ignore[arg-type]
            for (one,) in tables
        )
    assert "look up key" in kept
    password = psycopg.conninfo.conninfo_to_dict(url.get_secret_value())["password"]
    assert not any(secret in kept for secret in (KEY, str(password)))


def test_a_job_is_forgotten(works: Works, tmp_path: Path) -> None:
    """Of a forgotten job neither the queues nor the checkpoints know anything."""
    run(works, "ask", lines(tmp_path / "q.jsonl", *asked("look up past")), "--name", "past")
    works.ended("past")
    assert run(works, "forget", "past") == {"forgotten": 1}
    with pytest.raises(UserError, match="There is no job 'past'"):
        works.jobs.job("past")
    assert works.settings.jobs is not None
    with psycopg.connect(works.settings.jobs.get_secret_value()) as connection:
        found = connection.execute(
            "SELECT count(*) FROM checkpoints WHERE thread_id LIKE 'past/%'"
        ).fetchone()
    assert found == (0,)
    run(works, "forget", "--older", "0")


BAD = (
    '{"question": "fine"}\n{"question": " "}\nno json\n[1]\n{"question": "a", "id": "x"}\n'
    '{"question": "b", "id": "x"}\n{"question": "\\ud83d"}\n'
)


def test_a_bad_file_is_refused_whole(tmp_path: Path) -> None:
    """Every bad line is named at once; nothing is enqueued."""
    file = tmp_path / "bad.jsonl"
    file.write_text(BAD)
    with pytest.raises(UserError) as error:
        read_questions(file)
    said = str(error.value).splitlines()
    assert said[0] == "Nothing was enqueued; correct 'bad.jsonl':"
    assert [line.split(":")[0] for line in said[1:]] == [f"  line {number}" for number in (2, 3, 4, 6, 7)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing"], "There is no job 'nothing'"),
        (["cancel", "nothing"], "There is no job 'nothing'"),
        (["unschedule", "nothing"], "There is no schedule 'nothing'"),
        (["ingest", "a", "--every", "at noon"], "Invalid cron schedule"),
        (["ingest", "a", "--every", "0 3 * * *", "--timezone", "Mars"], "Invalid timezone"),
        (["ingest", "a", "--name", "no name"], "A job's name is"),
    ],
)
def test_a_mistake_is_explained(works: Works, arguments: Sequence[str], said: str) -> None:
    """What is not there, and what cannot be read, is answered with a sentence."""
    with pytest.raises(UserError, match=said):
        run(works, *arguments)


def test_without_an_address() -> None:
    """Without AGENT_GRAPH_JOBS the command says what to set."""
    with pytest.raises(SettingsError, match="AGENT_GRAPH_JOBS"):
        CliRunner().invoke(app, ["jobs", "list"], catch_exceptions=False)


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing listens, the error says where; the password is not in it."""
    monkeypatch.setenv("AGENT_GRAPH_JOBS", "postgresql://me:secret@127.0.0.1:1/db")
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1:1/db cannot be reached") as error:
        CliRunner().invoke(app, ["jobs", "list"], catch_exceptions=False)
    assert "secret" not in str(error.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error says which extra to install."""
    monkeypatch.setitem(sys.modules, "dbos", None)
    with pytest.raises(MissingExtra, match=r"agent-graph\[background\]"):
        place_of(Settings(_env_file=None, jobs="postgresql://127.0.0.1/db"))  # type: ignore[call-arg,arg-type]
