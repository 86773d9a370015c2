"""What a question asks for, read off its words: the type of its answer, a comparison, its parts.

Rules only; whoever plans, extracts or answers without a model reads questions here, so that all three agree.
"""

import re
from typing import Literal, NamedTuple

from retrieval.sentences import word_list

AnswerType = Literal[
    "number",
    "money",
    "percent",
    "date",
    "year",
    "person",
    "place",
    "name",
    "yes_no",
    "choice",
    "reason",
    "list",
    "text",
]
"""What kind of value answers a question."""

MAX_CHARS = 800
"""A longer question is read by its beginning."""

Order = Literal["least", "most"]
"""Which of two compared values wins: the least (first, older, fewer) or the most (last, younger, more)."""

Scale = Literal["time", "amount"]
"""What is compared: when something was, or how much of it there is."""

ROLES = word_list(
    "director author writer composer performer singer founder creator producer publisher inventor designer architect "
    "owner manager coach chairman president leader captain mayor governor editor screenwriter narrator host presenter "
    "star actor actress player artist painter musician guitarist drummer keyboardist pianist lyricist songwriter "
    "father mother parent son daughter child husband wife spouse brother sister sibling grandfather grandmother uncle "
    "aunt stepfather stepmother stepchild predecessor successor ceo chief head minister secretary king queen"
)
"""Nouns that stand for a person by what they are to something else."""

_ROLE = "|".join(ROLES)
_AUX = r"is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall|should|may|might|must"
_WH = r"who|whom|whose|what|which|when|where|why|how"
_LEAD = re.compile(
    r"^\s*(?:(?:based on|according to|in|from|given|using|per)\s+(?:(?!\b(?:what|which|who|how|when|where)\b)[^:?]){1,120}:"
    r"|(?:according to|based on)\s+(?:the\s+)?(?:document|documents|text|speech|passage|context|article)\s*,"
    r"|(?:question|q|task)\s*:"
    r"|(?:please\s+)?(?:can|could|would)\s+you\s+(?:please\s+)?tell\s+me\s+"
    r"|(?:please\s+)?tell\s+me\s+(?=(?:who|what|which|when|where|why|how)\b)"
    r"|please[\s,]+)\s*",
    re.IGNORECASE,
)
_TYPES: tuple[tuple[str, AnswerType], ...] = (
    (
        r"how many (?:percent|per cent)|what (?:percent|per cent)|percentage|what (?:share|proportion|fraction)",
        "percent",
    ),
    (
        r"\b(?:unemployment|inflation|interest|death|survival|tax|growth|literacy|birth|exchange) rate\b",
        "percent",
    ),
    (
        r"\bhow many\b|\bnumber of\b|\bhow (?:old|long|far|tall|high|deep|big|large|heavy|wide|fast|often)\b",
        "number",
    ),
    (r"\bhow much\b.{0,40}\b(?:more|less) likely\b", "percent"),
    (r"\bhow much\b|\bprice\b|\bcosts?\b|\bsalary\b|\bwages?\b|\brevenue\b|\bprofits?\b|\bbudget\b", "money"),
    (
        r"\bpopulation\b|\bage of\b|\bheight of\b|\blength of\b|\btotal of\b|^(?:the )?total\b|\bcount of\b",
        "number",
    ),
    (r"\b(?:what|which|the) year\b|^year\b|^in what year\b", "year"),
    (
        r"^\W*(?:\w+\W+){0,3}when\b|\bwhat (?:date|day|month)\b|\bdate\b|\bbirthday\b|\bdeadline\b|\bhow long ago\b",
        "date",
    ),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _TYPES)
_PERSON = re.compile(
    rf"\bwho\b|\bwhom\b|\bwhose\b|^(?:the\s+)?(?:name of the )?(?:{_ROLE})\b(?! of (?:state|the year))", re.I
)
_NAMED_ROLE = re.compile(
    rf"^(?:what|which)(?: is| was|'s)?(?: the)?(?: name of)?(?: the)? (?:\w+ ){{0,2}}?(?:{_ROLE})\b", re.I
)
_PLACE = re.compile(
    r"\bwhere\b|\b(?:what|which|the) (?:\w+ )?(?:city|country|state|town|county|place|location|province|region|village|"
    r"continent|island|capital|nation|nationality)\b|\b(?:place of|birthplace|located|nationality)\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\bname\b|\b(?:what|which) (?:(?!is\b|are\b|was\b|were\b)\w+ ){0,3}?(?:company|team|band|film|movie|book|song|album|school|university|college|"
    r"party|law|act|bill|river|mountain|club|league|award|newspaper|magazine|organization|bridge|character|game|product)\b",
    re.IGNORECASE,
)
_ENDING = re.compile(
    rf"\b(?:(?P<person>{_ROLE}|screenwriter)|(?P<place>country|capital|city|birthplace)|"
    r"(?:(?:owned|made|written|founded|published|produced|named) (?:by|after)))$",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"^(?:what|which|list|name)\b.{0,40}\b(?:actions|steps|measures|efforts|examples?|challenges|causes|goals|laws|"
    r"policies|reasons|proposals|standards|benefits|problems|ways|types?|evidences?|plans|significances?|items|"
    r"things|countries|names|members|differences?)\b|^(?:list|enumerate)\b|^how (?:does|do|did|will|has|have|can)\b"
    r"|\bstance\b|\bstrategy\b|\bplan\b|^what (?:does|did|do|is|are|will)\b.*\b(?:do|doing|address)\b",
    re.IGNORECASE,
)
_ASKED_FIRST: dict[str, AnswerType] = {
    "who": "person",
    "whom": "person",
    "whose": "person",
    "where": "place",
    "when": "date",
}
_CHOICE = re.compile(
    rf"^(?:which|who|what)\b.+,\s+.+\s+or\s+.+|^(?:{_AUX})\s+\S.*\bor\b.*\b(?:first|last|earlier|later|more|"
    r"older|younger|larger|higher)\b",
    re.IGNORECASE,
)
_YES_NO = re.compile(rf"^(?:{_AUX})\b", re.IGNORECASE)

_ORDERS: tuple[tuple[str, Order, Scale], ...] = (
    (
        r"more recent(?:ly)?|most recent(?:ly)?|later|latest|newer|newest|younger|youngest|last",
        "most",
        "time",
    ),
    (r"first|earlier|earliest|older|oldest|before|elder", "least", "time"),
    (
        r"fewer|fewest|less|least|smaller|smallest|lower|lowest|shorter|shortest|cheaper|cheapest",
        "least",
        "amount",
    ),
    (
        r"more|most|larger|largest|bigger|biggest|greater|greatest|higher|highest|taller|tallest|longer|longest|"
        r"deeper|deepest|heavier|heaviest|farther|farthest|costlier|costliest|wider|widest|faster|fastest|richer|richest",
        "most",
        "amount",
    ),
)
_ORDER_WORDS = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.I), order, scale) for pattern, order, scale in _ORDERS
)


MAX_LISTED = 6
"""Most things a superlative may choose among."""

_MOST = r"\b(?:\w{2,}est|most|least|fewest|first|last)\b"
_OF_THESE = re.compile(
    rf"(?P<asks>which|who)(?:\s+\w+)?\s+of\s+(?:these\s*:\s*|the following\s*:\s*)?(?P<names>[^:]{{2,200}}?,[^:]{{1,200}}?\s+(?:and|or)\s+[^,:]{{1,80}}?)"
    rf",?\s+(?P<rest>(?:{_AUX}|came|won|began|opened|lived|weighs|costs)\b.*{_MOST}.*)$",
    re.IGNORECASE,
)
_AMONG = re.compile(
    # "first" before a comma may also stand before two titles with commas of their own
    rf"(?P<asks>(?:which|who|what)\b(?:[^,:]{{0,120}}{_MOST}[^,:]{{0,60}}:|[^,:]{{0,120}}\b(?:\w{{2,}}est(?<!first)|most|least)\b[^,:]{{0,60}},))"
    r"\s*(?P<names>[^:]{1,200},[^:]{1,200}\s+or\s+[^,:]{1,80})$",
    re.IGNORECASE,
)


class Comparison(NamedTuple):
    """A question that sets two things side by side."""

    candidates: tuple[str, str]
    criterion: str
    """The question without the two, for example "which film was released first"."""
    order: Order | None
    """None when it only asks whether something holds for both."""
    scale: Scale | None
    yes_no: bool
    """True for "Is A older than B?": yes when the first wins."""


def strip_lead(task: str) -> str:
    """Return the task without boilerplate before the question, outer white space and closing punctuation, at most MAX_CHARS long."""
    text = " ".join(task[:MAX_CHARS].split())
    while (shorter := _LEAD.sub("", text, count=1)) != text and shorter:
        text = shorter
    text = text.strip(" ?!\t")
    return text if re.search(r"\b[A-Za-z]\.[A-Za-z]\.$", text) else text.rstrip(". ?!")


def answer_type(question: str) -> AnswerType:
    """Tell what kind of value would answer a question or a phrase such as "year of signing"."""
    text = strip_lead(question)
    lower = text.lower()
    if comparison(text) is not None and _CHOICE.search(text):
        return "choice"
    if _YES_NO.search(text):
        return "yes_no"
    if re.match(r"(?:why|what (?:is|was|are|were) the (?:reason|cause)|what caused|how come)\b", lower):
        return "reason"
    if (asked := _ASKED_FIRST.get(lower.split(" ", 1)[0])) is not None:
        return asked
    opening = _opening(text)
    for pattern, kind in _COMPILED:
        if pattern.search(opening):
            return kind
    return _worded_type(text)


def comparison(question: str) -> Comparison | None:
    """Return the two things a question compares, or None when it compares nothing."""
    text = strip_lead(question)
    for read in (_which_of_two, _either_first, _both, _older_than):
        if (found := read(text)) is not None:
            return found
    return None


class Listing(NamedTuple):
    """A question that asks for the one of three or more things that has most or least of something."""

    candidates: tuple[str, ...]
    criterion: str
    order: Order
    scale: Scale


def listing(question: str) -> Listing | None:
    """Return the three or more things a superlative chooses among: "Which is longest: the Nile, the Rhine or the Po?"."""
    text = strip_lead(question)
    match = _OF_THESE.match(text) or _AMONG.match(text)
    if match is None:
        return None
    named = re.split(r"\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+", match["names"].strip(" ,"))
    criterion = " ".join(f"{match['asks']} {match.groupdict().get('rest') or ''}".split())
    order, scale = _order(criterion)
    if match.re is _OF_THESE and not all(re.match(r"(?:the |an? )?[^\W_a-z]", name) for name in named):
        return None
    if order is None or scale is None or not 3 <= len(named) <= MAX_LISTED or not all(named):
        return None
    return Listing(tuple(named), criterion, order, scale)


def parts(question: str) -> list[str]:
    """Split a task that asks several questions: at question marks, and where "and" starts another question."""
    text = " ".join(question[:MAX_CHARS].split())
    sentences = [strip_lead(one) for one in re.split(r"\?\s+|\?$|;\s+(?=\w)", text)]
    return [part for one in sentences if one for part in _at_and(one)]


def _opening(text: str) -> str:
    # A question's type stands in its first clause: "What city hosted the team that ..." asks for a place.
    return text[:5] + re.split(r"\b(?:that|which|who|whose|when|where)\b", text[5:], maxsplit=1)[0]


def _worded_type(text: str) -> AnswerType:
    if not _begins_wh(text) and (ending := _ENDING.search(text)) is not None:
        return "person" if ending["person"] else "place" if ending["place"] else "name"
    if re.match(r"(?:who|whom|whose)\b", text, re.I) or _NAMED_ROLE.search(text) or _PERSON.match(text):
        return "person"
    if _PLACE.search(_opening(text)):
        return "place"
    if _LIST.search(text):
        return "list"
    if _NAME.search(_opening(text)):
        return "name"
    return "person" if _PERSON.search(text) and not _begins_wh(text) else "text"


def _begins_wh(text: str) -> bool:
    return re.match(rf"(?:{_WH})\b", text, re.IGNORECASE) is not None


def _at_and(sentence: str) -> list[str]:
    cut = re.split(
        rf",?\s+(?:and|or)\s+(?=(?:also\s+)?(?:{_WH})\b|(?:is|are|was|were|does|did|do)\s+(?:it|he|she|they|this|that|there)\b)",
        sentence,
        flags=re.IGNORECASE,
    )
    return [piece.strip(" ,") for piece in cut] if _begins_wh(sentence) else [sentence]


def _order(text: str) -> tuple[Order | None, Scale | None]:
    for pattern, order, scale in _ORDER_WORDS:
        if pattern.search(text):
            return order, scale
    return None, None


def _which_of_two(text: str) -> Comparison | None:
    match = re.match(
        r"((?:which|who|what)\b[^,:]{3,150})[,:]\s*(.{1,200}?),?\s+or\s+(.{1,200})$", text, re.IGNORECASE
    )
    if match is None:
        return None
    order, scale = _order(match[1])
    return Comparison(_pair(match[2], match[3]), match[1], order, scale, yes_no=False)


def _either_first(text: str) -> Comparison | None:
    match = re.match(
        rf"(?:{_AUX})\s+(.{{2,120}}?)\s+or\s+(.{{2,120}}?)\s+((?:\w+\s+)?(?:first|last|earlier|later|older|younger|"
        r"more recently|larger|bigger|higher|taller|longer))$",
        text,
        re.IGNORECASE,
    )
    if match is None:
        return None
    order, scale = _order(match[3])
    return Comparison(_pair(match[1], match[2]), f"which was {match[3]}", order, scale, yes_no=False)


def _older_than(text: str) -> Comparison | None:
    match = re.match(
        rf"(?:{_AUX})\s+(.{{2,120}}?(?<!['’]s))\s+((?:(?-i:[a-z])\w*\s+){{0,3}}?(?:older|younger|earlier|later|larger|bigger|smaller|higher|lower|"
        r"taller|shorter|longer|more \w+|less \w+|fewer \w+|before|after))\s+(?:than\s+)?(.{2,120})$",
        text,
        re.IGNORECASE,
    )
    if (
        match is None
        or _is_time(match[3])
        or (" than " not in text and not re.search(r"before|after", match[2]))
    ):
        return None
    after = match[2].lower().endswith("after")
    order, scale = ("most", "time") if after else _order(match[2])
    return Comparison(_pair(match[1], match[3]), f"which is {match[2]}", order, scale, yes_no=True)


def _both(text: str) -> Comparison | None:
    match = re.match(
        rf"(?:{_AUX})\s+(?:both\s+)?(.{{2,120}}?),?\s+and\s+(.{{2,120}}?),?\s+"
        r"((?:both\b|the same\b|(?:from|of|in|at|for|share|have|located in|born in) the same\b|share\b|each\b"
        rf"|have the (?:{_ROLE})s? (?:that|who|with)\b).{{0,120}})$",
        text,
        re.IGNORECASE,
    )
    if match is None:
        return None
    role, first = _head_of(match[1])
    _, second = _head_of(match[2])
    return Comparison(_pair(first, second), f"{role} {match[3]}".strip(), None, None, yes_no=True)


def _head_of(side: str) -> tuple[str, str]:
    """Take "the directors of films A" apart into the role and the name."""
    match = re.match(
        rf"(?:the\s+)?(?:both\s+)?(?:(?P<role>{_ROLE})s?\s+of\s+)?(?P<kind>(?:the\s+)?(?:films?|movies?|songs?|albums?|books?|novels?|bands?),?\s+)?(?P<name>.+)$",
        side,
        re.IGNORECASE,
    )
    named = match is not None and (match["role"] or match["kind"]) and re.match(r"[^\W_a-z]", match["name"])
    return ((match["role"] or "").lower(), match["name"]) if match is not None and named else ("", side)


def _is_time(text: str) -> bool:
    return (
        re.match(
            r"(?:last|this|next|in|on|the previous|a|one|today|yesterday|now|ever|before|\d)\b", text, re.I
        )
        is not None
    )


def _pair(left: str, right: str) -> tuple[str, str]:
    return left.strip(" ,?."), right.strip(" ,?.")
