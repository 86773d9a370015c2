import asyncio

import pytest
from pydantic import BaseModel

from agent_graph.testing import FakeClock, FlakyTool, recording_tool, slow_tool


class Sum(BaseModel):
    """Two numbers."""

    a: int
    b: int


async def test_a_flaky_tool_fails_so_many_times_and_then_works() -> None:
    """Two failures, then the value; every call is on record, failed ones too."""
    tool = FlakyTool("search", failures=2, error=TimeoutError("too slow"), returns={"hits": 3})
    with pytest.raises(TimeoutError, match="too slow"):
        await tool.ainvoke({"query": "one"})
    with pytest.raises(TimeoutError):
        tool.invoke({"query": "two"})
    assert await tool.ainvoke({"query": "three"}) == {"hits": 3}
    assert tool.calls == [{"query": "one"}, {"query": "two"}, {"query": "three"}]


def test_a_tool_can_compute_its_value_from_checked_arguments() -> None:
    """`returns` may be a function of the arguments, which the given schema has validated."""
    tool = FlakyTool(
        "add", failures=0, returns=lambda a, b: a + b, args_schema=Sum, metadata={"effects": "reads"}
    )
    assert tool.invoke({"a": "2", "b": 3}) == 5
    assert tool.metadata == {"effects": "reads"}
    with pytest.raises(ValueError, match="Field required"):
        tool.invoke({"a": 2})
    assert tool.calls == [{"a": 2, "b": 3}]


async def test_slow_tools_overlap_in_fake_time() -> None:
    """Side by side two tools take as long as the slower one, and a tool knows how crowded it was."""
    clock = FakeClock(auto=True)
    search, fetch = slow_tool("search", 5, clock=clock), slow_tool("fetch", 7, "page", clock=clock)
    found = await asyncio.gather(search.ainvoke({}), search.ainvoke({}), fetch.ainvoke({}))
    assert list(found) == ["ok", "ok", "page"]
    assert clock.now() == 7
    assert (search.most_at_once, fetch.most_at_once) == (2, 1)


def test_a_slow_tool_takes_its_time_in_blocking_code_too() -> None:
    """A sync call passes the same seconds on the same clock."""
    clock = FakeClock(auto=True)
    slow_tool("search", 5, clock=clock).invoke({})
    assert clock() == 5


async def test_a_shared_log_tells_the_order_across_tools() -> None:
    """Starts, ends, failures and cancellations of several tools stand in one list."""
    log: list[str] = []
    await recording_tool("read", log=log).ainvoke({})
    with pytest.raises(ConnectionError, match="the tool is down"):
        await FlakyTool("pay", log=log).ainvoke({})
    clock = FakeClock()
    tool = FlakyTool("wait", failures=0, seconds=1, clock=clock, log=log)
    waiting = asyncio.create_task(tool.ainvoke({}))
    await clock.elapse(0.5)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert log == [
        "read started",
        "read finished",
        "pay started",
        "pay failed",
        "wait started",
        "wait cancelled",
    ]
