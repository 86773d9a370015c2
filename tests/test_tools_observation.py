"""Observations: what a tool returned, with its type, or one sentence on why there is no value."""

import asyncio
import contextvars
import dataclasses
import threading
import uuid
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Annotated, Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, ToolException, tool
from langgraph.errors import GraphInterrupt
from langgraph.types import Command
from pydantic import BaseModel

from tools.errors import NotPlain
from tools.faults import is_transient
from tools.observation import Observation, call, jsonable, source_record
from tools.plain import MAX_ITEMS, MAX_VALUE


class Colour(Enum):
    RED = "red"


class City(BaseModel):
    name: str
    founded: date


@dataclasses.dataclass
class Pair:
    left: int
    right: tuple[int, ...]


def returning(value: Any) -> BaseTool:
    def give() -> Any:
        return value

    return StructuredTool.from_function(give, name="give", description="Gives.")


def raising(error: BaseException, **options: Any) -> BaseTool:
    def fail() -> Any:
        raise error

    return StructuredTool.from_function(fail, name="fail", description="Fails.", **options)


def cycle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def letters() -> Iterator[str]:
    yield "a"


PLAIN: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (3, 3),
    (2.5, 2.5),
    ("", ""),
    ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    ((1, 2), [1, 2]),
    ({3, 1, 2}, [1, 2, 3]),
    (range(3), [0, 1, 2]),
    ({"a": 1}.keys(), ["a"]),
    ({1: "x", None: "y"}, {"1": "x", "null": "y"}),
    (Colour.RED, "red"),
    (City(name="Paris", founded=date(250, 1, 1)), {"name": "Paris", "founded": "0250-01-01"}),
    (Pair(1, (2, 3)), {"left": 1, "right": [2, 3]}),
    (date(2021, 3, 1), "2021-03-01"),
    (timedelta(minutes=2), 120.0),
    (Decimal("12.50"), 12.5),
    (Decimal("3"), 3),
    (Decimal("0.12345678901234567890123"), "0.12345678901234567890123"),
    (PurePosixPath("a/b"), "a/b"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (np.float32(1.5), 1.5),
    (np.arange(3), [0, 1, 2]),
    (np.bool_(True), True),
    (2**64, "18446744073709551616"),
    ("half \ud800 pair", "half ? pair"),
    ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo"),
    ([{"type": "image", "url": "x"}], [{"type": "image", "url": "x"}]),
]

REFUSED: list[tuple[Any, str]] = [
    (b"12345", "returned 5 bytes"),
    ({"inner": bytearray(3)}, "returned 3 bytes"),
    (float("nan"), "returned nan"),
    ([float("-inf")], "returned -inf"),
    (np.float64("nan"), "returned nan"),
    (Decimal("Infinity"), "returned Infinity"),
    (letters(), "returned a generator"),
    (iter([1]), "yields its values only once"),
    (object(), "returned an object object"),
    (len, "builtin_function"),
    (City, "returned a ModelMetaclass object"),
    (cycle(), "contains itself"),
    (deep(200), "100 levels"),
    (range(10**12), "2,000,000 values"),
    ({(1, 2): 3}, "tuple as a key"),
    ({1: "a", "1": "b"}, "two keys"),
    (1 + 2j, "returned a complex"),
    (1 << 20_000, "20,001 bits"),
    (Command(goto="elsewhere"), "returned a Command"),
]


@pytest.mark.parametrize(("value", "plain"), PLAIN, ids=lambda value: type(value).__name__)
async def test_a_returned_value_keeps_its_type_as_plain_data(value: Any, plain: Any) -> None:
    """Whatever has a JSON form arrives in it, with its type."""
    observation = await call(returning(value), {})
    assert observation == Observation(value=plain)
    assert type(observation.value) is type(plain)


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=lambda value: type(value).__name__)
async def test_a_value_without_a_plain_form_is_an_error_that_says_what_it_was(
    value: Any, reason: str
) -> None:
    """What no checkpoint or prompt could hold is named, not rendered with str()."""
    observation = await call(returning(value), {})
    assert observation.value is None
    assert observation.error.startswith("give returned")
    assert reason in observation.error
    assert isinstance(observation.cause, NotPlain)


@pytest.mark.parametrize(
    "value",
    [
        "x" * (MAX_VALUE - 4),
        ["x" * 96] * (MAX_VALUE // 100 - 1),
        {"rows": [{"n": 1.5, "name": "\u00e9"}] * 300_000},
        [0] * (MAX_ITEMS - 1),
    ],
    ids=["text", "list", "rows", "numbers"],
)
def test_a_value_within_the_limits_is_kept_whole(value: Any) -> None:
    """A value of ten megabytes arrives complete: what is too much for a prompt is not for this floor to decide."""
    assert jsonable(value) == value


@pytest.mark.parametrize(
    ("value", "extent"),
    [
        ("x" * MAX_VALUE, "a text of 10,000,000 characters"),
        ({"page": "x" * MAX_VALUE}, "a dict of 1 items"),
        ([0] * MAX_ITEMS, "a list of 2,000,000 items"),
        ([[[0] * 1000] * 1000] * 1000, "a list of 1,000 items"),
        (range(10**12), "a range of 1,000,000,000,000 items"),
    ],
    ids=["text", "inside", "numbers", "shared", "range"],
)
def test_a_value_beyond_the_limits_is_refused_whole(value: Any, extent: str) -> None:
    """Nothing is cut in silence: the error names the size, the limit and what to return instead."""
    with pytest.raises(NotPlain) as refused:
        jsonable(value)
    assert str(refused.value) == (
        f"returned {extent}, too large for a value, which may hold 10 MB as JSON and 2,000,000 values; "
        "return a part of it, or the path of a file"
    )


def test_a_value_beyond_the_limits_is_not_read_to_its_end() -> None:
    """The walk stops where there is no more room, so that a value without end is refused like any other."""
    seen = 0

    class Endless(Sequence[str]):
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: Any) -> str:
            nonlocal seen
            seen += 1
            return "x" * 1000

    with pytest.raises(NotPlain, match="too large"):
        jsonable(Endless())
    assert seen <= MAX_VALUE // 1000


async def test_sources_share_the_limit_and_are_plain_too() -> None:
    """A short text with 100 MB of passages behind it is refused; half a surrogate pair in one is replaced."""

    @tool(response_format="content_and_artifact")
    def find(size: int) -> Any:
        """Find."""
        return "text", [Document("\ud800" * size, metadata={"source": "a.pdf"})] * 2

    assert (await call(find, {"size": 1})).sources[0]["text"] == "?"
    observation = await call(find, {"size": 6_000_000})
    assert observation.error.startswith("find returned a list of 2 items, too large for a value")


async def test_an_artifact_that_is_no_source_is_left_alone() -> None:
    """Tools keep what is for no model in their artifact: pictures, handles, anything."""

    @tool(response_format="content_and_artifact")
    def paint() -> Any:
        """Paint."""
        return "a picture", [{"png": b"..."}, object()]

    assert await call(paint, {}) == Observation(value="a picture")


async def test_the_message_of_a_tool_is_plain_too() -> None:
    """What comes in a ToolMessage is held to the same limits as a value."""
    message = ToolMessage("half \ud800", tool_call_id="1")
    assert (await call(returning(message), {})).value == "half ?"
    long = ToolMessage("x" * MAX_VALUE, tool_call_id="1")
    assert "too large" in (await call(returning(long), {})).error


async def test_what_a_tool_could_not_read_is_not_blamed_on_its_arguments() -> None:
    """A validation error from inside the tool names the model it comes from."""

    @tool
    def read(text: str) -> str:
        """Read a city."""
        return City.model_validate_json(text).name

    error = (await call(read, {"text": '{"name": 5}'})).error
    assert error.startswith("City does not fit: name: Input should be a valid string")


def test_shared_data_is_not_taken_for_a_cycle() -> None:
    """The same list in two places is written twice."""
    shared = [1]
    assert jsonable({"a": shared, "b": shared}) == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("error", "text", "transient"),
    [
        (ValueError("no such city"), "no such city", False),
        (ToolException("not today"), "not today", False),
        (KeyError("name"), "KeyError: 'name'", False),
        (ConnectionError("refused by peer"), "refused by peer", True),
        (TimeoutError(), "TimeoutError", True),
        (StopIteration(), "fail raised StopIteration", False),
        (SystemExit(3), "fail tried to end the process with SystemExit", False),
        (KeyboardInterrupt(), "fail tried to end the process with KeyboardInterrupt", False),
        (asyncio.CancelledError(), "fail was cancelled from within", False),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_a_tool_raises_is_an_error_with_its_cause(
    error: BaseException, text: str, transient: bool, asynchronous: bool
) -> None:
    """A tool that raises gives no value and takes nothing down with it, whether it is asynchronous or not."""

    async def fail() -> Any:
        if isinstance(error, StopIteration):
            raise RuntimeError("fail raised StopIteration")
        raise error

    slow = StructuredTool.from_function(coroutine=fail, name="fail", description="Fails.")
    observation = await call(slow if asynchronous else raising(error), {})
    assert observation.value is None
    assert observation.error.startswith(text)
    assert observation.cause is not None
    assert is_transient(observation.cause) is transient


@pytest.mark.parametrize("handler", [True, "told otherwise", lambda error: f"handled: {error}"])
async def test_an_error_the_tool_handles_into_text_is_still_an_error(handler: Any) -> None:
    """`handle_tool_error` makes LangChain return the message as if it were the output; here it is the error."""
    observation = await call(raising(ToolException("no such thing"), handle_tool_error=handler), {})
    assert observation.value is None
    expected = {True: "no such thing", "told otherwise": "told otherwise"}
    assert observation.error == (expected[handler] if not callable(handler) else "handled: no such thing")


async def test_arguments_that_do_not_fit_are_an_error_naming_them() -> None:
    """LangChain's own validation speaks in one line, without links and types."""

    @tool
    def double(number: int) -> int:
        """Double it."""
        return 2 * number

    observation = await call(double, {"number": "many"})
    assert observation.error.startswith("the arguments do not fit: number: Input should be a valid integer")
    assert (await call(double, {"number": "4"})).value == 8


async def test_langgraphs_control_flow_passes_through() -> None:
    """An interrupt inside a tool is not the tool's failure."""
    with pytest.raises(GraphInterrupt):
        await call(raising(GraphInterrupt(())), {})


async def test_cancelling_the_caller_cancels_an_asynchronous_tool() -> None:
    """Cancellation from outside is passed on to the tool and to the caller."""
    started, stopped = asyncio.Event(), asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait for ever."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    running = asyncio.create_task(call(wait, {}))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()


async def test_a_synchronous_tool_that_hangs_holds_up_nobody() -> None:
    """Cancelling lets go of its thread: others run on, and its late outcome is dropped."""
    started, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @tool
    def hang() -> str:
        """Hang."""
        loop.call_soon_threadsafe(started.set)
        release.wait()
        return "late"

    hung = [asyncio.create_task(call(hang, {})) for _ in range(40)]
    await started.wait()
    assert (await call(returning(1), {})).value == 1
    for task in hung:
        task.cancel()
    outcomes = await asyncio.gather(*hung, return_exceptions=True)
    release.set()
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)


async def test_a_synchronous_tool_sees_the_callers_context_variables() -> None:
    """What the caller's context holds is there in the tool's thread."""
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ada")

    @tool
    def who() -> list[str]:
        """Say who."""
        return [user.get(), threading.current_thread().name]

    assert (await call(who, {})).value == ["ada", "tool"]


async def test_a_tool_that_keeps_state_in_itself_keeps_it() -> None:
    """The call runs on the tool that was given, not on a copy."""

    class Counter(BaseTool):
        name: str = "counter"
        description: str = "Counts."
        count: int = 0

        def _run(self) -> int:
            self.count += 1
            return self.count

    counter = Counter()
    assert [(await call(counter, {})).value for _ in range(3)] == [1, 2, 3]


async def test_a_tool_may_take_the_id_of_its_call() -> None:
    """An injected call id is the one given, and the value keeps its type all the same."""

    @tool
    def pay(amount: int, call_id: Annotated[str, InjectedToolCallId]) -> dict[str, Any]:
        """Pay."""
        return {"amount": amount, "key": call_id}

    observation = await call(pay, {"amount": 5}, call_id="run-1/E3")
    assert observation.value == {"amount": 5, "key": "run-1/E3"}


async def test_sources_in_the_artifact_become_records() -> None:
    """A content_and_artifact tool gives value and sources; addresses alone and LangChain documents count too."""

    @tool(response_format="content_and_artifact")
    def find() -> Any:
        """Find."""
        return {"count": 2}, {
            "sources": [{"document": "a.txt", "start": 3, "score": np.float32(0.5)}, "b.html"]
        }

    @tool(response_format="content_and_artifact")
    def retrieve() -> Any:
        """Retrieve."""
        return "text", [Document("passage", metadata={"source": "c.pdf", "title": "C"})]

    observation = await call(find, {})
    assert observation.value == {"count": 2}
    assert observation.sources == (source_record("a.txt", start=3, score=0.5), source_record("b.html"))
    assert (await call(retrieve, {})).sources == (source_record("c.pdf", title="C", text="passage"),)


async def test_a_source_without_a_document_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What names no document cannot be cited; the log says which tool gave it."""

    @tool(response_format="content_and_artifact")
    def vague() -> Any:
        """Be vague."""
        return "text", {"sources": [{"title": "somewhere"}]}

    assert (await call(vague, {})).sources == ()
    assert "vague gave a source that names no document" in caplog.text


@pytest.mark.parametrize(("status", "value", "error"), [("success", "done", ""), ("error", None, "done")])
async def test_a_tool_may_answer_with_a_message(status: Any, value: Any, error: str) -> None:
    """A ToolMessage is unpacked: its text, the sources in its artifact, and its status."""
    message = ToolMessage("done", tool_call_id="1", status=status, artifact={"sources": ["a.txt"]})
    observation = await call(returning(message), {})
    assert (observation.value, observation.error) == (value, error)
    assert observation.sources == ((source_record("a.txt"),) if value else ())
