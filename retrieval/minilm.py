"""all-MiniLM-L6-v2 from where Chroma keeps it, through an adapter that keeps its session and pads to need.

Chroma's own adapter gives the same vectors but builds its session anew on every call and pads every text to 256
tokens.
"""

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from retrieval.embed import LocalEmbeddings
from retrieval.errors import BadRequest

if TYPE_CHECKING:
    from retrieval.embed import Vectors

FOLDER = Path("~/.cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx")
"""Where Chroma puts the model when it downloads it."""

_MOST_TOKENS = 256
_TEXTS_AT_ONCE = 32
_LOADING = threading.Lock()


class MiniLMEmbeddings(LocalEmbeddings):
    """Sentence embeddings of 384 dimensions on the CPU, by ONNX; the model must have been downloaded before."""

    def __init__(self, folder: str | Path = FOLDER) -> None:
        self.name = "onnx:all-MiniLM-L6-v2"
        self._folder = Path(folder).expanduser()
        if absent := [
            name for name in ("model.onnx", "tokenizer.json") if not (self._folder / name).is_file()
        ]:
            raise BadRequest(
                f"{self._folder} has no {' and no '.join(absent)}. Let Chroma download the model once, where there "
                'is a network: python -c "from chromadb.utils.embedding_functions import DefaultEmbeddingFunction '
                'as Model; Model()([\'once\'])"; or use "wordllama", which needs no download.'
            )

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        # a session cannot be sent to another process; where it is, it is made anew
        return type(self), (self._folder,)

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """Return one unit vector per text; of a long text the first 256 tokens count."""
        import numpy as np

        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))  # alike in length, so little padding
        made: Vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for start in range(0, len(order), _TEXTS_AT_ONCE):
            some = order[start : start + _TEXTS_AT_ONCE]
            made[some] = self._pooled([texts[at] for at in some])
        return made

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model sees in a text, before it cuts it."""
        return len(self._uncut.encode(text).ids)

    def _pooled(self, texts: list[str]) -> "Vectors":
        import numpy as np

        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, given)[0]
        weights = mask[:, :, None].astype(np.float32)
        means = (hidden * weights).sum(axis=1) / np.clip(weights.sum(axis=1), 1e-9, None)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return cast("Vectors", (means / np.where(lengths == 0, 1e-12, lengths)).astype(np.float32))

    @property
    def _dimension(self) -> int:
        return int(self._session.get_outputs()[0].shape[-1])

    @cached_property
    def _uncut(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.enable_truncation(max_length=_MOST_TOKENS)
        tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")  # noqa: S106 - the name of a token
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime  # type: ignore[import-untyped]

        with _LOADING:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            return onnxruntime.InferenceSession(
                str(self._folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
