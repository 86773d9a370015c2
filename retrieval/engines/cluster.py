"""Which Ray an ingest runs on, and being connected to it for as long as that takes."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from retrieval.errors import BadRequest, EngineFailed, EngineMissing

_OBJECT_STORE_BYTES = 512 * 2**20
"""Room for files on their way to actors; Ray would take a third of the memory. More than this goes to disk."""

_KNOCK_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Ray and the share of it that an ingest takes.

    Its machines need this package, and the user's own modules where embeddings, readers or hooks come from them; not
    the files, which are sent to them.
    """

    address: str | None = None
    """"auto" or "host:port" of a running cluster; None takes the one this program is connected to, else starts one
    on this machine and stops it afterwards."""
    actors: int | None = None
    """Processes that read, cut and embed; None takes as many as the cluster has room for."""
    cpus: float = 1.0
    """Processors each actor takes."""
    gpus: float = 0.0
    """Graphics processors each actor takes: 0.5 puts two on one."""
    start_timeout_s: float = 120.0
    """Seconds to wait for a first actor, and for another one when all have died."""

    def __post_init__(self) -> None:
        if (self.actors is not None and self.actors < 1) or self.cpus < 0 or self.gpus < 0:
            raise BadRequest("A cluster needs at least one actor, and no negative share of processors.")

    def size(self, resources: dict[str, float]) -> int:
        """Return the number of actors for a cluster with these resources."""
        if self.actors is not None:
            return self.actors
        shares = {"CPU": self.cpus, "GPU": self.gpus}
        room = [resources.get(name, 0.0) // share for name, share in shares.items() if share]
        return max(1, int(min(room, default=1)))


@contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """Be connected to a Ray; only what was started or connected here is let go of afterwards.

    Raises EngineMissing where Ray is not installed, and EngineFailed when it cannot be started or reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read at import; nothing is reported to anybody
    try:
        import ray
    except ImportError as error:
        raise EngineMissing(
            "Ray is not installed. Install it with: pip install 'agent-graph[bulk]', or ingest without it."
        ) from error
    if ray.is_initialized():
        if cluster.address:
            raise BadRequest(
                "This program is connected to a Ray already: leave the address out, or call ray.shutdown() first."
            )
        yield
        return
    with _quiet():
        try:
            _connect(cluster)
        except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
            ray.shutdown()
            raise EngineFailed(f"{_place(cluster)} ({_first_line(error)}). {_remedy(cluster)}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _connect(cluster: Cluster) -> None:
    import ray

    if cluster.address:
        _knock(cluster.address)
        ray.init(address=cluster.address, configure_logging=False, log_to_driver=False)
        return
    processors = os.cpu_count() or 1
    ray.init(
        address="local",  # without it, any Ray that runs on this machine would do
        num_cpus=max(processors, ceil((cluster.actors or 1) * cluster.cpus)),
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
    )


def _knock(address: str) -> None:
    # Ray itself would knock for minutes where nobody listens
    host, _, port = (
        address.partition("://")[2].rpartition(":") if "://" in address else address.rpartition(":")
    )
    if port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Ray does to its host to itself: its log lines, and its handler of SIGTERM."""
    log = logging.getLogger("ray")
    level = log.level
    log.setLevel(logging.ERROR)
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        log.setLevel(level)
        if main:
            signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def _place(cluster: Cluster) -> str:
    return f"No Ray cluster answers at {cluster.address}" if cluster.address else "Ray does not start"


def _remedy(cluster: Cluster) -> str:
    return "Check the address, or start one with `ray start --head`." if cluster.address else "See /tmp/ray."


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
