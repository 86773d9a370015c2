"""The engines by name, and the one that needs nothing: threads and guarded reader processes of this machine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from retrieval.engines.cluster import Cluster, connected
from retrieval.engines.job import Engine, Job
from retrieval.errors import BadRequest
from retrieval.loaders.guarded import Readers

EngineChoice = Literal["local", "ray"] | Cluster
"""local: this machine, without Ray; ray: the same as Cluster(); a Cluster says which Ray, and how much of it."""


def started(choice: EngineChoice, job: Job) -> AbstractContextManager[Engine]:
    """Return the engine of this choice, to be entered; when it is left, whatever it started has ended.

    Raises BadRequest for another name; entering raises EngineMissing where Ray is not installed, and EngineFailed when
    it does not start.
    """
    if isinstance(choice, Cluster):
        return _on_ray(job, choice)
    if choice == "ray":
        return _on_ray(job, Cluster())
    if choice == "local":
        return _local(job)
    raise BadRequest(f'There is no engine {choice!r}: use "local", "ray" or a Cluster.')


@contextmanager
def _local(job: Job) -> Iterator[Engine]:
    with Readers(job.reading) as readers:
        yield Engine(readers, job.embeddings, max(1, job.reading.processes))


@contextmanager
def _on_ray(job: Job, cluster: Cluster) -> Iterator[Engine]:
    with connected(cluster):
        from retrieval.engines.on_ray import actors  # Ray is there from here on

        with actors(job, cluster) as engine:
            yield engine
