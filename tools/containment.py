"""Running a tool's code so that a run can go on without it, and nothing it raises can end more than its step."""

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

from tools.errors import ToolExit
from tools.faults import one_line

GRACE_S = 0.5
"""Seconds that cancelled code has for cleaning up, before it is left behind."""

_log = logging.getLogger("tools.containment")
_T = TypeVar("_T")


async def in_task(work: Coroutine[Any, Any, _T], name: str) -> _T:
    """Await a tool's coroutine in a task of its own.

    Cancelling cancels that task. When it has not ended `GRACE_S` later it is left behind: it runs on, its
    outcome is dropped, and the caller is cancelled all the same. Raises ToolExit for what is no Exception.
    """
    leash = _Leash(work, name)
    task = asyncio.create_task(leash.hold())
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await _stop(task, leash)
        raise
    return task.result()


async def in_thread(work: Callable[[], _T], name: str) -> _T:
    """Run a tool's blocking code in a daemon thread of its own, with this task's context variables.

    Cancelling leaves the thread behind: no thread can be stopped. Raises ToolExit for what is no Exception.
    """
    # The loop's shared executor has a handful of threads and is joined when the loop closes: one tool that
    # hangs would hold up the others, and the end of the process.
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(outcome: _T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(outcome)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        outcome, error = None, cast("BaseException | None", None)
        try:
            outcome = work()
        except StopIteration:
            error = RuntimeError(f"{name} raised StopIteration")  # a future refuses it
        except BaseException as raised:
            error = _contained(raised, name)
        try:
            loop.call_soon_threadsafe(settle, outcome, error)
        except RuntimeError:
            _log.info("%s ended after its run had gone; its outcome is dropped", name)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="tool", daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        if future.cancelled():
            _log.info("%s is left behind in its thread; its outcome will be dropped", name)
        raise


class _Leash(Generic[_T]):
    """Drives a coroutine from await to await, so that it can be let go of in the middle."""

    def __init__(self, work: Coroutine[Any, Any, _T], name: str) -> None:
        self.name = name
        self._work = work
        self._is_cut = False

    async def hold(self) -> _T:
        """Await the coroutine to its end."""
        return await self

    def cut(self) -> None:
        """Let go: the coroutine stays where it is and is never resumed."""
        self._is_cut = True
        _CUT.append(self._work)  # Python would close it when collecting it, and complain if it resists

    def __await__(self) -> Generator[Any, None, _T]:
        resume = functools.partial(self._work.send, None)
        while True:
            try:
                awaited = resume()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            except BaseException as raised:
                error = _contained(raised, self.name)
                if error is raised:
                    raise
                raise error from raised
            try:
                yield awaited
            except GeneratorExit:
                self._work.close()
                raise
            except BaseException as thrown:
                if self._is_cut:
                    raise
                resume = functools.partial(self._work.throw, thrown)
            else:
                resume = functools.partial(self._work.send, None)


_WATCHES: set[asyncio.Task[None]] = set()
"""Keeps a reference to what was left behind: the loop itself keeps none."""
_CUT: list[Coroutine[Any, Any, Any]] = []


async def _stop(task: asyncio.Task[_T], leash: _Leash[_T]) -> None:
    task.cancel()
    try:
        await asyncio.wait({task}, timeout=GRACE_S)
    finally:
        if task.done():
            _drop(task)
        elif task.cancelling() > 1:  # not by us alone: the loop is closing
            leash.cut()
            task.cancel()
        else:
            _log.warning("%s ignores that it was cancelled; it is left behind", leash.name)
            watch = asyncio.get_running_loop().create_task(_watch(task, leash))
            _WATCHES.add(watch)
            watch.add_done_callback(_WATCHES.discard)


async def _watch(task: asyncio.Task[_T], leash: _Leash[_T]) -> None:
    """Wait for what was left behind, and let go of it when the loop closes, which would wait for it for ever."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        leash.cut()
        task.cancel()
        raise
    _drop(task)
    _log.info("%s, left behind, has ended; its outcome is dropped", leash.name)


def _drop(task: asyncio.Task[_T]) -> None:
    if not task.cancelled():
        task.exception()  # asyncio complains of an exception that nobody looked at


def _contained(error: BaseException, name: str) -> BaseException:
    """Return the error, or a ToolExit for what would go past every `except Exception` above."""
    if isinstance(error, Exception | asyncio.CancelledError):
        return error
    kind = type(error).__name__
    if isinstance(error, SystemExit | KeyboardInterrupt):
        contained = ToolExit(f"{name} tried to end the process with {kind}")
    else:
        contained = ToolExit(f"{name} raised what is no Exception, {kind}: {one_line(error)}")
    contained.__cause__ = error
    return contained
