import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent_graph.testing import Clock, FakeClock, RealClock


async def test_a_fake_clock_stands_still_until_it_is_moved() -> None:
    """A sleeper wakes when the clock has been moved far enough, and not before."""
    clock = FakeClock(start=100)
    sleeping = asyncio.create_task(clock.sleep(10))
    await clock.elapse(9.5)
    assert (clock(), clock.now(), sleeping.done(), clock.sleepers) == (109.5, 109.5, False, 1)
    await clock.elapse(0.5)
    assert (clock.now(), sleeping.done(), clock.sleepers) == (110, True, 0)


async def test_sleepers_wake_by_deadline_and_then_by_order() -> None:
    """The earliest deadline wakes first; equal ones wake in the order in which they fell asleep."""
    clock = FakeClock()
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for name, seconds in [("late", 3), ("first", 1), ("second", 1), ("early", 0.5)]:
            group.create_task(sleeper(name, seconds))
        await asyncio.sleep(0)
        clock.advance(5)
    assert woken == ["early", "first", "second", "late"]


async def test_elapse_stops_at_every_wake_up_where_advance_jumps() -> None:
    """A loop of one-second sleeps takes three turns in three elapsed seconds, and one in a jump of three."""
    clock = FakeClock()
    turns: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(1)
            turns.append(clock())

    ticking = asyncio.create_task(tick())
    await clock.elapse(3)
    assert turns == [1, 2, 3]
    clock.advance(3)
    await clock.elapse(0)
    assert turns == [1, 2, 3, 6]
    ticking.cancel()


async def test_an_automatic_clock_takes_as_long_as_the_longest_path() -> None:
    """Hours of sleep side by side and one after the other add up exactly, without waiting for any."""
    clock = FakeClock(auto=True)

    async def path(*sleeps: float) -> float:
        for seconds in sleeps:
            await clock.sleep(seconds)
        return clock()

    ends = await asyncio.gather(path(3600, 1800), path(100, 100, 100), path(7200.5))
    assert list(ends) == [5400, 300, 7200.5]
    assert clock.now() == 7200.5


async def test_an_automatic_clock_waits_for_tasks_that_have_work() -> None:
    """Time does not move while a task still has turns to take, however many."""
    clock = FakeClock(auto=True)

    async def work() -> float:
        for _ in range(500):
            await asyncio.sleep(0)
        return clock()

    working = asyncio.create_task(work())
    await clock.sleep(60)
    assert await working == 0


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    """Cancelling a sleep leaves nothing behind that could move or hold the clock."""
    clock = FakeClock(auto=True)
    sleeping = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    sleeping.cancel()
    await asyncio.wait([sleeping])
    await clock.sleep(1)
    assert (clock.now(), clock.sleepers) == (1, 0)


def test_a_thread_waits_until_another_moves_the_clock() -> None:
    """`wait` is the blocking twin of `sleep`: it returns once the clock has been moved far enough."""
    clock = FakeClock()

    def waited() -> float:
        before = clock()
        clock.wait(5)
        return clock() - before

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(waited)
        while not waiting.done():
            clock.advance(1)
    assert waiting.result() >= 5
    assert clock.sleepers == 0


def test_an_automatic_clock_moves_at_once_for_a_thread() -> None:
    """In blocking code, an automatic clock simply moves on."""
    clock = FakeClock(auto=True)
    clock.wait(3)
    assert clock() == 3


def test_time_does_not_go_back() -> None:
    """A negative step is refused with the figure."""
    with pytest.raises(ValueError, match="only moves forward: give it 0 seconds or more, not -1"):
        FakeClock().advance(-1)


async def test_the_real_clock_has_the_same_doors() -> None:
    """What takes a Clock takes the real one: it moves by itself."""
    clock: Clock = RealClock()
    before = clock()
    await clock.sleep(0.001)
    clock.wait(0.001)
    assert clock.now() > before
