"""What can be sent to another process, and how embeddings are made anew there."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import BaseModel

Maker = Callable[[], Embeddings]
"""Makes the same embeddings wherever it is called."""


def travels(value: Any) -> bool:
    """Whether a value can be sent to another process."""
    from ray import cloudpickle

    try:
        cloudpickle.dumps(value)  # type: ignore[no-untyped-call]
    except Exception:  # pickling calls other people's code
        return False
    return True


def maker(embeddings: Embeddings) -> Maker | None:
    """Return what makes these embeddings in another process; None when nothing does."""
    return next(filter(travels, _makers(embeddings)), None)


def _makers(embeddings: Embeddings) -> Iterator[Maker]:
    yield partial(_itself, embeddings)
    if isinstance(embeddings, BaseModel):
        # a client holds locks and sockets, and is left out; what it was made from is not
        fields = type(embeddings).model_fields
        kept = {name: getattr(embeddings, name) for name, field in fields.items() if not field.exclude}
        yield partial(type(embeddings), **kept)


def _itself(embeddings: Embeddings) -> Embeddings:
    return embeddings
