"""Clocks that a test holds in its hand, and the real one with the same four doors."""

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

_YIELDS = 64
"""Turns of the event loop given to tasks before asking whether all of them are blocked."""


class Clock(Protocol):
    """Where stand-ins take their time from; `clock()` and `clock.now()` are the same."""

    def __call__(self) -> float:
        """Return the seconds since an arbitrary start; they never go back."""
        ...

    def now(self) -> float:
        """Return the seconds since an arbitrary start; they never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run until `seconds` have passed; at least once, even for 0."""
        ...

    def wait(self, seconds: float) -> None:
        """Block this thread until `seconds` have passed."""
        ...


class RealClock:
    """The time of the machine."""

    def __call__(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def now(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep as asyncio does."""
        await asyncio.sleep(max(0.0, seconds))

    def wait(self, seconds: float) -> None:
        """Block this thread."""
        if seconds > 0:
            time.sleep(seconds)


class _Sleeper(NamedTuple):
    deadline: float
    order: int
    wake: Callable[[], object]


class FakeClock:
    """Time that stands still until a test moves it.

    `advance` jumps: whoever is due wakes and sees the new time. `elapse` walks: it stops at every
    wake-up on the way and lets the tasks run there, so that a loop of short sleeps takes every turn.
    With `auto`, time moves by itself to the next wake-up whenever all tasks of the event loop are
    blocked: a run of an hour takes milliseconds and lasts exactly as long as its longest path.

    Equal wake-ups wake in the order in which they fell asleep. Work in threads and on sockets is out
    of an automatic clock's sight: time may move while such work is under way.
    """

    def __init__(self, *, start: float = 0.0, auto: bool = False) -> None:
        self.auto = auto
        self._now = start
        self._asleep: list[_Sleeper] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._driver: asyncio.Task[None] | None = None

    def __call__(self) -> float:
        """Return `now()`."""
        return self._now

    def __repr__(self) -> str:
        return f"FakeClock(now={self._now:g}, sleepers={self.sleepers})"

    def now(self) -> float:
        """Return the seconds moved so far, from `start`."""
        return self._now

    @property
    def sleepers(self) -> int:
        """How many tasks and threads sleep on this clock."""
        return len(self._asleep)

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock has moved on by `seconds`; 0 or less only lets other tasks run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        with self._sleeping(seconds, lambda: loop.call_soon_threadsafe(_resolve, woken)):
            self._drive(loop)
            await woken

    def wait(self, seconds: float) -> None:
        """Block this thread until another one moves the clock; an automatic clock moves at once."""
        if self.auto:
            self.advance(max(0.0, seconds))
        elif seconds > 0:
            woken = threading.Event()
            with self._sleeping(seconds, woken.set):
                woken.wait()

    def advance(self, seconds: float) -> None:
        """Jump forward and wake everyone who is due.

        Raises ValueError for negative seconds.
        """
        self._jump(self._now + _forward(seconds))

    async def elapse(self, seconds: float) -> None:
        """Walk forward from wake-up to wake-up, letting the woken tasks run until all are blocked again.

        Raises ValueError for negative seconds.
        """
        end = self._now + _forward(seconds)
        await _all_blocked()
        while (deadline := self._next()) is not None and deadline <= end:
            self._jump(deadline)
            await _all_blocked()
        self._jump(end)

    def _next(self) -> float | None:
        with self._lock:
            return self._asleep[0].deadline if self._asleep else None

    def _jump(self, to: float) -> None:
        due = []
        with self._lock:
            self._now = max(self._now, to)
            while self._asleep and self._asleep[0].deadline <= self._now:
                due.append(heapq.heappop(self._asleep))
        for sleeper in due:
            sleeper.wake()

    @contextmanager
    def _sleeping(self, seconds: float, wake: Callable[[], object]) -> Iterator[None]:
        with self._lock:
            sleeper = _Sleeper(self._now + seconds, next(self._order), wake)
            heapq.heappush(self._asleep, sleeper)
        try:
            yield
        finally:
            self._forget(sleeper)

    def _forget(self, sleeper: _Sleeper) -> None:
        with self._lock:
            if sleeper in self._asleep:
                self._asleep.remove(sleeper)
                heapq.heapify(self._asleep)

    def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the task that moves an automatic clock, unless one is at it on this loop."""
        running = self._driver is not None and not self._driver.done() and self._driver.get_loop() is loop
        if self.auto and not running:
            self._driver = loop.create_task(self._move(), name="FakeClock")

    async def _move(self) -> None:
        await _all_blocked()
        while (deadline := self._next()) is not None:
            self._jump(deadline)
            await _all_blocked()


def _forward(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(f"A clock only moves forward: give it 0 seconds or more, not {seconds:g}.")
    return seconds


def _resolve(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


async def _all_blocked() -> None:
    """Return when every other task of the loop waits for something."""
    import anyio

    # anyio looks at tasks only, and naps for a tenth of a second when one is ready: give callbacks and
    # ordinary chains of awaits their turns first, so that it nearly always finds everybody blocked.
    for _ in range(_YIELDS):
        await asyncio.sleep(0)
    await anyio.wait_all_tasks_blocked()
