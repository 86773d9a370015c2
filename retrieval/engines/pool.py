"""Actors that are asked one thing at a time each; one that dies is replaced, and what it was asked is asked again."""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import ray
from ray.exceptions import (
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from retrieval.errors import EngineFailed

TRIES = 3
"""Deaths that one question may cause or meet with before it is given up."""
_DIED = (RayActorError, OutOfMemoryError, WorkerCrashedError, ObjectLostError)


class ActorsDied(Exception):
    """Every actor that was asked this died over it."""


class _Arrival(NamedTuple):
    """An actor that is free, or that could not be started."""

    actor: Any
    error: BaseException | None = None


class Pool:
    """Some actors, shared by the threads that ask them."""

    def __init__(self, start: Callable[[], Any], size: int, *, patience_s: float) -> None:
        self.size = size
        self._start, self._patience_s = start, patience_s
        self._free: SimpleQueue[_Arrival | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._actors: list[Any] = []
        self._busy = self._deaths = 0
        self._proven = self._stopped = False
        self._failure = EngineFailed("The actors were stopped.")
        for _ in range(size):
            self._add()

    def ask(self, method: str, *values: Any) -> Any:
        """Return what a free actor's method returns; waits for one to be free.

        Raises what the method raised, ActorsDied when several actors died over it, and EngineFailed when there are no
        actors any more.
        """
        died: BaseException | None = None
        for _ in range(TRIES):
            actor = self._taken()
            try:
                answer = ray.get(getattr(actor, method).remote(*values))
            except _DIED as error:
                died = error
                self._bury(actor, error)
            except RayTaskError as error:
                self._give_back(actor)
                # its own message is the traceback of another machine
                raise (error.cause if isinstance(error.cause, Exception) else error) from error
            except RayError as error:
                raise EngineFailed(
                    f"Ray broke down ({_told(error)}). What was ingested is kept: run the same ingest again."
                ) from error
            else:
                self._deaths = 0
                self._give_back(actor)
                return answer
        raise ActorsDied(str(died)) from died

    def stop(self) -> None:
        """End all actors, whatever they are at; whoever waits for one gets EngineFailed."""
        with self._lock:
            self._stopped = True
            actors, self._actors = self._actors, []
        self._free.put(None)
        for actor in actors:
            with suppress(Exception):  # Ray itself may be gone
                ray.kill(actor)

    def _add(self) -> None:
        with self._lock:
            if self._stopped:
                return
            actor = self._start()
            self._actors.append(actor)
        ready = actor.ready.remote().future()
        ready.add_done_callback(lambda done: self._free.put(_Arrival(actor, done.exception())))

    def _taken(self) -> Any:
        while True:
            try:
                arrival = self._free.get(timeout=self._patience_s)
            except Empty:
                if self._busy:
                    continue
                raise EngineFailed(
                    f"Ray has started no actor in {self._patience_s:g} s: the cluster has no processor, or no memory, "
                    "free for one. Ask for less, or wait until it has."
                ) from None
            if arrival is None:
                self._free.put(None)  # for the next one who waits
                raise self._failure
            if arrival.error is None:
                with self._lock:
                    self._busy += 1
                    self._proven = True
                return arrival.actor
            self._replace(arrival.actor, arrival.error)

    def _give_back(self, actor: Any) -> None:
        with self._lock:
            self._busy -= 1
        self._free.put(_Arrival(actor))

    def _bury(self, actor: Any, error: BaseException) -> None:
        with self._lock:
            self._busy -= 1
        self._replace(actor, error)

    def _replace(self, actor: Any, error: BaseException) -> None:
        """Start another actor in the place of one that died.

        Raises EngineFailed when so many have died in a row that no file can be the cause.
        """
        with self._lock:
            self._actors = [one for one in self._actors if one is not actor]
            self._deaths += 1
            hopeless = self._deaths > 2 * (self.size + TRIES) or (not self._proven and self._deaths > TRIES)
            if hopeless:
                self._failure = EngineFailed(
                    f"The actors on Ray die one after another; the last one said: {_told(error)}. What was ingested "
                    "is kept: run the same ingest again once the cause is gone."
                )
        if hopeless:
            self.stop()
            raise self._failure from error
        self._add()


def _told(error: BaseException) -> str:
    """Return the line that says most: the last one of a traceback, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if "creation task" in lines[0] else lines[0]
