"""Background work: questions a second with one and with two workers, and how soon a killed worker's runs go on.

Throughput is that of a model that answers at once and of plans without a step: what is measured is the queue, the
checkpoints and the agent itself. For the takeover every question reads and writes; a worker is killed in the middle of
a batch, and the seconds are counted until none of its runs is left to it. Afterwards every line the tools left is
looked at.

    .venv/bin/python benchmarks/serving/jobs.py [--questions 300] [--kills 3] [--out benchmarks/results]

Needs PostgreSQL where databases may be made (AGENT_GRAPH_TEST_POSTGRES, else 127.0.0.1:5432). Ends with 1 when an
answer is missing or a word was written twice.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from agent_graph.background.assignment import Assignment
from agent_graph.background.jobs import Jobs, open_jobs
from agent_graph.settings import Settings
from agent_graph.testing import OpenAIServer
from benchmarks.serving.notes import NOTES, PACE
from benchmarks.serving.questions import question, reply, word
from deploy.processes import PYTHON, ROOT, NotStarted, answers, environment, free_port, process

SERVER = os.environ.get("AGENT_GRAPH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
CONCURRENCY = 8
MANY = 2_000
"""Questions that are enqueued without being asked, to see how long that takes."""
_LEFT = "SELECT count(*) FROM agent_graph_jobs.workflow_status WHERE status = 'PENDING' AND executor_id = %s"
_WHOSE = "SELECT executor_id FROM agent_graph_jobs.workflow_status WHERE status = 'PENDING' GROUP BY 1 HAVING count(*) > 2"
_WHO = "SELECT DISTINCT executor_id FROM agent_graph_jobs.workflow_status WHERE executor_id IS NOT NULL"


def replied(body: dict[str, Any]) -> str:
    """Play the model: at once, without a step, unless the question holds a word to write down."""
    prompt = json.dumps(body["messages"])
    if "word-" in prompt:
        return reply(body)
    return "Done." if "The plan that was run" in prompt else "Plan: nothing."


class House:
    """A database, a model, and workers that come and go."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.notes = folder / "notes"
        self.notes.touch()
        self.folder = folder
        self.url = stack.enter_context(database())
        model = stack.enter_context(OpenAIServer(replied, models=["test-model"]))
        self.env = environment(
            AGENT_GRAPH_HOME=str(folder),
            AGENT_GRAPH_WEB="off",
            AGENT_GRAPH_JOBS=self.url,
            OPENAI_BASE_URL=model.base_url,
        ) | {"OPENAI_API_KEY": "unused", NOTES: str(self.notes), PACE: "0.2", "PYTHONPATH": str(ROOT)}
        settings = Settings(_env_file=None, jobs=self.url)  # type: ignore[call-arg,arg-type]
        self.jobs: Jobs = stack.enter_context(open_jobs(settings))

    @contextmanager
    def worker(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a worker, ready to work."""
        port = free_port()
        options = ["--concurrency", str(CONCURRENCY), "--port", str(port), "--drain", "5"]
        command = [PYTHON, "-m", "agent_graph", "jobs", "work", *options]
        tools = ["--tools", "benchmarks.serving.notes:tools"]
        ready = f"http://127.0.0.1:{port}/ready"
        log = self.folder / f"{name}.log"
        with process(name, [*command, *tools], lambda: answers(ready), log=log, env=self.env) as started:
            yield started

    def asked(self, name: str, questions: Mapping[str, str]) -> None:
        """Enqueue questions by their ids."""
        context = {"approval": "never", "max_replans": 0}
        self.jobs.ask(
            name,
            [Assignment(id=key, question=one, context=context) for key, one in questions.items()],
            kind="ask",
        )

    def ended(self, name: str) -> float:
        """Wait until a job has ended, and return the moment."""
        until(lambda: not self.jobs.job(name).open, every=0.1)
        return time.monotonic()


def until(there: Callable[[], Any], *, every: float = 0.02, most: float = 300) -> None:
    """Look until something is so."""
    deadline = time.monotonic() + most
    while not there():
        if time.monotonic() > deadline:
            raise NotStarted("it took more than five minutes")
        time.sleep(every)


@contextmanager
def database() -> Iterator[str]:
    """Make an empty database, yield its address, and remove it."""
    name = f"jobs_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        info = server.info
        try:
            yield f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{name}"
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def enqueueing(house: House) -> dict[str, Any]:
    """Enqueue many questions at once, then cancel them."""
    begun = time.monotonic()
    house.asked("many", {str(number): f"Question {number}?" for number in range(MANY)})
    took = time.monotonic() - begun
    house.jobs.cancel("many")
    return {"questions enqueued a second": round(MANY / took)}


def throughput(house: House, workers: int, questions: int) -> dict[str, Any]:
    """Ask questions that need no tool of so many workers."""
    with ExitStack() as stack:
        for number in range(workers):
            stack.enter_context(house.worker(f"of-{workers}-{number}"))
        house.asked(f"warm-{workers}", {str(number): "Warm?" for number in range(2 * CONCURRENCY)})
        house.ended(f"warm-{workers}")
        begun = time.monotonic()
        house.asked(f"flow-{workers}", {str(number): f"How, {number}?" for number in range(questions)})
        took = house.ended(f"flow-{workers}") - begun
        counts = house.jobs.job(f"flow-{workers}").counts
    return {
        f"questions a second, {workers} worker{'s' * (workers > 1)}": round(questions / took, 1),
        "answered": counts,
    }


def takeover(house: House, number: int) -> dict[str, Any]:
    """Kill one of two workers in the middle of a batch; return how soon its runs were taken up, and what was lost."""
    name, count = f"killed-{number}", 60
    words = [word(number, 0, turn) for turn in range(count)]
    with ExitStack() as stack, psycopg.connect(house.url, autocommit=True) as asking:
        before = {one for (one,) in asking.execute(_WHO)}
        doomed = stack.enter_context(house.worker(f"doomed-{number}"))
        house.asked(f"first-{number}", {"0": "Who is there?"})
        house.ended(f"first-{number}")
        (executor,) = {one for (one,) in asking.execute(_WHO)} - before
        stack.enter_context(house.worker(f"heir-{number}"))
        house.asked(name, {one: question(one) for one in words})
        until(lambda: executor in {one for (one,) in asking.execute(_WHOSE)})
        until(lambda: house.jobs.job(name).counts.get("answered", 0) >= count // 4)
        until(lambda: executor in {one for (one,) in asking.execute(_WHOSE)})
        doomed.kill()
        killed = time.monotonic()
        (held,) = asking.execute(_LEFT, (executor,)).fetchone() or (0,)
        until(lambda: asking.execute(_LEFT, (executor,)).fetchone() == (0,))
        taken = time.monotonic() - killed
        house.ended(name)
        counts = house.jobs.job(name).counts
    written = [line.split()[1] for line in house.notes.read_text().splitlines() if line.startswith("noted")]
    return {
        "runs that the killed worker held": held,
        "seconds until they were taken up": round(taken, 2),
        "answered": counts.get("answered", 0),
        "asked": count,
        "words written twice": sum(written.count(one) > 1 for one in words),
        "words never written": sum(one not in written for one in words),
    }


def measure(questions: int, kills: int) -> dict[str, Any]:
    """Measure everything, over one database."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        house = House(stack, Path(folder))
        load = os.getloadavg()[0]
        rates = [throughput(house, workers, questions) for workers in (1, 2)]
        killed = [takeover(house, number) for number in range(kills)]
        found = {key: value for one in rates for key, value in one.items() if key != "answered"}
        seconds = [one["seconds until they were taken up"] for one in killed]
        return {
            **enqueueing(house),
            **found,
            "questions at a time in each worker": CONCURRENCY,
            "questions asked for each of these": questions,
            "questions answered": sum(one["answered"].get("answered", 0) for one in rates),
            "workers killed": kills,
            "runs that they held": sum(one["runs that the killed worker held"] for one in killed),
            "seconds until taken up, median": statistics.median(seconds),
            "seconds until taken up, longest": max(seconds),
            "questions asked while workers were killed": sum(one["asked"] for one in killed),
            "answered of these": sum(one["answered"] for one in killed),
            "words written twice": sum(one["words written twice"] for one in killed),
            "words never written": sum(one["words never written"] for one in killed),
            "load of the machine before": round(load, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results")
    options = parser.parse_args()
    try:
        found = measure(options.questions, options.kills)
    except (NotStarted, psycopg.OperationalError) as error:
        sys.exit(f"Nothing was measured: {error}")
    text = "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in found.items())])
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "jobs.json").write_text(json.dumps(found, indent=1) + "\n")
    told = (
        f"# Background work on PostgreSQL\n\n{text}\n\nOn {os.cpu_count()} processors, with the model, the database and "
        "the client on them too. A load above their number means that others used them. Made by "
        "`benchmarks/serving/jobs.py`.\n"
    )
    (options.out / "jobs.md").write_text(told)
    whole = (
        found["questions answered"] == 2 * options.questions
        and found["answered of these"] == found["questions asked while workers were killed"]
    )
    sys.exit(not whole or bool(found["words written twice"]))


if __name__ == "__main__":
    main()
