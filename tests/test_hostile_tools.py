"""Tools that hang, flood, break or lie: their own step says so, and the run ends in time with the rest of it."""

import asyncio
import dataclasses
import enum
import gc
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel

from agent_graph import Context, build_agent
from agent_graph.evidence import Evidence
from agent_graph.testing import ScriptedModel

Code = Callable[[], Any]

both = pytest.mark.parametrize("asynchronous", [False, True], ids=["in a thread", "asynchronous"])


def good() -> str:
    """Work as it should."""
    return "good"


def tool_of(code: Code, asynchronous: bool = False) -> BaseTool:
    """Return a tool with this code, as a function or as a coroutine."""

    async def run() -> Any:
        return code()

    if asynchronous:
        return StructuredTool.from_function(coroutine=run, name="hostile", description="Does harm.")
    return StructuredTool.from_function(code, name="hostile", description="Does harm.")


async def outcome_of(hostile: Any, *, step_timeout_s: float = 60) -> Evidence:
    """Run a hostile tool beside a good one, which must not notice, and return the hostile step's evidence."""
    tools = [hostile, good]
    model = ScriptedModel(["#E1 = hostile()\n#E2 = good()", "Done [E2]."])
    agent = build_agent(models=model, tools=tools, effects={"hostile": "reads", "good": "reads"})
    context = Context(max_replans=0, retries=0, step_timeout_s=step_timeout_s)
    result = await agent.ainvoke({"task": "go"}, context=context)
    assert result["evidence"]["E2"].value == "good"
    assert result["answer"].text == "Done [E2]."
    evidence: Evidence = result["evidence"]["E1"]
    return evidence


class Size(enum.IntEnum):
    SMALL = 1


class Person(BaseModel):
    name: str = "Ann"


@dataclasses.dataclass
class Point:
    x: int = 1


class Count(int):
    """A whole number of a class of its own; a range looks for it by comparing every one of its members."""


class Lazy(str):
    def __str__(self) -> str:
        raise RuntimeError("not yet")


class Nameless:
    def __repr__(self) -> str:
        raise RuntimeError("no name")


class Loud:
    def __repr__(self) -> str:
        return "x" * 10_000_000


class Moody(list[int]):
    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("not in the mood")


def cycle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(10_000):
        nested = [nested]
    return nested


def letters() -> Iterator[str]:
    yield "a"


async def slow_letters() -> AsyncIterator[str]:
    yield "a"


async def unawaited() -> str:
    return "never"


KEPT: dict[str, tuple[Code, Any]] = {
    "Decimal": (lambda: Decimal("1.5"), 1.5),
    "datetime": (lambda: datetime(2021, 3, 1, tzinfo=UTC), "2021-03-01T00:00:00+00:00"),
    "set": (lambda: {2, 1}, [1, 2]),
    "dataclass": (Point, {"x": 1}),
    "pydantic model": (Person, {"name": "Ann"}),
    "numpy number": (lambda: np.int64(3), 3),
    "enum": (lambda: Size.SMALL, 1),
    "number of a subclass": (lambda: Count(5), 5),
    "text that will not be text": (lambda: Lazy("abc"), "abc"),
    "keys that are no text": (lambda: {1: "a", None: "b"}, {"1": "a", "null": "b"}),
    "half a surrogate pair": (lambda: {"a\ud800": "\udfff"}, {"a?": "?"}),
    "nothing": (lambda: None, None),
}

REFUSED: dict[str, tuple[Code, str]] = {
    "bytes": (lambda: b"12345", "returned 5 bytes, not text or JSON"),
    "bytearray": (lambda: bytearray(3), "returned 3 bytes"),
    "memoryview": (lambda: memoryview(b"12"), "returned 2 bytes"),
    "NaN": (lambda: float("nan"), "returned nan, which is not a number JSON can hold"),
    "infinity": (lambda: {"rate": float("inf")}, "returned inf"),
    "signalling NaN": (lambda: Decimal("sNaN"), "returned sNaN"),
    "generator": (letters, "returned a generator, which yields its values only once; return a list"),
    "asynchronous generator": (slow_letters, "returned an async_generator, which yields"),
    "iterator": (lambda: iter([1]), "which yields its values only once"),
    "coroutine": (unawaited, "returned a coroutine, which was not awaited; await it in the tool"),
    "coroutine inside": (lambda: {"page": unawaited()}, "returned a coroutine"),
    "future": (Future, "returned a Future, which was not awaited"),
    "class instance": (Nameless, "returned a Nameless object, not text or JSON; return plain data"),
    "loud instance": (Loud, "returned a Loud object"),
    "class": (lambda: Person, "returned a ModelMetaclass object"),
    "key of several": (lambda: {(1, 2): 3}, "an object with a tuple as a key"),
    "list that will not be read": (lambda: Moody([1]), "a Moody that could not be read: not in the mood"),
    "cycle": (cycle, "contains itself"),
    "deep nesting": (deep, "nested more than 100 levels deep; return it flatter"),
    "text of 100 MB": (lambda: "x" * 100_000_000, "a text of 100,000,000 characters, too large for a value"),
    "wide text of 15 MB": (lambda: "\u00e9" * 7_500_000, "a text of 7,500,000 characters, too large"),
    "list of 100 MB": (lambda: ["x" * 1000] * 100_000, "a list of 100,000 items, too large for a value"),
    "object of five million": (lambda: dict.fromkeys(range(5_000_000)), "a dict of 5,000,000 items, too large"),
    "array that claims 8 TB": (lambda: np.broadcast_to(np.float64(0), (10**6, 10**6)), "too large for a value"),
    "digits without end": (lambda: 1 << 20_000, "a whole number of 20,001 bits"),
}  # fmt: skip


class Unheard(BaseException):
    """Past every `except Exception`."""


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Wordy(Exception):
    def __str__(self) -> str:
        return "word\n" * 10_000_000


class Trap(Exception):
    @property
    def response(self) -> Any:
        raise RuntimeError("do not look")


RAISED: dict[str, tuple[Callable[[], BaseException], str]] = {
    "SystemExit": (lambda: SystemExit(3), "hostile tried to end the process with SystemExit"),
    "KeyboardInterrupt": (KeyboardInterrupt, "hostile tried to end the process with KeyboardInterrupt"),
    "GeneratorExit": (GeneratorExit, "hostile raised what is no Exception, GeneratorExit"),
    "a BaseException": (lambda: Unheard("boo"), "hostile raised what is no Exception, Unheard: boo"),
    "BaseExceptionGroup": (
        lambda: BaseExceptionGroup("some", [Unheard("boo"), ValueError("bad")]),
        "hostile raised what is no Exception, BaseExceptionGroup: boo; bad",
    ),
    "CancelledError": (asyncio.CancelledError, "hostile was cancelled from within"),
    "StopIteration": (StopIteration, "raised StopIteration"),
    "StopAsyncIteration": (StopAsyncIteration, "StopAsyncIteration"),
    "ExceptionGroup": (
        lambda: ExceptionGroup("two", [ValueError("one fault"), KeyError("k")]),
        "one fault; 'k'",
    ),
    "MemoryError": (MemoryError, "MemoryError"),
    "an error without words": (Speechless, "Speechless"),
    "an error of 50 MB": (Wordy, "word word word"),
    "an error that is a trap": (Trap, "Trap"),
}


@both
@pytest.mark.parametrize("name", KEPT)
async def test_odd_values_with_a_plain_form_arrive_in_it(name: str, asynchronous: bool) -> None:
    """What JSON can say is evidence, whatever class it came as."""
    code, plain = KEPT[name]
    evidence = await outcome_of(tool_of(code, asynchronous))
    assert (evidence.status, evidence.value, type(evidence.value)) == ("ok", plain, type(plain))


@both
@pytest.mark.parametrize("name", REFUSED)
async def test_values_that_are_no_evidence_fail_their_step(name: str, asynchronous: bool) -> None:
    """What no later step, prompt or checkpoint could hold is refused with what it was and what to do."""
    code, reason = REFUSED[name]
    evidence = await outcome_of(tool_of(code, asynchronous))
    assert (evidence.status, evidence.failure, evidence.value) == ("failed", "tool_error", None)
    assert evidence.error.startswith("hostile returned ")
    assert reason in evidence.error


@both
@pytest.mark.parametrize("name", RAISED)
async def test_whatever_a_tool_raises_ends_its_step_only(name: str, asynchronous: bool) -> None:
    """Not even what is meant to end a process gets further than the step, and the error is one short line."""
    make, reason = RAISED[name]

    def fail() -> Any:
        raise make()

    evidence = await outcome_of(tool_of(fail, asynchronous))
    assert (evidence.status, evidence.failure, evidence.value) == ("failed", "tool_error", None)
    assert reason in evidence.error
    assert len(evidence.error) <= 320
    assert evidence.error.isprintable()


async def test_a_tool_that_hangs_is_given_up() -> None:
    """An asynchronous tool is cancelled when its time is over."""
    ended = asyncio.Event()

    async def hostile() -> None:
        """Never return."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    evidence = await outcome_of(hostile, step_timeout_s=0.2)
    assert (evidence.failure, evidence.error) == ("timeout", "no result within 0.2 s")
    assert ended.is_set()


@pytest.mark.parametrize("busy", [False, True], ids=["asleep", "busy"])
async def test_a_thread_that_hangs_is_left_behind(busy: bool) -> None:
    """No thread can be stopped; the run goes on without it, even while it takes the processor."""
    release = threading.Event()

    def hostile() -> str:
        """Never return."""
        while not release.wait(0 if busy else None):
            pass
        return "late"

    try:
        evidence = await outcome_of(hostile, step_timeout_s=0.2)
    finally:
        release.set()
        for thread in [one for one in threading.enumerate() if one.name == "tool"]:
            thread.join()
    assert evidence.failure == "timeout"


@pytest.mark.parametrize("late", ["a value", "an error", "an exit"])
async def test_a_tool_that_ignores_its_cancellation_is_left_behind(
    late: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its step ends all the same, one line of the log says so, and what it brings afterwards is dropped."""
    release = asyncio.Event()

    async def hostile() -> str:
        """Never give up."""
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        if late == "an error":
            raise ValueError("too late")
        if late == "an exit":
            raise SystemExit(3)
        return "late"

    with caplog.at_level(logging.INFO, "tools.containment"):
        evidence = await outcome_of(hostile, step_timeout_s=0.2)
        assert (evidence.failure, evidence.value) == ("timeout", None)
        assert caplog.messages == ["hostile ignores that it was cancelled; it is left behind"]
        release.set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
        gc.collect()  # where asyncio would complain of an exception that nobody looked at
    assert caplog.messages[1:] == ["hostile, left behind, has ended; its outcome is dropped"]


async def test_a_tool_that_ignores_its_cancellation_cannot_hold_a_run_that_is_cancelled() -> None:
    """Whoever cancels the run gets it back, whatever the tool thinks of it."""
    started, release = asyncio.Event(), asyncio.Event()

    async def hostile() -> None:
        """Never give up."""
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    running = asyncio.create_task(outcome_of(hostile))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    release.set()


STUBBORN = """
import asyncio
from agent_graph import Context, build_agent
from agent_graph.testing import ScriptedModel

started = asyncio.Event()

async def hostile() -> None:
    "Never give up."
    started.set()
    while True:
        try:
            await asyncio.Event().wait()
        except BaseException:
            continue

agent = build_agent(models=ScriptedModel(["#E1 = hostile()", "Done."]), tools=[hostile], effects={"hostile": "reads"})

async def to_the_end() -> None:
    context = Context(max_replans=0, retries=0, step_timeout_s=0.2)
    result = await agent.ainvoke({"task": "go"}, context=context)
    print(result["evidence"]["E1"].failure)

async def not_to_the_end() -> None:
    running = asyncio.create_task(agent.ainvoke({"task": "go"}))
    await started.wait()
    print("never mind", running.done())
"""


@pytest.mark.parametrize(("main", "out"), [("to_the_end", "timeout"), ("not_to_the_end", "never mind False")])
def test_a_tool_that_ignores_its_cancellation_cannot_hold_the_process(main: str, out: str) -> None:
    """`asyncio.run` waits for every task it cancels; for this one it does not have to."""
    command = [sys.executable, "-c", f"{STUBBORN}\nasyncio.run({main}())"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == f"{out}\n"
    left_behind = "hostile ignores that it was cancelled; it is left behind\n"
    assert ended.stderr == (left_behind if main == "to_the_end" else "")


async def test_a_tool_that_floods_the_screen_is_a_tool(capfd: pytest.CaptureFixture[str]) -> None:
    """What a tool prints is no evidence and stops nothing."""

    def hostile() -> int:
        """Print 10 MB."""
        for _ in range(10_000):
            print("x" * 999)
        return 1

    assert (await outcome_of(hostile)).value == 1
    assert len(capfd.readouterr().out) >= 10_000_000


async def test_a_fallback_tool_takes_over_from_one_that_hangs() -> None:
    """A tool may name another for when it fails; the evidence says which one it came from."""

    async def hang() -> None:
        await asyncio.Event().wait()

    hostile = StructuredTool.from_function(coroutine=hang, name="hostile", description="Never returns.")
    hostile.metadata = {"effects": "reads", "fallback": "good"}
    model = ScriptedModel(["#E1 = hostile()", "Done [E1]."])
    agent = build_agent(models=model, tools=[hostile, good], effects={"good": "reads"})
    context = Context(max_replans=0, retries=0, step_timeout_s=0.2)
    evidence = (await agent.ainvoke({"task": "go"}, context=context))["evidence"]["E1"]
    assert (evidence.tool, evidence.value, evidence.attempts) == ("good", "good", 2)


async def run_plan(plan: str, *tools: Any) -> dict[str, Any]:
    """Run a plan of tools that read and return the value of each step."""
    effects: Any = {one.__name__: "reads" for one in tools}
    agent = build_agent(models=ScriptedModel([plan, "Done."]), tools=list(tools), effects=effects)
    result = await agent.ainvoke({"task": "go"}, context=Context(max_replans=0))
    return {step: evidence.value for step, evidence in result["evidence"].items()}


async def test_a_tool_that_changes_its_arguments_changes_nothing_else() -> None:
    """Each call gets lists and objects of its own; evidence and later steps never see what it does to them."""

    def rows() -> Any:
        """Return rows."""
        return [{"name": "Ann", "tags": ["a"]}]

    def spoil(given: Any) -> int:
        """Change what was given, in place."""
        given[0]["tags"].append("spoilt")
        given.clear()
        return len(given)

    def show(given: Any, order: int) -> Any:
        """Return what was given."""
        return given

    plan = '#E1 = rows()\n#E2 = spoil(given="#E1")\n#E3 = show(given="#E1", order="#E2")'
    values = await run_plan(plan, rows, spoil, show)
    assert values["E1"] == values["E3"] == [{"name": "Ann", "tags": ["a"]}]


async def test_a_tool_that_changes_what_it_returned_changes_no_evidence() -> None:
    """Evidence is a copy: a tool that keeps its list and goes on writing to it writes for itself."""
    kept: list[dict[str, int]] = [{"n": 1}]

    def give() -> Any:
        """Return a list that is kept."""
        return kept

    def spoil(after: Any) -> int:
        """Change the kept list."""
        kept[0]["n"] = 2
        kept.append({"n": 3})
        return len(kept)

    def show(given: Any, order: int) -> Any:
        """Return what was given."""
        return given

    plan = '#E1 = give()\n#E2 = spoil(after="#E1")\n#E3 = show(given="#E1", order="#E2")'
    values = await run_plan(plan, give, spoil, show)
    assert (values["E1"], values["E2"], values["E3"]) == ([{"n": 1}], 2, [{"n": 1}])


async def test_brackets_without_end_are_text() -> None:
    """Neither a plan's argument nor a tool's text that nests thousands deep ends a run."""

    async def deep_text() -> str:
        """Return text that begins like JSON."""
        return "[" * 5_000 + "]" * 5_000

    async def first(items: list[Any]) -> str:
        """Return the first item."""
        return str(items[0])

    nested = "[" * 5_000 + "]" * 5_000
    plans = [
        f"#E1 = first(items={nested})",
        '#E1 = deep_text()\n#E2 = first(items="#E1[0]")\n#E3 = first(items="#E1")',
    ]
    model = ScriptedModel([*plans, "Nothing came of it."])
    agent = build_agent(
        models=model, tools=[deep_text, first], effects={"deep_text": "reads", "first": "reads"}
    )
    result = await agent.ainvoke({"task": "go"}, context=Context(max_replans=0))
    assert {key: one.status for key, one in result["evidence"].items()} == {
        "E1": "ok",
        "E2": "failed",
        "E3": "failed",
    }
