"""Runs that are killed: forked children of one warm process, each a real process that dies by SIGKILL.

Started by test_crash.py as `python crash_run.py URL FOLDER OPTIONS`; prints what was observed as JSON and judges
nothing. `{case}` in the URL is replaced, so that each case has a database of its own.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import select
import signal
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool, tool
from stored import stored
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph import Agent, Context, build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.errors import ThreadBusy
from agent_graph.evidence import Evidence
from agent_graph.testing import ScriptedModel

PLAN = """Plan: read the start, follow both sides, act on what they say, then read what came of it.
#E1 = read(name="a", text="")  # the start
#E2 = read(name="b", text="#E1")  # one side
#E3 = read(name="c", text="#E1")  # the other side
#E4 = read(name="d", text="#E2 #E3")  # both together
#E5 = act(name="e", text="#E4")  # the one step that changes something
#E6 = read(name="f", text="#E5")  # what came of it
#E7 = read(name="g", text="#E4")  # the same place again, afterwards
#E8 = read(name="h", text="#E6 #E7")  # all of it
"""
UNKNOWN = "It is not known whether the change was made."
TASK = {"task": "What came of it?"}
TOOL_SECONDS = (0.01, 0.08)
PLAN_PACE = {"chunk_size": 20, "characters_per_second": 4000}
"""Slow enough for the first steps to end while the last ones are being written."""


freed = AsyncRetrying(
    retry=retry_if_exception_type(ThreadBusy),
    stop=stop_after_delay(10),
    wait=wait_fixed(0.005),
    reraise=True,
)
"""Calls again while the thread is busy: a server needs a moment to see that its client was killed."""


class Case(NamedTuple):
    """One run that is to die, and all that it leaves behind."""

    number: int
    url: str
    folder: Path
    eager: bool
    seed: int
    strike: str
    """When to kill: at a "moment" of the run, or within a millisecond after the step that writes "acted"."""

    @property
    def thread(self) -> Any:
        return {"configurable": {"thread_id": f"crash {self.number}"}}

    @property
    def context(self) -> Context:
        return Context(approval="never", max_replans=0, eager=self.eager)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.number}.log"


def tools_of(case: Case, life: int, acted: int | None = None) -> list[BaseTool]:
    """Return the tools, which write what they do into the case's log before they go on."""
    log = os.open(case.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def trace(name: str, text: str, done: str) -> str:
        os.write(log, f"{life} begin {name}\n".encode())
        await asyncio.sleep(random.Random(f"{case.seed} {life} {name}").uniform(*TOOL_SECONDS))
        os.write(log, f"{life} {done} {name}\n".encode())
        return f"{name}({text})"

    @tool
    async def read(name: str, text: str) -> str:
        """Read a place."""
        return await trace(name, text, "end")

    @tool
    async def act(name: str, text: str) -> str:
        """Change something, once."""
        value = await trace(name, text, "acted")
        if acted is not None:
            os.write(acted, b"!")
        return value

    return [read, act]


def reply(messages: list[BaseMessage]) -> str:
    """Answer with the value of the last step as the prompt has it, as a solver would."""
    prompt = "\n".join(str(message.text) for message in messages)
    found = [line for line in prompt.splitlines() if "h(" in line]
    return f"It came to {found[0][found[0].index('h(') :].strip()} [E8]." if found else UNKNOWN


def agent_of(case: Case, saver: Any, tools: list[BaseTool]) -> Agent:
    planner = ScriptedModel({"Question: ": PLAN}, **PLAN_PACE)
    return build_agent(
        models={"planner": planner, "solver": ScriptedModel(reply)},
        tools=tools,
        effects={"read": "reads", "act": "writes"},
        checkpointer=saver,
    )


async def first_life(case: Case, begun: int, acted: int) -> None:
    """Run until killed."""
    async with open_checkpointer(case.url) as saver:
        agent = agent_of(case, saver, tools_of(case, 1, acted))
        os.write(begun, b"!")
        await agent.ainvoke(TASK, case.thread, context=case.context)


async def second_life(case: Case) -> dict[str, Any]:
    """Look at what reached the checkpointer, then resume to the end, or start when there is nothing to resume."""
    async with open_checkpointer(case.url) as saver:
        agent = agent_of(case, saver, tools_of(case, 2))
        kept = {one.step: one.model_dump(mode="json") for one in await stored(agent, case.thread, Evidence)}
        state = await agent.aget_state(case.thread)
        # Not `state.next`: it is empty too when a node has ended and the checkpoint after it was not stored.
        waiting = {one.name for one in state.tasks}
        if waiting and waiting <= {"__start__", "intake"}:
            # What the run was started with is kept by its first node; before that, it is given again.
            await freed(agent.ainvoke, None, case.thread, context=case.context)
        elif waiting:
            await freed(agent.ainvoke, None, case.thread)
        elif not state.values:
            await freed(agent.ainvoke, TASK, case.thread, context=case.context)
        values = (await agent.aget_state(case.thread)).values
        evidence = {key: one.model_dump(mode="json") for key, one in values["evidence"].items()}
        return {
            "kept": kept,
            "waiting": sorted(waiting),
            "evidence": evidence,
            "answer": values["answer"].text,
        }


def fork(work: Callable[[], Coroutine[Any, Any, Any]], result: int | None = None) -> int:
    """Run a coroutine in a child process and return its id; what it returns goes into `result` as JSON."""
    pid = os.fork()
    if pid:
        return pid
    try:
        told = asyncio.run(work())
        if result is not None:
            os.write(result, json.dumps(told).encode())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def run_and_kill(case: Case, seconds: float) -> dict[str, Any]:
    """Start a run, kill it `seconds` after it began or acted, and let another process finish it."""
    begun, tell_begun = os.pipe()
    acted, tell_acted = os.pipe()
    pid = fork(lambda: first_life(case, tell_begun, tell_acted))
    os.close(tell_begun)
    os.close(tell_acted)
    select.select([begun if case.strike == "moment" else acted], [], [])
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(begun)
    os.close(acted)
    return {**vars_of(case), "seconds": round(seconds, 5), "killed": os.WIFSIGNALED(status)} | finish(case)


def finish(case: Case) -> dict[str, Any]:
    """Let a second process end the run, and return what it found and what both wrote into the log."""
    read_end, write_end = os.pipe()
    pid = fork(lambda: second_life(case), write_end)
    os.close(write_end)
    with os.fdopen(read_end) as told:
        text = told.read()
    _, status = os.waitpid(pid, 0)
    log = case.log.read_text().splitlines() if case.log.exists() else []
    return {"failed": bool(status), **json.loads(text or "{}"), "log": log}


def vars_of(case: Case) -> dict[str, Any]:
    return {"number": case.number, "eager": case.eager, "seed": case.seed, "strike": case.strike}


def undisturbed(case: Case) -> dict[str, Any]:
    """Run to the end in a process of its own; return what came of it and how long it took."""
    begun, tell = os.pipe()
    pid = fork(lambda: first_life(case, tell, tell))
    os.close(tell)
    os.read(begun, 1)
    started = time.perf_counter()
    while os.read(begun, 1):  # until the process has closed it
        pass
    seconds = time.perf_counter() - started
    os.waitpid(pid, 0)
    os.close(begun)
    return {"seconds": seconds, **finish(case)}


def moments(count: int, duration: float, seed: int) -> list[float]:
    """Return `count` moments spread evenly over a run, each at a random place of its share."""
    chance = random.Random(seed)
    return [(place + chance.random()) * duration / count for place in range(count)]


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("url")
    asked.add_argument("folder", type=Path)
    asked.add_argument("--eager", action="store_true")
    asked.add_argument("--strike", choices=["moment", "acted"], default="moment")
    asked.add_argument("--kills", type=int, default=30)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--at-once", type=int, default=4)
    given = asked.parse_args()

    def case(number: int) -> Case:
        url = given.url.replace("{case}", str(number))
        return Case(number, url, given.folder, given.eager, given.seed + number, given.strike)

    warm_up(case(-1))
    whole = side_by_side(
        undisturbed, [(case(-2 - number),) for number in range(given.at_once)], given.at_once
    )
    duration = statistics.median(one["seconds"] for one in whole)
    length = duration if given.strike == "moment" else 0.001
    kills = [
        (case(number), seconds) for number, seconds in enumerate(moments(given.kills, length, given.seed))
    ]
    random.Random(given.seed).shuffle(kills)
    killed = side_by_side(run_and_kill, kills, given.at_once)
    json.dump({"seconds": duration, "whole": whole[0], "killed": killed}, sys.stdout)


def warm_up(case: Case) -> None:
    """Run once, so that children find imported what a run imports late."""
    hear, tell = os.pipe()
    asyncio.run(first_life(case, tell, tell))
    assert threading.active_count() == 1, "a fork copies no threads"
    os.close(hear)
    os.close(tell)
    gc.collect()
    gc.freeze()


def side_by_side(
    work: Callable[..., dict[str, Any]], given: Sequence[tuple[Any, ...]], at_once: int
) -> list[dict[str, Any]]:
    """Call `work` with each of `given`, in `at_once` processes, and return all that it returned."""
    readers = []
    for share in range(at_once):
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            os.close(read_end)
            try:
                with os.fdopen(write_end, "w") as out:
                    json.dump([work(*one) for one in given[share::at_once]], out)
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        os.close(write_end)
        readers.append(read_end)
    told: list[dict[str, Any]] = []
    for reader in readers:
        with os.fdopen(reader) as told_by:
            told += json.load(told_by)
    for _ in readers:
        os.wait()
    return told


if __name__ == "__main__":
    main()
