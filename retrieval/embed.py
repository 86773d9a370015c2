"""Turn text into vectors: offline by default, or by any LangChain `Embeddings`."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from langchain_core.embeddings import Embeddings

from retrieval.errors import BadRequest

_LOADING = threading.Lock()
_MODELS: dict[int, Any] = {}
_DIMENSIONS = (64, 128, 256)


class WordLlamaEmbeddings(Embeddings):
    """Static word embeddings whose weights come inside the `wordllama` package: no network, no GPU."""

    def __init__(self, dimension: int = 256) -> None:
        if dimension not in _DIMENSIONS:
            raise BadRequest(f"wordllama has no {dimension} dimensions; choose one of {_DIMENSIONS}.")
        self.name = f"wordllama:{dimension}"
        self._dimension = dimension

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one unit vector per text; a text without any token gets the zero vector."""
        import numpy as np

        vectors = _wordllama(self._dimension).embed(texts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        # wordllama's own norm=True divides by zero for an empty text
        return cast("list[list[float]]", (vectors / np.where(lengths == 0, 1, lengths)).tolist())

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query, made as for documents."""
        return self.embed_documents([text])[0]

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of many queries in one pass."""
        return self.embed_documents(texts)


def embeddings_from(name: str, *, base_url: str | None = None, api_key: str | None = None) -> Embeddings:
    """Return the embeddings called "wordllama", "wordllama:128" or "openai:<model>".

    `base_url` points "openai:" at any compatible server. Raises BadRequest for other names and missing keys.
    """
    provider, _, model = name.partition(":")
    if provider == "wordllama" and (model.isdecimal() or not model):
        return WordLlamaEmbeddings(int(model or 256))
    if provider == "openai" and model:
        return _openai(model, base_url, api_key)
    raise BadRequest(f'There are no embeddings called {name!r}; use "wordllama:256" or "openai:<model>".')


def name_of(embeddings: Embeddings) -> str:
    """Return a name that stays the same for the same model: its own `name`, else class and model."""
    own = getattr(embeddings, "name", None)
    if isinstance(own, str) and own:
        return own
    attributes = ("model", "model_name", "model_id", "deployment")
    model = next(
        (value for key in attributes if isinstance(value := getattr(embeddings, key, None), str)), ""
    )
    return f"{type(embeddings).__name__}:{model}" if model else type(embeddings).__name__


def embed_queries(embeddings: Embeddings, queries: Sequence[str]) -> list[list[float]]:
    """Return one vector per query, in one call where the embeddings can do that for queries."""
    batched = getattr(embeddings, "embed_queries", None)
    if callable(batched):
        return list(batched(list(queries)))
    if type(embeddings).__name__ in ("OpenAIEmbeddings", "AzureOpenAIEmbeddings"):
        # these embed queries as they embed documents; other models may prefix them differently
        return embeddings.embed_documents(list(queries))
    return [embeddings.embed_query(query) for query in queries]


def _wordllama(dimension: int) -> Any:
    with _LOADING:
        if dimension not in _MODELS:
            from pathlib import Path

            with _logging_untouched():
                import wordllama

            # any other call looks in the wrong folder and then downloads
            _MODELS[dimension] = wordllama.WordLlama.load(
                dim=256,
                trunc_dim=None if dimension == 256 else dimension,
                cache_dir=Path(wordllama.__file__).parent,
                disable_download=True,
            )
        return _MODELS[dimension]


@contextmanager
def _logging_untouched() -> Iterator[None]:
    # importing wordllama calls logging.basicConfig, which would print every library's INFO lines
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _openai(model: str, base_url: str | None, api_key: str | None) -> Embeddings:
    from langchain_openai import OpenAIEmbeddings
    from openai import OpenAIError
    from pydantic import SecretStr

    key = api_key or ("unused" if base_url else None)
    options: dict[str, Any] = {"base_url": base_url, "api_key": SecretStr(key) if key else None}
    given = {name: value for name, value in options.items() if value is not None}
    try:
        # the context-length check would download a tokenizer
        return OpenAIEmbeddings(model=model, check_embedding_ctx_length=False, **given)
    except OpenAIError as error:
        raise BadRequest(f"openai:{model} needs an API key: pass api_key or set OPENAI_API_KEY.") from error
