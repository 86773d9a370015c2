"""How a sentence says who or what stands in a relation: "directed by X", "the son of X and Y", "X bought Z".

It weighs one value of a sentence for one question; whoever picks values adds the weight to their own.
"""

import re
from typing import Literal, NamedTuple

from retrieval import sentences
from tools.question import ROLES

Voice = Literal["subject", "object", "where"]
"""What the one asked for does in its own description: acts ("the firm that bought X"), is acted on ("the river
that X crossed"), or is where it happens."""

_SAID = 1.0
_HINTED = 0.4
_AGAINST = -0.6
_LOOSELY = 0.7
"""What a word that only hints at the relation counts for."""

_ROLE = "|".join(ROLES)
_ASKED = re.compile(
    rf"^(?:who|what|which)\s+(?:is|was|are|were)\s+(?:the\s+)?(?:name\s+of\s+the\s+)?(?:[\w-]+\s+){{0,3}}?(?P<role>{_ROLE}|purchaser|buyer|maker|manufacturer)\s+of\b",
    re.IGNORECASE,
)
_DESCRIBED = re.compile(
    r"^(?:who|what|which)\s+(?:is|was|are|were)\s+(?:the\s+)?(?:name\s+of\s+the\s+)?(?P<noun>(?:[\w'’-]+\s+){1,4}?)"
    r"(?P<link>that|who|which|where|in which|at which|when)\s+(?P<rest>.+)$",
    re.IGNORECASE,
)
_WHO_DID = re.compile(
    r"^who\s+(?P<verb>[a-z]+ed|wrote|sang|won|made|built|led|bought|founded)\b", re.IGNORECASE
)
_PARENTS = r"(?:son|daughter|child|children|sons|daughters|offspring|heir)"
_KIN: dict[str, tuple[str, ...]] = {
    "father": (rf"\b{_PARENTS}\s+(?:of|to)\s+(?:{{title}})$", r"\bfather(?:\s+(?:was|is)|,)?\s+(?:{title})$"),
    "mother": (
        rf"\b{_PARENTS}\s+(?:of|to)\s+[^.;]{{{{3,150}}}}?\b(?:and|by|with)\s+(?:(?:his|her|the)?\s*(?:\w+\s+)?(?:wife|consort|mistress),?\s+)?(?:{{title}})$",
        r"\bmother(?:\s+(?:was|is)|,)?\s+(?:{title})$",
        rf"\b{_PARENTS}\s+(?:of|to)\s+(?:actress|singer|princess|queen)\s+$",
    ),
    "spouse": (
        r"\b(?:married|marries|married\s+to|wed|marriage\s+to)\s+(?:{title})$",
        r"\b(?:wife|husband|spouse|widow|widower|consort|partner)(?:\s+(?:of|was|is)|,)?\s+(?:{title})$",
    ),
    "child": (
        r"\b(?:father|mother|parents?)\s+of\s+(?:{title})$",
        r"\b(?:son|daughter|child|children)(?:\s+(?:was|is|were|are)|,|:)?\s+(?:{title})$",
    ),
    "sibling": (
        r"\b(?:brother|sister|half-brother|half-sister|sibling)s?(?:\s+(?:of|was|is|to)|,)?\s+(?:{title})$",
    ),
}
_KIN_OF = {
    "wife": "spouse",
    "husband": "spouse",
    "son": "child",
    "daughter": "child",
    "brother": "sibling",
    "sister": "sibling",
} | {name: name for name in _KIN}
_SAID_TOO = {
    "composer": "music score written",
    "writer": "screenplay script",
    "performer": "song songs record recorded album single track artist",
    "singer": "song songs record recorded album",
    "artist": "song songs record recorded album",
    "founder": "start started",
    "creator": "develop developed",
    "star": "starring starred stars",
    "purchaser": "buy bought acquire acquired",
    "buyer": "buy bought acquire acquired",
    "maker": "produce develop manufactured",
    "actor": "play played plays portray portrayed",
    "actress": "play played plays portray portrayed",
    "publisher": "publish founded",
}
"""Other words a text says a role with."""
_TITLE = (
    r"(?:the\s+|a\s+|an\s+)?(?:(?:late|famous|fellow|former|noted|first|second|third|actor|actress|writer|author|singer|politician|director|"
    r"producer|King|Queen|Sir|Lord|Lady|Dr\.|Prince|Princess|Emperor|Count|Duke|Earl|Captain|General)\s+){0,3}"
)
_BY = re.compile(
    r"^(?:[\s,/&]|\b[a-z][\w-]*\b)*\bby\s+(?:the\s+)?(?:[A-Z][\w-]+(?=\s+[a-z]))?\s?(?:[a-z-]+\s+){0,3}$"
)
_BEFORE_NAME = re.compile(r"^(?:\s+|,\s+|\s+(?:was|is|were|are|:)\s+)(?:the\s+)?(?:[a-z-]+\s+){0,1}$")
_OBJECT = re.compile(r"^\s+(?:(?:the|into|in|by|for|from|to|at|a|an)\s+){0,2}$")
_PLACED = re.compile(r"\b(?:in|at|near|on)\s+(?:the\s+)?(?:[A-Z][\w-]+,\s+)*$")
_ADJECTIVE = re.compile(
    r"^(?:[A-Z][\w’'.-]*(?:an|ese|ish|ic|language|based|born)|Dutch|French|Greek|Welsh|Swiss|Thai|Urdu|Hindi|Tamil|Telugu|Malayalam|Kannada|Bengali|Marathi|Czech)$"
)
_OFFICE = re.compile(
    r"^(?:Lord|Lady|Duke|Duchess|Count|Countess|Earl|King|Queen|Prince|Princess|Baron|Marquess|Bishop|Archbishop|"
    r"Emperor|Governor|President|Mayor|Minister|Secretary)\s+(?:of|in)\b"
)
_BORN_NAME = re.compile(r"(?:\bnée|\bné|\bborn|\baka|\bformerly)\s+$")
_KIND_WORDS = frozenset(
    sentences.word_list(
        "county river lake mountain island war university college school bridge church cathedral basilica museum "
        "stadium arena party company bank province district city state kingdom empire sea ocean republic league award "
        "band park station territory"
    )
)


class Relation(NamedTuple):
    """What a question says about the one it asks for."""

    noun: str = ""
    """The last word of what it is called: "river"."""
    verbs: frozenset[str] = frozenset()
    """Stems of the verb that joins it to the rest."""
    voice: Voice = "subject"
    kin: str = ""
    also: frozenset[str] = frozenset()
    """Stems that hint at the same: "music by" for a composer."""


def relation(question: str) -> Relation:
    """Read the relation off a question such as "who is the director of X" or "what is the name of the river that X crossed"."""
    if (asked := _ASKED.match(question)) is not None:
        role = asked["role"].lower()
        also = frozenset(map(sentences.stem, sentences.word_list(_SAID_TOO.get(role, ""))))
        return Relation("", frozenset({sentences.stem(role)}), "subject", _KIN_OF.get(role, ""), also)
    if (described := _DESCRIBED.match(question)) is not None:
        return _described(described["noun"].split()[-1].lower(), described["link"].lower(), described["rest"])
    if (did := _WHO_DID.match(question)) is not None:
        return Relation("", frozenset({sentences.stem(did["verb"])}))
    if (called := re.match(r"what is the name of the (?:[\w-]+ ){0,2}?(\w+)\b", question)) is not None:
        return Relation(called[1].lower())
    return Relation()


def weight(asked: Relation, text: str, start: int, end: int) -> float:
    """Tell how a sentence speaks for (above 0) or against the value at `text[start:end]` standing in the relation."""
    before, after, value = text[max(0, start - 240) : start], text[end : end + 80], text[start:end]
    return (
        _against(before, after, value)
        + max(_kinship(asked.kin, before), _acting(asked, before, after))
        + _kind(asked.noun, before, after, value)
    )


def _described(noun: str, link: str, rest: str) -> Relation:
    words = list(sentences.words(rest))
    if link not in ("that", "who", "which"):
        verbs = [
            word.stem
            for word in words
            if word.text.islower() and re.search(r"(?:ed|born|found|held)$", word.text)
        ]
        return Relation(noun, frozenset(verbs), "where")
    if rest[:1].isupper() or rest.startswith(("the ", "a ", "an ")):
        lower = [
            word.stem for word in words[1:] if word.text.islower() and word.text not in sentences.STOP_WORDS
        ]
        return Relation(noun, frozenset(lower[:3]), "object")
    lower = [word.stem for word in words if word.text.islower() and word.text not in sentences.STOP_WORDS]
    return Relation(noun, frozenset(lower[:1]), "subject")


def _against(before: str, after: str, value: str) -> float:
    opened = before.rpartition("(")[2] if before.count("(") > before.count(")") else None
    against = 0.0
    if " " not in value and _ADJECTIVE.match(value) and re.match(r"[\s-]+[a-zA-Z]", after):
        against += _AGAINST
    if _OFFICE.match(value) or _BORN_NAME.search(before):
        against += _AGAINST
    if opened is not None and len(opened) < 60:
        against += _AGAINST / 2
    return against


def _kinship(kin: str, before: str) -> float:
    for pattern in _KIN.get(kin, ()):
        if re.search(pattern.format(title=_TITLE), before):
            return _SAID
    return 0.0


def _acting(asked: Relation, before: str, after: str) -> float:
    """Whether the verb or role of the question stands where its doer, or what it is done to, is said."""
    told = [
        (1.0 if word.stem in asked.verbs else _LOOSELY) * _following(asked, before[word.end :])
        for word in sentences.words(before)
        if word.stem in asked.verbs or word.stem in asked.also
    ]
    if asked.voice == "subject":
        told.append(_leading(asked, after))
    return max(told, default=0.0) or min(told, default=0.0)


def _following(asked: Relation, between: str) -> float:
    if asked.voice == "subject":
        if _BY.match(between):
            return _SAID
        # "director X" names the director; "the firm bought X" does not name the firm
        return (-_HINTED if asked.noun else 0.8 * _SAID) if _BEFORE_NAME.match(between) else 0.0
    if asked.voice == "object":
        return _SAID if _OBJECT.match(between) else 0.0
    return _HINTED if _PLACED.search(between) else 0.0


def _leading(asked: Relation, after: str) -> float:
    """Whether the value does it: "X directed", "X, who directed", "X announced it would buy"."""
    ahead = list(sentences.words(re.split(r"[.;]", after)[0]))[:7]
    for place, word in enumerate(ahead):
        if word.stem in asked.verbs or word.stem in asked.also:
            passive = re.match(r"\s+(?:and\s+\w+\s+)?by\b", after[word.end :])
            return 0.0 if passive else _SAID * (0.8 if place < 3 else 0.6)
        if word.text[0].isupper():
            return 0.0
    return 0.0


def _kind(noun: str, before: str, after: str, value: str) -> float:
    """Whether the value is called what the question calls it: "Orange River" for a river, "Ohio" after "Columbus," for a state."""
    if not noun:
        return 0.0
    if noun in _KIND_WORDS and re.search(rf"\b{noun}\b", value, re.IGNORECASE):
        return _SAID
    if re.search(rf"\b{noun}\s+(?:of\s+)?$", before) or re.match(rf"\s+{noun}\b", after):
        return _HINTED
    if noun in ("state", "country", "province"):
        return _HINTED if re.search(r"[A-Z][\w-]+,\s+$", before) else 0.0
    if noun in ("city", "town", "village"):
        return _HINTED if re.match(r",\s+[A-Z]", after) else 0.0
    return 0.0
