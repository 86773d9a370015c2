"""Bytes to text in whatever encoding they come, and text to titles and headings."""

import re
from collections.abc import Iterator

from retrieval.documents import Section
from retrieval.loaders.extract import TITLE_CHARS, Extract, Unreadable, one_line

_MOST_CONTROL = 0.05
"""Share of control characters above which bytes are no text."""
_SHORTEST_WIDE = 16
"""Bytes from which on zeros may be a sign of UTF-16."""
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Marks and what they mean, the longer ones first."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\ufffe\uffff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_UNDERLINE = re.compile(r"([=\-~^\"*+#`])\1{2,}")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`]|(?<!\w)_+|_+(?!\w)")


def clean(text: str) -> str:
    """Return text that every store accepts: one kind of line end, no control characters, no lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def decode(raw: bytes) -> str:
    """Return bytes as text in their most likely encoding.

    Raises Unreadable when they are no text.
    """
    encoding = marked(raw) or _detected(raw)
    try:
        text = raw.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"not valid {encoding} text") from error
    if len(_CONTROL.findall(text)) > _MOST_CONTROL * len(text):
        raise Unreadable("binary, not text")
    return clean(text)


def decode_as(raw: bytes, declared: str | None) -> str:
    """Return bytes as text in the encoding they declare, or in their most likely one where that is wrong.

    Raises Unreadable when they are no text.
    """
    if declared and not marked(raw):
        try:
            return clean(raw.decode(declared))
        except (UnicodeDecodeError, LookupError):
            pass  # a wrong declaration is common; detection decides
    return decode(raw)


def marked(raw: bytes) -> str | None:
    """Return the encoding that a byte order mark names."""
    return next((encoding for mark, encoding in _BOMS if raw.startswith(mark)), None)


def plain(raw: bytes) -> Extract:
    """Read plain text; a line of punctuation under a line makes it a heading, as in reStructuredText."""
    text = decode(raw)
    sections = tuple(_sections(text, _underlined(text)))
    return Extract(text, "text", _first_line_title(text), sections)


def markdown(raw: bytes) -> Extract:
    """Read Markdown."""
    text = decode(raw)
    sections = headed(text)
    return Extract(text, "markdown", first_heading(sections), sections)


def headed(text: str) -> tuple[Section, ...]:
    """Return the sections that Markdown headings make of a text; none without headings."""
    return tuple(_sections(text, sorted({**dict(_underlined(text, "=")), **dict(_hashed(text))}.items())))


def first_heading(sections: tuple[Section, ...]) -> str:
    """Return the heading of the first section that has one."""
    return next((section.location for section in sections if section.location), "")


def _sections(text: str, headings: "Iterator[tuple[int, str]] | list[tuple[int, str]]") -> Iterator[Section]:
    start, location = 0, ""
    found = False
    for at, heading in headings:
        if at > start:
            yield Section(start, at, location)
        start, location, found = at, heading, True
    if found:
        yield Section(start, len(text), location)


def _hashed(text: str) -> Iterator[tuple[int, str]]:
    at, fenced = 0, False
    for line in text.splitlines(keepends=True):
        fenced ^= bool(_FENCE.match(line))
        match = None if fenced else _HEADING.match(line.rstrip("\n"))
        if match:
            yield at, one_line(_MARKUP.sub(lambda found: found[1] or "", match[2]))
        at += len(line)


def _underlined(text: str, allowed: str = '=-~^"*+#`') -> Iterator[tuple[int, str]]:
    at, before, start, above = 0, "", 0, ""
    for line in text.splitlines(keepends=True):
        mark = line.rstrip()
        heading = before.strip()
        if (
            _UNDERLINE.fullmatch(mark)
            and mark[0] in allowed
            and heading
            and len(heading) <= min(len(mark) + 3, TITLE_CHARS)
            and before[:1].strip()
            and (not above.strip() or _UNDERLINE.fullmatch(above.strip()))
            and any(map(str.isalnum, heading))
        ):
            yield start, one_line(heading)
        above, before, start = before, line, at
        at += len(line)


def _first_line_title(text: str) -> str:
    first, _, rest = text.lstrip("\n").partition("\n")
    second = rest.partition("\n")[0].strip()
    alone = not second or bool(_UNDERLINE.fullmatch(second))
    line = first.strip().lstrip("#= ").rstrip("= ")
    usable = alone and rest.strip() and 0 < len(line) <= 100 and not line.endswith((".", ",", ":", ";"))
    return line if usable else ""


def _detected(raw: bytes) -> str:
    if raw.count(0) > _MOST_CONTROL * len(raw):
        if len(raw) < _SHORTEST_WIDE:
            raise Unreadable("binary, not text")  # a few bytes are UTF-16 of something, whatever they are
        return _guessed(raw)  # UTF-16 without a mark is valid UTF-8 too, full of zeros
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return _guessed(raw)
    return "utf-8"


def _guessed(raw: bytes) -> str:
    import charset_normalizer

    matches = list(charset_normalizer.from_bytes(raw))
    if not matches:
        raise Unreadable("binary, not text")
    likely = {
        name for match in matches if match.chaos <= matches[0].chaos + 0.01 for name in _readings(match)
    }
    # among Latin encodings that fit equally well the commonest is right most often
    return "cp1252" if "cp1252" in likely else matches[0].encoding


def _readings(match: object) -> list[str]:
    encoding: str = match.encoding  # type: ignore[attr-defined]
    return [encoding, *match.could_be_from_charset]  # type: ignore[attr-defined]
