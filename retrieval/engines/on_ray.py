"""The engine on Ray: files and texts are sent to actors, passages and vectors come back, and the asker writes.

Files are opened by the asker, so that what is unchanged is not even sent, no machine needs to see the others' disks,
and web addresses are fetched from one place. Texts are embedded some hundred at a time, from several documents, and
only those that the cache does not know. Nothing that Ray loses matters: the collection is the manifest.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import ray
from langchain_core.embeddings import Embeddings

from retrieval.cut import Cut
from retrieval.documents import Document
from retrieval.embed import name_of
from retrieval.engines.actor import IngestActor, Order
from retrieval.engines.cluster import Cluster
from retrieval.engines.job import Engine, Job
from retrieval.engines.pool import TRIES, ActorsDied, Pool
from retrieval.engines.spread import SpreadEmbeddings
from retrieval.engines.travel import maker, travels
from retrieval.intake import Skip
from retrieval.loaders.extract import Unreadable
from retrieval.redact import version
from retrieval.stores.cache import CachedEmbeddings

_log = logging.getLogger("retrieval.engines")

_AHEAD = 4
"""Files under way per actor: a slow one at the head must not leave the other actors without work."""


class RayReader:
    """Reads files by actors; safe to use from several threads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def read(self, raw: bytes, name: str, address: str) -> Document | Cut:
        """Return a file's passages, or the document; raises Unreadable when that cannot be done within bounds."""
        try:
            read = cast("Document | Cut | Skip", self._pool.ask("read", raw, name, address))
        except ActorsDied as error:
            raise Unreadable(f"{TRIES} processes that were to read it died, one after the other") from error
        if isinstance(read, Skip):
            raise Unreadable(read.reason)
        return read

    def stop(self) -> None:
        """Break off whatever is being read; nothing is read afterwards."""
        self._pool.stop()


@contextmanager
def actors(job: Job, cluster: Cluster) -> Iterator[Engine]:
    """Start actors on the Ray that this program is connected to; they end when they are left."""
    cached = job.embeddings if isinstance(job.embeddings, CachedEmbeddings) else None
    plain = cached.inner if cached else job.embeddings
    order = _order(job, plain)
    started, sent = ray.remote(IngestActor), ray.put(order)
    options = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus, "max_restarts": 0}
    pool = Pool(
        lambda: started.options(**options).remote(sent),
        cluster.size(ray.cluster_resources()),  # type: ignore[no-untyped-call]
        patience_s=cluster.start_timeout_s,
    )
    try:
        embeddings = job.embeddings
        if order.make is not None and job.embeds:
            spread = SpreadEmbeddings(plain, pool)
            embeddings = CachedEmbeddings(spread, cached.cache) if cached else spread
        yield Engine(RayReader(pool), embeddings, _AHEAD * pool.size)
    finally:
        pool.stop()


def _order(job: Job, embeddings: Embeddings) -> Order:
    make = maker(embeddings)
    if make is None:
        _log.warning(
            "The embeddings %r cannot be sent to other processes: documents are cut and embedded in this one.",
            name_of(embeddings),
        )
    # a hook with a version promises to depend on that and the text alone, so a copy of it is as good
    sent = job.redact if job.redact and version(job.redact) and travels(job.redact) else None
    cuts = make is not None and sent is job.redact
    return Order(make, job.embedding, job.reading, sent, cuts=cuts)
