"""Text as index terms: folded, stemmed, and made of `a-z0-9` only, so that no query can break FTS5's syntax.

Words are stemmed by Snowball's English rules, which leave other languages mostly alone. Scripts written without
spaces become overlapping pairs of characters, since a whole sentence of them would otherwise be one word.
"""

import re
import unicodedata
from functools import cache, lru_cache
from itertools import chain

from retrieval.stem import stem

LONGEST = 64
"""Characters of a word that count; what follows is noise or an attack."""

_ASCII_WORD = re.compile(r"[a-z0-9]+")
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"  # Japanese, Chinese, Korean
    "\U00020000-\U0003134f"
)
_RUN = re.compile(f"[{_UNSPACED}]+")
_STOP_WORDS = frozenset(
    """a an and are as at be been but by did do does for from had has have he her his how i in is it its of on or
    she that the their them they this to was we were what when where which who whom whose why will with you
    """.split()  # noqa: SIM905 - sixty quoted words are harder to read
)


def terms(text: str) -> list[str]:
    """Return the index terms of a text in order, repeats kept."""
    return list(chain.from_iterable(map(_terms_of, _words(text))))


def query_terms(query: str, most: int = 64) -> list[str]:
    """Return the different terms of a query without those that say nothing, unless there are no others."""
    words = _words(query)
    telling = [word for word in words if word not in _STOP_WORDS] or words
    return list(dict.fromkeys(chain.from_iterable(map(_terms_of, telling))))[:most]


def is_stop_word(word: str) -> bool:
    """Whether a lower-case word is one that searches ignore."""
    return word in _STOP_WORDS


def _words(text: str) -> list[str]:
    pattern: re.Pattern[str] = _ASCII_WORD if text.isascii() else _any_word()
    return pattern.findall(text.lower())


@lru_cache(maxsize=100_000)
def _terms_of(word: str) -> tuple[str, ...]:
    if word.isascii():
        return (stem(word[:LONGEST]),)
    return tuple(term for part in _words(_folded(word)) for term in _terms_of_part(part))


def _folded(word: str) -> str:
    parts = unicodedata.normalize("NFKD", word)
    bare = "".join(character for character in parts if not unicodedata.combining(character))
    return unicodedata.normalize("NFKC", bare).casefold()


def _terms_of_part(part: str) -> list[str]:
    found: list[str] = []
    at = 0
    for run in _RUN.finditer(part):
        found += _spelled(part[at : run.start()]) + _pairs(run[0])
        at = run.end()
    return found + _spelled(part[at:])


def _pairs(run: str) -> list[str]:
    pairs = [run[at : at + 2] for at in range(len(run) - 1)] or [run]
    return [_encoded(pair) for pair in pairs]


def _spelled(word: str) -> list[str]:
    return [_encoded(stem(word[:LONGEST]))] if word else []


def _encoded(term: str) -> str:
    return term if term.isascii() else f"x{term.encode('utf-8', 'surrogatepass').hex()}"


@cache
def _any_word() -> re.Pattern[str]:
    # Python's \w leaves out the vowel signs of Indic scripts, which would cut their words apart
    marks = [code for code in range(0x300, 0xFFFF) if unicodedata.category(chr(code))[0] == "M"]
    spans = "".join(f"{chr(low)}-{chr(high)}" for low, high in _spans(marks))
    return re.compile(f"(?:[^\\W_]|[{spans}])+")


def _spans(codes: list[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for code in codes:
        if spans and spans[-1][1] == code - 1:
            spans[-1] = (spans[-1][0], code)
        else:
            spans.append((code, code))
    return spans
