"""English words reduced to their stems, by Snowball's rules."""

import threading

import Stemmer

_LOCAL = threading.local()


def stem(word: str) -> str:
    """Return the stem of a lower-case word (Porter 2, Snowball's `english`); other languages stay mostly as they are."""
    # the stemmer keeps the word it works on in itself, so threads must not share one
    if not hasattr(_LOCAL, "stemmer"):
        _LOCAL.stemmer = Stemmer.Stemmer("english")
    return str(_LOCAL.stemmer.stemWord(word))
