"""A large collection of real sentences, made from small sets: the same on every machine.

The paragraphs of the question sets come first, as they are. Then documents of ten paragraphs each are put together:
every paragraph takes some sentences of three paragraphs drawn at random, with years shifted by up to forty; its
document is titled with words of two of their titles. So words are as frequent and sentences as long as in the
originals, every passage differs from every other, and a question still has one right paragraph among near ones.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from questions import MULTIHOP, multihop

from retrieval.documents import Document

PARAGRAPHS = 10
_SENTENCE = re.compile(r"(?<=[.!?]) +")
_YEAR = re.compile(r"\b(?:1[5-9]\d\d|20[01]\d)\b")


def documents(data: Path) -> Iterator[Document]:
    """Yield documents without end: the real paragraphs, then those put together."""
    real = [document for name in MULTIHOP for document in multihop(data, name).documents]
    yield from real
    chance = random.Random(0)
    sentences = [_SENTENCE.split(document.text) for document in real]
    number = 0
    while True:
        drawn = [[chance.randrange(len(real)) for _ in range(3)] for _ in range(PARAGRAPHS)]
        paragraphs = [_paragraph([sentences[at] for at in three], chance) for three in drawn]
        first, second = (real[at].title.split() for at in drawn[0][:2])
        title = " ".join(dict.fromkeys(first[:2] + second[-2:]))
        yield Document(f"made/{number}", "\n\n".join(paragraphs), title)
        number += 1


def _paragraph(parts: list[list[str]], chance: random.Random) -> str:
    shares = (2 / 3, 1 / 2, 1 / 3)
    chosen = [
        sentence
        for part, share in zip(parts, shares, strict=True)
        for sentence in chance.sample(part, max(1, int(len(part) * share)))
    ]
    shift = chance.randrange(-40, 40)
    return _YEAR.sub(lambda year: str(int(year[0]) + shift), " ".join(chosen))[:700]
