"""A question taken apart into hops: what is only described is found first, then asked about by name.

"Where was the director of the film that won in 1990 born" has two: the film that won in 1990, the director of it.
The innermost description comes first; rules only.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tools.question import ROLES

GAP = "\ue000"
"""Stands for what the first hop finds; the next characters for the hops after it."""

MAX_HOPS = 4
"""Most descriptions that are found one after the other."""

GAPS = tuple(chr(ord(GAP) + n) for n in range(MAX_HOPS))
_GAP = f"[{GAPS[0]}-{GAPS[-1]}]"


class Hop(NamedTuple):
    """One thing to find; its texts may hold the gaps of earlier hops."""

    question: str
    """What to read out of the passages, for example "who is the director of Vertigo"."""
    query: str
    """What to search for."""


class _Cut(NamedTuple):
    """A description inside a question: what it is, and what stands around it."""

    start: int
    question: str
    before: str
    after: str
    possessive: bool = False


_AUX = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)"
_ASKS = re.compile(
    rf"(?:(?:in|at|for|on|by|from|to|with|during|since|until|after|before|under)\s+)?(?:who|whom|whose|what|which|when|where|why|how|{_AUX})\b",
    re.IGNORECASE,
)
_RELATIONS = (
    *(role for role in ROLES if role != "star"),
    r"star(?!s?\s+(?:war|trek)s?\b)",
    *(
        "girlfriend",
        "boyfriend",
        "purchaser",
        "buyer",
        "maker",
        "manufacturer",
        "record label",
        "parent company",
    ),
    *("birthplace", "hometown", "capital", "capitol", "location", "birth (?:city|town|place|country)"),
    r"(?:place|city|country|state|county) of (?:birth|death|origin|citizenship)",
)
_ROLE = "|".join(sorted(_RELATIONS, key=len, reverse=True))
_PLACE = (
    "city|town|village|county|country|state|province|region|territory|district|municipality|nation|continent|island|"
    "location|place|area|community|borough|kingdom|empire|capital|capitol"
)
_KIND = (
    rf"{_PLACE}|film|movie|book|novel|song|album|show|series|game|play|opera|musical|band|group|team|club|company|"
    "organization|organisation|network|station|label|school|university|college|river|lake|mountain|sea|building|"
    "stadium|venue|arena|bridge|museum|church|basilica|cathedral|war|battle|conflict|event|election|party|bank|"
    "person|man|woman|people|player|ruler|monarch|character|magazine|newspaper|language|religion|brand|airline|league"
)
_PERSON = frozenset(
    (*ROLES, "person", "man", "woman", "player", "monarch", "ruler", "pope", "candidate", "politician")
)
_WHERE = r"(?:where|in which|at which|on which|from which|of which|during which|when)"
_CLAUSE = re.compile(
    rf"\bthe\s+(?P<noun>(?:(?!(?:that|who|which|whose|where|when|the|of|in|on|at|by|with|and|or|for|to|from)\b)[\w'’-]+\s+){{0,3}}"
    r"(?-i:[a-z])[\w'’-]*\s+)"
    rf"(?P<link>that|who|whose|{_WHERE}|which)\s+(?=(?P<rest>.+)$)",
    re.IGNORECASE,
)
_PARTICIPLE = re.compile(
    rf"\bthe\s+(?P<noun>(?:(?!(?:the|of|in|on|at|by|and|or|that|who|which)\b)[\w'’-]+\s+){{0,2}}?(?:{_KIND}|{'|'.join(ROLES)}))\s+"
    r"(?P<link>(?:\w+ly\s+)?(?:directed|written|produced|founded|located|containing|starring|featuring|playing|named|called|known|built|"
    r"created|performed|sung|sharing|bordering|hosting|owning|owned|holding|housing|made|released|recorded|honou?ring|"
    r"published|invented|discovered|conquered|nicknamed|representing|serving|surrounding|encompassing|including|practi[cs]ed|spoken))\s+(?=(?P<rest>.+)$)",
    re.IGNORECASE,
)
_SUPERLATIVE = re.compile(
    r"\bthe\s+(?P<most>\w+est|most\s+\w+|first|last|only|second|third)\s+(?=(?P<rest>.+)$)", re.IGNORECASE
)
_RELATION = re.compile(
    rf"\b(?:the\s+(?P<side>(?-i:[a-z0-9])[\w-]*\s+)?)?(?P<role>{_ROLE})\s+of\s+", re.IGNORECASE
)
_POSSESSIVE = re.compile(
    rf"(?P<name>(?:{_GAP}|(?-i:[^\W\d_a-z]|\d))[^?]{{0,100}}?)(?:['’]s?)\s+(?P<side>(?:(?-i:[a-z])[\w-]+\s+){{0,2}}?)(?P<role>{_ROLE})\b",
    re.IGNORECASE,
)
_NO_OWNER = re.compile(rf"\b(?:{_AUX}|that|who|which|where)\b|^(?:{_ROLE})\s+of\b", re.IGNORECASE)
_POSSESSIVE_AFTER = re.compile(
    rf"(?:\b(?:{_AUX}|country|nationality|award|city|the|of|by|where|who|which|that|and|with|to|from|for|did|in|on|at)|^\w+(?:\s+\w+)?)\s+$",
    re.IGNORECASE,
)
_KINSHIP: tuple[tuple[str, str, str], ...] = (
    (r"maternal grand(father|mother)", "mother", r"\1"),
    (r"paternal grand(father|mother)", "father", r"\1"),
    (r"(father|mother)-in-law", "spouse", r"\1"),
    (r"(?:sibling|brother|sister)-in-law", "spouse", "sibling"),
    (r"(?:step(?:child|son|daughter))", "spouse", "child"),
    (r"step(?:father|mother)", "parent", "spouse"),
    (r"(?:child|son|daughter)-in-law", "child", "spouse"),
    (r"grand(?:child|son|daughter)", "child", "child"),
    (r"paternal (uncle|aunt)", "father", "sibling"),
    (r"maternal (uncle|aunt)", "mother", "sibling"),
)
"""A relation through a third person: through whom, and what to them."""


def take_apart(question: str) -> tuple[tuple[Hop, ...], str]:
    """Return the hops before the last, innermost first, and the last question with gaps for what they find.

    Without a description in it, a question comes back as it is and without hops.
    """
    placed = _place_last(question)
    if not _ASKS.match(placed) and not re.match(r"the\b", question, re.IGNORECASE):
        return (), question
    text, hops = _spelled_out(placed), []
    for gap in GAPS:
        cut = _innermost(text)
        if cut is None:
            break
        hops.append(Hop(cut.question, _searchable(cut.question)))
        text = _tidy(f"{cut.before} {gap}{chr(39) + 's' if cut.possessive else ''} {cut.after}")
    return (tuple(hops), text) if hops else ((), question)


def _place_last(question: str) -> str:
    """Say "who does she play in True Grit" for "In True Grit, who does she play"."""
    match = re.match(
        r"(?P<place>In\s+(?-i:[A-Z\"“])[^,?]{1,60}),\s+(?P<rest>(?:who|what|which|where|how)\b.+)$",
        question,
        re.I,
    )
    return f"{match['rest']} in{match['place'][2:]}" if match else question


def _searchable(question: str) -> str:
    return re.sub(
        rf"^(?:who|what|which|where)\s+{_AUX}\s+(?:the\s+)?(?:name of the\s+)?",
        "",
        question,
        flags=re.IGNORECASE,
    )


def _spelled_out(question: str) -> str:
    """Say "the father of the mother of X" for "the maternal grandfather of X"."""
    for pattern, through, then in _KINSHIP:
        said = re.sub(
            rf"\b(?:the\s+)?{pattern}\s+of\b", rf"the {then} of the {through} of", question, flags=re.I
        )
        said = re.sub(rf"(?<=['’]s)\s+{pattern}\b", rf" {through}'s {then}", said, flags=re.IGNORECASE)
        if said != question:
            return said
    return question


def _innermost(text: str) -> _Cut | None:
    cuts = [
        cut
        for cut in (*_possessives(text), *_relations(text), *_clauses(text), *_superlatives(text))
        if _asks_more(cut) and not re.search(r".\b(?:how many|what)\s+\w+", cut.question[22:])
    ]
    return max(cuts, key=lambda cut: cut.start, default=None)


def _possessives(text: str) -> Iterator[_Cut]:
    """Take "X's father" apart; of "X's father's wife" the father comes first."""
    for start in _starts(text):
        match = _POSSESSIVE.match(text, start)
        if match is None or _NO_OWNER.search(match["name"]):
            continue
        role, after = f"{match['side']}{match['role']}", text[match.end() :]
        own = re.match(r"(?i:actor|actress|star|character)$", match["role"]) and re.match(
            r"\s+(?:in|on)\s+(?=[A-Z\"“]).*$", after
        )
        inside, after = (own[0], "") if own else ("", after)
        owner = re.match(r"['’]s?\b", after)
        asks = f"{_wh(role)} {role} of {match['name']}{inside}"
        yield _Cut(start, asks, text[:start], after[owner.end() :] if owner else after, owner is not None)
        return


def _starts(text: str) -> Iterator[int]:
    """Where the name before a possessive can begin: at a capital after a small word that ends a phrase."""
    for match in re.finditer(rf"(?:{_GAP}|(?<!\w)(?:[^\W\d_a-z]|\d))", text):
        if match.start() and _POSSESSIVE_AFTER.search(text[: match.start()]):
            yield match.start()


def _relations(text: str) -> Iterator[_Cut]:
    """Take "the director of film X" apart."""
    for match in _RELATION.finditer(text):
        before = text[: match.start()]
        name, after = _split(text[match.end() :], before)
        if not name or re.match(
            r"(?:the\s+)?[\w-]+(?:\s+[\w-]+)?\s+(?:that|who|which|where|in which)\b", name
        ):
            continue
        if not re.search(rf"[A-Z0-9\"“]|{_GAP}", name) and not re.match(r"(?:the|a|an)\b", name):
            continue
        yield _Cut(
            match.start(),
            f"{_wh(match['role'])} {match['side'] or ''}{match['role']} of {name}",
            before,
            after,
        )


def _clauses(text: str) -> Iterator[_Cut]:
    """Take "the river that Toongabbie Creek flows into" and "the county sharing a border with X" apart."""
    for pattern in (_CLAUSE, _PARTICIPLE):
        for match in pattern.finditer(text):
            before, rest, link = text[: match.start()], match["rest"], match["link"].lower()
            if pattern is _PARTICIPLE:
                described, after = _split(rest, before)
            else:
                described, after = _split(
                    rest, before, clause="subject" if _has_subject(rest, link) else "verb"
                )
            if not described or not re.search(r"\w{2,}", described):
                continue
            noun = match["noun"].strip()
            said = f"that is {link}" if pattern is _PARTICIPLE and not link.endswith("ing") else link
            yield _Cut(match.start(), f"{_wh(noun)} {noun} {said} {described}", before, after)


def _superlatives(text: str) -> Iterator[_Cut]:
    """Take "the spouse of the longest reigning monarch" apart."""
    for match in _SUPERLATIVE.finditer(text):
        before = text[: match.start()]
        named, after = _split(match["rest"], before)
        if re.search(rf"\b(?:{_ROLE})s?\s+of\s+$", before, re.IGNORECASE) and len(named.split()) > 1:
            noun = named.split()[-1]
            yield _Cut(match.start(), f"{_wh(noun)} {match['most']} {named}", before, after)


def _has_subject(rest: str, link: str) -> bool:
    return bool(
        re.match(rf"(?:[A-Z]|{_GAP}|\"|the\b|a\b|an\b|he\b|she\b|his\b|her\b)", rest)
    ) or link not in (
        "that",
        "who",
        "which",
    )


def _wh(noun: str) -> str:
    head = noun.split(" of ")[0].split()[-1:]
    return "who is the" if head and head[0].lower() in _PERSON else "what is the name of the"


def _asks_more(cut: _Cut) -> bool:
    """Whether a question asks something about the one described, not merely who that is."""
    rest = re.sub(
        rf"^(?:who|what|which)(?:['’]s|\s+{_AUX})?(?:\s+the)?(?:\s+names?\s+of)?(?:\s+(?:the|an?)(?:\s+(?!of\b|in\b)[a-z-]+){{0,2}})?\s*$",
        "",
        cut.before.strip(),
        flags=re.IGNORECASE,
    )
    if re.search(r"the (?:name of the )?(?:place|city|country|state|birthplace|hometown)\b", cut.question):
        rest = re.sub(rf"^where\s+{_AUX}(?:\s+the)?$", "", rest, flags=re.IGNORECASE)
    after = re.sub(rf"^['’]s\b|{_GAP}", "", cut.after)
    if not after.strip() and re.fullmatch(
        rf"(?:(?:how|why)\s+{_AUX}|\w+\s+(?:do|does|did))(?:\s+the)?", rest, re.IGNORECASE
    ):
        return False
    return bool(re.search(r"[A-Za-z]{2,}", rest) or re.search(r"[A-Za-z]{3,}", after))


_VERB = (
    "born|die|died|from|come|comes|came|study|studied|play|plays|played|win|wins|won|live|lives|lived|located|established|"
    "crowned|buried|attend|attended|graduate|graduated|work|works|worked|take|takes|took|flow|flows|receive|receives|"
    "received|get|gets|got|educated|killed|released|founded|formed|married|marry|direct|directed|write|writes|wrote|belong|"
    "belongs|have|has|had|start|started|end|ends|ended|become|becomes|became|also|record|recorded|publish|published|"
    "found|held|used|uses|filmed|part of|a member of|referred|known|called|named|dissolved|contain|contains|invaded|"
    "bought|made|makes|produce|produces|produced|own|owns|owned|lead|leads|led|rank|ranks|change|changed|sign|signed|"
    "share|shares|border|borders|cross|crossed|run|runs|ran|host|hosts|hosted|hold|holds|open|opened|broadcast|"
    "broadcasts|broadcasted|serve|served|move|moved|star|starred|stars|appear|appears|appeared|sing|sings|sang|based|"
    "situated|finish|finished|conquered|happen|happened|begin|began|arrive|arrived|leave|left|join|joined|reach|"
    "reached|approached|sit|sits|stand|stands|lie|lies|declare|declared|use"
)
_GROUP = re.compile(
    rf"(?:^|\s)(?:(?:is|are|was|were|be|been|being|has|have|had|can|could|will|would|does|did|do|also|not|both|first|"
    rf"originally|currently|formerly)\s+)*(?:{_VERB}|is|are|was|were|does|did)\b(?:\s+(?:into|in|on|from|for|to|by|at|of|with)(?=\s*$|\s+{_AUX}\b|\s+(?:{_VERB})\b))?"
)
_BASE_VERB = re.compile(
    r"\s+(?:appear|attend|become|belong|broadcast|buy|change|come|create|die|direct|end|establish|finish|flow|found|get|go|"
    r"graduate|have|host|join|lead|leave|live|lose|make|marry|merge|move|open|own|play|publish|rank|receive|record|release|"
    r"retire|run|serve|sign|sing|star|start|stop|study|take|win|work|write)\b"
)
_COPULA = re.compile(r"\s+(?:is|are|was|were|has|does)\b")
_PASSIVE = re.compile(
    r"\s+(?:born|died|buried|crowned|located|from|established|educated|referred to|called|released|founded|formed|killed|"
    r"held|published|signed|named after|also|based|situated|built|filmed|set|in which|used|known|expelled)\b"
)


def _split(text: str, before: str, *, clause: str = "") -> tuple[str, str]:
    """Cut what follows a head noun into its description and the rest of the question.

    What stands before tells whether the question still waits for its verb. `clause` says that the text is a relative
    clause: one with a "subject" of its own, or one that opens with its "verb".
    """
    waits = _waits(before)
    capitals = [m.end() for m in re.finditer(rf"\b[A-Z0-9\"“][\w’'\-]*[\"”)]?|{_GAP}", text)]
    at = _clause_end(text, clause, capitals)
    last = max(at, capitals[-1] if capitals else 0)
    if waits == "no":
        ends = (
            re.search(r"\bdid\b", before)
            and (verb := _BASE_VERB.search(text, last))
            and verb.end() == len(text)
        )
        rest = verb if ends else _COPULA.search(text, last)
    elif waits == "base":
        rest = _BASE_VERB.search(
            text, max(at, capitals[0] if capitals and not clause else at)
        ) or _COPULA.search(text, last)
    elif waits == "passive":
        rest = (_PASSIVE.search(text, at) if clause else None) or _PASSIVE.search(text, last)
    else:
        opens = max(at, capitals[0] if capitals else 0)
        rest = _GROUP.search(text, last if before.strip() else opens) or _GROUP.search(text, at)
    if rest is None or rest.start() == 0:
        return text.strip(" ,"), ""
    return text[: rest.start()].strip(" ,"), text[rest.start() :].strip()


def _clause_end(text: str, clause: str, capitals: list[int]) -> int:
    """Return where the verb of a relative clause has been said, so that a later one is the question's own."""
    if clause == "verb":
        return first.end() if (first := re.match(rf"(?:{_AUX}\s+|also\s+)*[\w-]+", text)) else 0
    if clause == "subject":
        own = _GROUP.search(text, capitals[0] if capitals and capitals[0] < len(text) / 2 else 0)
        return own.end() if own else 0
    return 0


def _waits(before: str) -> str:
    """Tell whether a question waits for its verb after a description: "base" after did, "passive" after was, "finite"."""
    text = re.sub(r"^\w", lambda first: first[0].lower(), before.strip())
    linked = re.search(r"\w\s+(?:that|who|which|whose|where|when)((?:\s+\S+){0,4})$", text)
    if linked and not re.search(rf"\b(?:{_AUX}|{_VERB}|[a-z]+(?:ed|ing))\b", linked[1].replace(" from", "")):
        return "finite"
    aux = list(re.finditer(rf"\b{_AUX}\b", text))
    if not aux:
        # "Which country the director of X is from"
        return "finite" if re.match(r"(?:which|what|the|in which|at which|)\b", text) or not text else "no"
    between = text[aux[-1].end() :].strip()
    if re.search(rf"\b(?:{_VERB}|[a-z]+ed|[a-z]+ing)\b", between):
        return "no"
    if re.search(r"\b(?:do|does|did|can|could|will|would)$", aux[-1][0]):
        return (
            "base"
            if re.fullmatch(r"(?:the\s+)?(?:[\w-]+\s+){0,3}(?:of)?", f"{between} ".lstrip()) or not between
            else "no"
        )
    direct = re.match(rf"(?:who|what|which)\s+{_AUX}\b", text)
    return "no" if direct and not re.search(r"\bby$", between) and between else "passive"


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(" ,?").replace(" ,", ",").replace(" '", "'")
