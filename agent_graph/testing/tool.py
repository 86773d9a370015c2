"""Tools that fail on purpose, take their time, and remember how they were called."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field, PrivateAttr
from typing_extensions import override

from agent_graph.testing.clock import Clock, RealClock


class Query(BaseModel):
    """The arguments of a stand-in tool that was given no schema of its own."""

    query: str = Field("", description="What to ask.")


class FlakyTool(BaseTool):
    """A LangChain tool that fails `failures` times with `error` and then returns `returns`.

    `returns` may be a function of the arguments; `failures=0` never fails. Each call takes `seconds` of
    `clock`. A list given as `log` receives "<name> started", then "<name> finished", "<name> failed" or
    "<name> cancelled"; share one among tools to see in which order they ran.
    """

    _failures: int = PrivateAttr()
    _error: Exception = PrivateAttr()
    _returns: Any = PrivateAttr()
    _seconds: float = PrivateAttr()
    _clock: Clock = PrivateAttr()
    _log: list[str] = PrivateAttr()
    _calls: list[dict[str, Any]] = PrivateAttr()
    _running: int = PrivateAttr(default=0)
    _most_at_once: int = PrivateAttr(default=0)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def __init__(
        self,
        name: str = "flaky",
        *,
        failures: int = 2,
        error: Exception | None = None,
        returns: Any = "ok",
        seconds: float = 0.0,
        clock: Clock | None = None,
        log: list[str] | None = None,
        description: str = "A stand-in that answers from its script.",
        args_schema: type[BaseModel] | dict[str, Any] = Query,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name=name, description=description, args_schema=args_schema, metadata=metadata)
        self._failures = failures
        self._error = error or ConnectionError("the tool is down")
        self._returns = returns
        self._seconds = seconds
        self._clock = clock or RealClock()
        self._log = [] if log is None else log
        self._calls = []

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The arguments of every call so far, failed ones too, in order."""
        return self._calls

    @property
    def most_at_once(self) -> int:
        """The most calls that were under way at the same time."""
        return self._most_at_once

    @override
    def _run(self, *args: Any, **kwargs: Any) -> Any:
        with self._call(kwargs) as fails:
            self._clock.wait(self._seconds)
            return self._outcome(kwargs, fails=fails)

    @override
    async def _arun(self, *args: Any, **kwargs: Any) -> Any:
        with self._call(kwargs) as fails:
            await self._clock.sleep(self._seconds)
            return self._outcome(kwargs, fails=fails)

    def _outcome(self, arguments: dict[str, Any], *, fails: bool) -> Any:
        if fails:
            raise self._error
        return self._returns(**arguments) if callable(self._returns) else self._returns

    @contextmanager
    def _call(self, arguments: dict[str, Any]) -> Iterator[bool]:
        """Record one call, and yield whether it is to fail."""
        fails = self._enter(arguments)
        end = "cancelled"
        try:
            yield fails
            end = "finished"
        except Exception:
            end = "failed"
            raise
        finally:
            self._leave(end)

    def _enter(self, arguments: dict[str, Any]) -> bool:
        with self._lock:
            self._calls.append(dict(arguments))
            self._running += 1
            self._most_at_once = max(self._most_at_once, self._running)
            self._log.append(f"{self.name} started")
            return len(self._calls) <= self._failures

    def _leave(self, end: str) -> None:
        with self._lock:
            self._running -= 1
            self._log.append(f"{self.name} {end}")


def slow_tool(name: str, seconds: float, returns: Any = "ok", *, clock: Clock | None = None) -> FlakyTool:
    """Return a tool that never fails and takes `seconds` of `clock`."""
    return FlakyTool(name, failures=0, returns=returns, seconds=seconds, clock=clock)


def recording_tool(name: str, returns: Any = "ok", *, log: list[str] | None = None) -> FlakyTool:
    """Return a tool that never fails and writes its starts and ends into `log`."""
    return FlakyTool(name, failures=0, returns=returns, log=log)
