"""The replicas of one role's service: which one to call next."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from agent_graph.services.circuit import Circuit


@dataclass(eq=False)
class _Replica:
    url: str
    under_way: int = 0
    circuit: Circuit = field(default_factory=Circuit)


class Taken(NamedTuple):
    """A replica that was given to one call."""

    replica: _Replica
    trying: bool
    """Whether the call is to find out if the replica is back."""

    @property
    def url(self) -> str:
        """Where to call."""
        return self.replica.url


class Replicas:
    """Gives each call the replica with the fewest calls under way, among those whose circuit is closed.

    One for all event loops and threads of the process. `clock` gives seconds that never go back.
    """

    def __init__(self, urls: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._replicas = [_Replica(url) for url in dict.fromkeys(urls)]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._replicas)

    def take(self, avoid: Collection[str] = ()) -> Taken | None:
        """Return the replica to call, with the call counted; None when none may be called.

        Those in `avoid` are left out. Among equals, the one that was given last comes last.
        """
        with self._lock:
            free = [
                one
                for one in self._replicas
                if one.url not in avoid and one.circuit.lets_through(self._clock())
            ]
            if not free:
                return None
            least = min(free, key=lambda one: one.under_way)
            self._replicas.remove(least)
            self._replicas.append(least)
            least.under_way += 1
            least.circuit = least.circuit.begin()
            return Taken(least, least.circuit.trying)

    @contextmanager
    def call(self, taken: Taken) -> Iterator[None]:
        """Keep the account of the call of a replica that `take` gave: it ends here, in whatever way."""
        try:
            yield
        finally:
            with self._lock:
                taken.replica.under_way -= 1
                if taken.trying:
                    taken.replica.circuit = taken.replica.circuit.withdraw()

    def answered(self, taken: Taken) -> None:
        """Take note that the replica has taken the call."""
        with self._lock:
            taken.replica.circuit = taken.replica.circuit.answer()

    def finished(self, taken: Taken) -> None:
        """Take note that the replica has carried the call out."""
        with self._lock:
            taken.replica.circuit = Circuit()

    def lost(self, taken: Taken) -> None:
        """Take note that the replica was lost, or never reached."""
        with self._lock:
            taken.replica.circuit = taken.replica.circuit.lose(self._clock())
