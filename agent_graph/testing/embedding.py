"""Embeddings without a model: each word falls on one axis, so texts that share words lie close."""

import hashlib
import math
import re

_WORD = re.compile(r"\w+")


def hashed_vector(text: str, *, dimensions: int) -> list[float]:
    """Return a vector of length 1 that depends on the words of `text` and their number, not their order.

    The same text gives the same vector on every machine. A text without words counts as one word.
    """
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        vector[(digest >> 1) % dimensions] += 1.0 if digest & 1 else -1.0
    norm = math.sqrt(sum(value * value for value in vector))
    if norm == 0.0:  # two words that cancel out on one axis
        return hashed_vector(f"{text.lower()} {text.lower()}x", dimensions=dimensions)
    return [value / norm for value in vector]
