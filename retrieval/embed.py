"""Turn text into vectors: offline by default, or by any LangChain `Embeddings`."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from langchain_core.embeddings import Embeddings

from retrieval.documents import Passage
from retrieval.errors import BadRequest, EmbeddingsFailed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    """One vector per row."""

_LOADING = threading.Lock()
_MODELS: dict[str, "_StaticModel"] = {}
_DIMENSIONS = (64, 128, 256)
_TEXTS_AT_ONCE = 128


@runtime_checkable
class Vectorizer(Protocol):
    """Embeddings that give vectors as one array, which spares making and reading lists of floats."""

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return one vector per text."""
        ...


class LocalEmbeddings(Embeddings):
    """Embeddings of this machine, whose every way in leads to `vectors`."""

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return one unit vector per text."""
        raise NotImplementedError

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one unit vector per text."""
        return cast("list[list[float]]", self.vectors(texts).tolist())

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query, made as for documents."""
        return self.embed_documents([text])[0]

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of many queries in one pass."""
        return self.embed_documents(texts)


class WordLlamaEmbeddings(LocalEmbeddings):
    """Static word embeddings whose weights come inside the `wordllama` package: no network, no GPU."""

    def __init__(self, dimension: int = 256) -> None:
        if dimension not in _DIMENSIONS:
            raise BadRequest(f"wordllama has no {dimension} dimensions; choose one of {_DIMENSIONS}.")
        self.name = f"wordllama:{dimension}"
        self._dimension = dimension

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return one unit vector per text; a text without any token gets the zero vector."""
        return _static_model().vectors(texts, self._dimension)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model sees in a text."""
        return _static_model().count_tokens(text)


def embeddings_from(name: str, *, base_url: str | None = None, api_key: str | None = None) -> Embeddings:
    """Return the embeddings called "wordllama", "wordllama:128", "minilm" or "openai:<model>".

    `base_url` points "openai:" at any compatible server. Raises BadRequest for other names, missing keys, and
    for "minilm" where Chroma has not put its model.
    """
    provider, _, model = name.partition(":")
    if provider == "wordllama" and (model.isdecimal() or not model):
        return WordLlamaEmbeddings(int(model or 256))
    if name == "minilm":
        from retrieval.minilm import MiniLMEmbeddings

        return MiniLMEmbeddings()
    if provider == "openai" and model:
        return _openai(model, base_url, api_key)
    raise BadRequest(
        f'There are no embeddings called {name!r}; use "wordllama:256", "minilm" or "openai:<model>".'
    )


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


def embedded_text(passage: Passage) -> str:
    """Return the text of a passage that is embedded: its title stands before it."""
    return f"{passage.title}\n{passage.text}" if passage.title else passage.text


def embed_passages(embeddings: Embeddings, passages: Sequence[Passage]) -> "Vectors":
    """Return one vector per passage."""
    return embed_texts(embeddings, [embedded_text(passage) for passage in passages])


def embed_texts(embeddings: Embeddings, texts: Sequence[str]) -> "Vectors":
    """Return one vector per text of a document.

    Raises EmbeddingsFailed for what cannot be vectors of these texts.
    """
    if isinstance(embeddings, Vectorizer):
        return embeddings.vectors(texts)
    return _array(embeddings, embeddings.embed_documents(list(texts)) if texts else [], len(texts))


def embed_queries(embeddings: Embeddings, queries: Sequence[str]) -> "Vectors":
    """Return one vector per query, in one call where the embeddings can do that for queries.

    Raises EmbeddingsFailed, as `embed_texts` does.
    """
    batched = getattr(embeddings, "embed_queries", None)
    if callable(batched):
        return _array(embeddings, list(batched(list(queries))), len(queries))
    if type(embeddings).__name__ in ("OpenAIEmbeddings", "AzureOpenAIEmbeddings"):
        # these embed queries as they embed documents; other models may prefix them differently
        return _array(embeddings, embeddings.embed_documents(list(queries)), len(queries))
    return _array(embeddings, [embeddings.embed_query(query) for query in queries], len(queries))


def _array(embeddings: Embeddings, vectors: Sequence[Sequence[float]], expected: int) -> "Vectors":
    import numpy as np

    dimensions = {len(vector) for vector in vectors}
    if len(vectors) != expected or len(dimensions) > 1 or dimensions == {0}:
        raise EmbeddingsFailed(
            f"The embeddings {name_of(embeddings)!r} returned {len(vectors)} vectors for {expected} texts, of "
            f"{sorted(dimensions)} dimensions: check the model."
        )
    made = np.asarray(vectors, dtype=np.float32).reshape(expected, -1 if expected else 0)
    if not np.isfinite(made).all():
        raise EmbeddingsFailed(
            f"The embeddings {name_of(embeddings)!r} returned vectors that are no numbers: check the model."
        )
    return made


class _StaticModel:
    """A table of word vectors and its tokenizer."""

    def __init__(self, table: "Vectors", tokenizer: Any) -> None:
        self._table, self._tokenizer = table, tokenizer

    def count_tokens(self, text: str) -> int:
        # without offsets, which only this call leaves out, it takes three quarters of the time
        return len(self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids)

    def vectors(self, texts: Sequence[str], dimension: int) -> "Vectors":
        # the mean of each text's rows, as wordllama makes it, without its padding to the longest of a batch, and
        # without its division by zero for an empty text
        import numpy as np

        made = np.zeros((len(texts), dimension), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = list(texts[start : start + _TEXTS_AT_ONCE])
            for at, one in enumerate(
                self._tokenizer.encode_batch_fast(some, add_special_tokens=False), start
            ):
                if one.ids:
                    made[at] = self._table[one.ids, :dimension].sum(axis=0)
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        return np.asarray(made / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def _static_model() -> _StaticModel:
    with _LOADING:
        if "wordllama" not in _MODELS:
            from pathlib import Path

            from tokenizers import Tokenizer

            with _logging_untouched():
                import wordllama

            # any other call looks in the wrong folder and then downloads
            loaded = wordllama.WordLlama.load(
                dim=256, cache_dir=Path(wordllama.__file__).parent, disable_download=True
            )
            tokenizer = Tokenizer.from_str(loaded.tokenizer.to_str())
            tokenizer.no_padding()
            tokenizer.no_truncation()
            _MODELS["wordllama"] = _StaticModel(loaded.embedding, tokenizer)
        return _MODELS["wordllama"]


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
