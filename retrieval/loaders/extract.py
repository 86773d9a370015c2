"""What a loader returns: text with its places, or a reason why there is none."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from retrieval.documents import Kind, Section

TITLE_CHARS = 200
"""Longest title and longest location."""


class Unreadable(Exception):
    """A file that cannot become a document; the message is the reason, for a person."""


class OutOfMemory(Unreadable):
    """A file whose reading needs more memory than there is."""


@dataclass(frozen=True, slots=True)
class Extract:
    """The text of one file."""

    text: str
    kind: Kind
    title: str = ""
    """As the file itself says; empty when it does not."""
    sections: tuple[Section, ...] = ()


def one_line(text: str) -> str:
    """Return a title or location on one line, not too long."""
    return " ".join(text.split())[:TITLE_CHARS].rstrip()


class Parts:
    """Puts a text together from parts that each have a place."""

    def __init__(self, separator: str = "\n\n") -> None:
        self._separator = separator
        self._texts: list[str] = []
        self._sections: list[Section] = []
        self._length = 0

    def add(self, text: str, location: str, sections: Iterable[Section] = ()) -> None:
        """Append a part; its own sections, when it has some, are finer places within it."""
        if not text.strip():
            return
        start = self._length
        placed = [
            replace(section, start=section.start + start, end=section.end + start) for section in sections
        ]
        if not placed or placed[0].start > start:
            first = placed[0].start if placed else start + len(text)
            placed.insert(0, Section(start, first, one_line(location)))
        self._sections += placed
        self._texts.append(text)
        self._length += len(text) + len(self._separator)

    def extract(self, kind: Kind, title: str = "") -> Extract:
        """Return what was put together."""
        return Extract(self._separator.join(self._texts), kind, one_line(title), tuple(self._sections))
