"""Our citations as models write them and as documents imitate them: one grammar, to read and to bend.

A letter that only looks like our E, a digit that is raised or of another script and a bracket of another
width are read like ours, because a person reads them so.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

QUESTION = "Question:"
PLAN = "The plan that was run:"
CONVERSATION = "The conversation before this question:"
INSUFFICIENT = "INSUFFICIENT:"
HEADINGS = (QUESTION, PLAN, CONVERSATION)
"""What the parts of the solver's prompt, and its refusal, begin with; no evidence may begin so."""

LETTERS = "".join(
    ["Ee", "ＥｅЕеΕᎬꓰ⋿ℰℯⅇᴱᵉₑⒺⓔ🄴🅴"]
    + [chr(code) for code in range(0x1D400, 0x1D7CC) if unicodedata.normalize("NFKC", chr(code)) in "Ee"]
)
"""Our E, and all that looks like it."""
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DIGIT = rf"[\d{_RAISED}₀-₉①-⑨]"
_STRUCK = "[\u0331-\u0338\u20d0-\u20ff]{0,3}+"
_STEP = rf"[{LETTERS}]{_STRUCK}{_DIGIT}{{1,9}}+(?!{_DIGIT})"
_GAP = r"\s{0,3}+"
_SOURCE = rf"""(?:
    \s{{0,2}}[.．·]\s{{0,2}}{_DIGIT}{{1,9}}+ | :{_DIGIT}{{1,9}}+
    | \s?[,/]?\s?(?i:source|src|passage|item|no)\.?\s?{_DIGIT}{{1,3}}+ | \s?\({_DIGIT}{{1,3}}+\)
    )?"""
_AND = r"(?i:and|or|und|oder|et|ou|y|e|och|og|en|и|as\s{1,3}well\s{1,3}as)\b"
_COMMA = r"[,;&/+|、，；和与及と]"
_TO = r"(?:[-–—−‐‑~～→…至到]|\.{2,3}|(?i:to|through|thru|until|bis|à)\b)"
_NEXT = rf"(?>{_GAP}(?:{_COMMA}{_GAP}(?:{_AND}{_GAP})?|{_AND}{_GAP}|{_TO}{_GAP})?(?i:(?:steps?|evidence)\s)?)"
_ONE = rf"[\#＃^@]?{_STEP}{_SOURCE}"
_SHORT = rf"{_GAP}(?:{_COMMA}|{_TO}){_GAP}\.?{_DIGIT}{{1,3}}+(?=\s{{0,3}}[^\s\w.%]|\s{{0,3}}$)"
_IDS = rf"{_ONE}(?:{_NEXT}{_ONE}|{_SHORT}){{0,40}}+"
_FRILL = r"[\s*_`~^@\#†\"'“”]{0,4}"
_WORD = r"""(?i:evidence|evid|ev|sources?|src|see(?:\s{1,3}also)?|steps?|refs?|references?|citations?|cited?|cf|from|via|per
    |by|based\s{1,3}on|according\s{1,3}to|as\s(?:in|per|shown\sin|stated\sin)|items?|ids?|docs?|documents?|results?|quellen?
    |siehe|vgl|voir|fuentes?|источник|出典|来源|资料)"""
_WORDS = rf"(?:{_WORD}[\s:.,\#]{{0,3}}){{0,2}}"
_BEFORE, _AFTER = rf"{_FRILL}{_WORDS}{_FRILL}(?P<ids>", rf"){_FRILL}"
_NOTE = r"(?:\s{0,3}[,:;|†‡–—-]\s{0,3}[^\[\]【】［］\n]{1,80}?)?"
_SEVERAL = rf"[{LETTERS}]{_STRUCK}{_DIGIT}{{1,9}}+(?:\.\d{{1,3}}(?!\d))?"
_LED = r"""(?i:according\s{1,3}to|as\s(?:shown|stated|seen|noted|reported|given|described|mentioned)\s(?:in|by)|based\s{1,3}on
    |see(?:\s{1,3}also)?|per|cf\.?|evidence|sources?|refs?|references?|citations?|cited(?:\s(?:in|from))?)"""

FORMS = tuple(
    re.compile(form, re.VERBOSE)
    for form in (
        rf"<(?P<tag>(?i:sup|sub|cite|ref|source|citation|footnote))\b[^<>\n]{{0,60}}>\[?{_BEFORE}{_IDS}{_AFTER}\]?\s{{0,3}}"
        r"</(?P=tag)\s{0,3}>",
        rf"<(?i:ref|cite|source|citation|evidence)\s{{1,3}}(?:\w{{1,10}}\s?=\s?)?[\"']?(?P<ids>{_IDS})[\"']?\s{{0,3}}/>",
        rf"\\(?:[a-z]{{0,6}}cite[a-z]{{0,6}})\*?(?:\[[^\[\]\n]{{0,40}}\])?\{{{_BEFORE}{_IDS}{_AFTER}\}}",
        rf"\\?[\[［【〔〖⟦「]{_BEFORE}{_IDS}{_AFTER}{_NOTE}\\?[\]］】〕〗⟧」]",
        rf"\\?[(（]{_BEFORE}{_IDS}{_AFTER}\\?[)）]",
        rf"(?<!\$)[{{⟨<＜]{_BEFORE}{_IDS}{_AFTER}[}}⟩>＞]",
        rf"\^\{{?(?P<ids>{_IDS})\}}?\^?",
        rf"(?P<ids>[ᴱᵉ][{_RAISED}]{{1,4}})",
    )
)
"""Citations and groups of them as they are written; the group `ids` holds the ids."""

LOOSE = re.compile(
    rf"[\[［【(（](?P<ids>(?:[^\w\[\]()（）【】［］\n\ufdd0-\ufdef]|{_ONE}){{1,60}}+)[\]］】)）]", re.VERBOSE
)
"""Brackets that hold ids and signs and nothing else, in no known way of writing."""

LED = re.compile(
    rf"(?<![\w/<‹＜-])(?P<lead>{_LED})(?P<gap>[\s:\#]{{1,3}})(?P<ids>{_SEVERAL}(?:{_NEXT}{_SEVERAL}){{0,40}}+)(?!\w)",
    re.VERBOSE,
)
"""A citation without brackets after a word that leads to one: `according to E1`, `Sources: E1, E2`."""

_PLAIN = r"(?<!\w)E\d{1,4}(?:\.\d{1,3})?(?!\w)"
_PLAINS = rf"{_PLAIN}(?:\s?(?:[,;&]|and)\s?{_PLAIN}){{0,20}}+"
EDGE = re.compile(rf"(?<=[(（])(?P<ids>{_PLAINS})(?=\s?[,;:]\s)|(?<=[,;]\s)(?P<last>{_PLAINS})(?=[)）])")
"""A citation at the edge of a remark in round brackets: `(1697, E1)`, `(E1, p. 3)`; it may be a name too."""

BARE = re.compile(r"(?<![\w.#/<‹\[{-])(?P<ids>E\d{1,4}(?:\.\d{1,3})?)(?![\w\]]|[.-]\w)")
"""An id that stands alone in running text; it may also be the name of a thing."""

_ID = re.compile(rf"[{LETTERS}]{_STRUCK}(?={_DIGIT})")
_TOKEN = re.compile(
    rf"(?P<to>{_TO}\s{{0,3}})?(?:[{LETTERS}]{_STRUCK}(?P<step>{_DIGIT}{{1,9}}+)"
    rf"(?P<source>{_SOURCE})|\.?(?P<short>{_DIGIT}{{1,3}}+))",
    re.VERBOSE,
)
_FIGURES = re.compile(rf"{_DIGIT}{{1,9}}")
_MOST = 50


class Mark(NamedTuple):
    """One citation: the number of a step, and of one of its sources from 1 when it names one."""

    step: int
    source: int | None = None

    def __str__(self) -> str:
        return f"E{self.step}" if self.source is None else f"E{self.step}.{self.source}"


def marks(ids: str) -> list[Mark]:
    """Return what a group of ids names, each once; a range names everything between its ends, at most 50."""
    return list(dict.fromkeys(_marks(ids)))


def bend(text: str) -> tuple[str, int]:
    """Return the text with a gap in every id that could be read as a citation, and how many were bent."""
    count = 0
    for form in (*FORMS, LOOSE, LED):
        bent = ""
        at = 0
        for match in form.finditer(text):
            ids, changes = _ID.subn(r"\g<0> ", match["ids"])
            if changes:
                bent += text[at : match.start("ids")] + ids
                at = match.end("ids")
                count += 1
        if at:
            text = bent + text[at:]
    return text, count


def _marks(ids: str) -> Iterator[Mark]:
    last: Mark | None = None
    for match in _TOKEN.finditer(ids):
        mark = _mark(match, last)
        if mark is None:
            continue
        if match["to"] and last is not None:
            yield from between(last, mark)
        yield mark
        last = mark


def _mark(match: re.Match[str], last: Mark | None) -> Mark | None:
    if match["step"]:
        source = _FIGURES.search(match["source"] or "")
        return Mark(_number(match["step"]), _number(source[0]) if source else None)
    if last is None:
        return None
    number = _number(match["short"])
    return Mark(number) if last.source is None else Mark(last.step, number)


def between(first: Mark, last: Mark) -> Iterator[Mark]:
    """Yield what lies strictly between two ends of a range."""
    if first.step == last.step and first.source and last.source:
        low, high = first.source, min(last.source, first.source + _MOST)
        yield from (Mark(first.step, number) for number in range(low + 1, high))
    elif first.source is None and last.source is None:
        low, high = first.step, min(last.step, first.step + _MOST)
        yield from (Mark(number) for number in range(low + 1, high))


def _number(digits: str) -> int:
    return int(unicodedata.normalize("NFKC", digits))
