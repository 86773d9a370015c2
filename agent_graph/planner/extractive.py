"""Extractive mode's planner: a plan from the shape of the question, by rules, with no model.

It knows look-ups, several questions in one, comparisons, superlatives over a list, chains of hops ("the director of
the film that ..."), arithmetic over documents, plain arithmetic and the clock. What it does not recognise is looked up as asked.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from agent_graph.models import EXTRACTIVE_MODE
from agent_graph.plan import Plan, Step
from agent_graph.planner.hops import GAP as _GAP
from agent_graph.planner.hops import GAPS, Hop, take_apart
from agent_graph.references import StepId
from retrieval.sentences import content_stems
from tools.question import MAX_CHARS, ROLES, Comparison, comparison, listing, parts, strip_lead

MAX_QUERY_CHARS = 400
"""A longer task is searched for by its beginning."""

_SEARCH_TOOLS = ("search_documents", "web_search")
_AUX = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)"
_ROLE = "|".join(ROLES)
_ARITHMETIC_WORDS = (
    (r"\bto the power of\b|\braised to(?: the power of)?\b|\^", "**"),
    (r"\bmultiplied by\b|\btimes\b|[×·]|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\bdivided by\b|\bover\b|÷", "/"),
    (r"\bplus\b|\badded to\b", "+"),
    (r"\bminus\b|[−–]", "-"),
    (r"\bsquared\b", "**2"),
    (r"\bcubed\b", "**3"),
    (r"\b(?:the )?square root of\s+([\d.]+)", r"(\1)**0.5"),
    (r"([\d.]+)\s*(?:%|percent|per cent)\s+of\s+([\d.]+)", r"\1/100*\2"),
)
_ARITHMETIC = re.compile(r"(?=.*\d)(?=.*[-+*/])[-+*/(). \d]{3,200}")
_COMPUTE = re.compile(
    r"^(?:what(?:'s|’s| is| are)|calculate|compute|evaluate|work out|how much (?:is|are)|solve)\s+", re.I
)
_CLOCK = re.compile(
    r"^(?:what(?:'s|’s| is)?\s+(?:the\s+)?(?:current\s+)?(?:time|date|day|year|month)(?:\s+(?:is it|is today|today))?"
    r"|what\s+(?:time|day|date|year)\s+is\s+(?:it|today)|what(?:'s|’s| is)\s+today(?:'s|’s)?(?:\s+date)?|(?:current|today's)\s+(?:time|date))"
    r"(?:\s+(?:now|right now|today|currently))?(?:\s+in\s+(?P<zone>[A-Za-z_/ ]{2,40}))?$",
    re.IGNORECASE,
)
_ZONES = {
    "utc": "UTC",
    "gmt": "UTC",
    "london": "Europe/London",
    "paris": "Europe/Paris",
    "berlin": "Europe/Berlin",
    "madrid": "Europe/Madrid",
    "rome": "Europe/Rome",
    "tokyo": "Asia/Tokyo",
    "new york": "America/New_York",
    "los angeles": "America/Los_Angeles",
    "chicago": "America/Chicago",
    "sydney": "Australia/Sydney",
    "beijing": "Asia/Shanghai",
    "shanghai": "Asia/Shanghai",
    "delhi": "Asia/Kolkata",
    "singapore": "Asia/Singapore",
    "moscow": "Europe/Moscow",
    "dubai": "Asia/Dubai",
    "sao paulo": "America/Sao_Paulo",
}
_MEASURE = re.compile(
    r"\b(?:number|amount|cost|price|rate|share|population|percentage|percent|total|age|height|length|size|salary|revenue|"
    r"budget|deficit|cap|value|distance|weight|area|year|years|date|jobs|people|how many|how much|money|fee|fees)\b",
    re.IGNORECASE,
)
_ADVERBIAL = (
    r"in|on|at|by|for|from|to|with|during|once|when|after|before|while|under|over|since|until|through|of"
)
_PRONOUN = re.compile(
    r"\b(?:he|she|it|they|him|them|his|her|its|their|this|that|these|those|one|ones)\b", re.IGNORECASE
)
_ELLIPSIS = re.compile(
    r"^(?:and|or|but|so|also|what about|how about|what of|why|why not|when|where|who|how)\b", re.IGNORECASE
)


def write_plan(
    task: str,
    *,
    tools: Collection[str],
    passages: int = 6,
    history: Sequence[str] = (),
    known: Sequence[str] = (),
) -> Plan:
    """Return a valid plan for the task using only the named tools; an empty one when none of them can help.

    `history` holds earlier questions and answers, latest last: a follow-up such as "and the second one?" is read
    after the last question in it. `known` holds titles of documents at hand: where the task names one in small letters, it is read as a name.
    """
    question = _in_context(_recased(_asked(task), known), [_asked(line) for line in history])
    for shape in (_plain_arithmetic, _clock, _arithmetic, _chosen, _compared, _several, _bridge, _look_up):
        writer = _Writer(tools, passages)
        if (strategy := shape(question, writer)) and writer.steps:
            return Plan(strategy=strategy, steps=tuple(writer.steps), author=EXTRACTIVE_MODE)
    return Plan(strategy="No tool at hand can look this up.", author=EXTRACTIVE_MODE)


class _Writer:
    """The steps written so far, and the tools there are for the next one."""

    def __init__(self, tools: Collection[str], passages: int) -> None:
        self.steps: list[Step] = []
        self._tools = tools
        self._passages = passages
        self._search = next((name for name in _SEARCH_TOOLS if name in tools), None)

    @property
    def extracts(self) -> bool:
        """Whether values can be passed from a search to a later step."""
        return "extract" in self._tools and self._search is not None

    def can(self, tool: str) -> bool:
        """Whether a tool is at hand."""
        return tool in self._tools

    def search(self, query: str, reason: str = "") -> str:
        """Add a search and return the reference to it; the same search is written once."""
        if self._search is None:
            return ""
        args: dict[str, Any] = {"query": _tidy(query)}
        if self._search == "search_documents":
            args["k"] = self._passages
        same = next((s for s in self.steps if s.tool == self._search and s.args == args), None)
        return f"#{same.id}" if same else self.add(self._search, reason, **args)

    def extract(self, question: str, source: str, reason: str = "") -> str:
        """Add an extraction from a search's text and return the reference to its value."""
        return self.add("extract", reason, question=_tidy(question), text=source)

    def value(self, question: str, query: str = "", reason: str = "") -> str:
        """Look one value up: a search and an extraction from it."""
        return self.extract(question, self.search(query or question), reason)

    def add(self, tool: str, reason: str, **args: Any) -> str:
        """Add any call and return the reference to it."""
        step = Step(id=StepId(f"E{len(self.steps) + 1}"), tool=tool, args=args, reason=reason)
        self.steps.append(step)
        return f"#{step.id}"


def _plain_arithmetic(question: str, writer: _Writer) -> str:
    expression = _expression(_COMPUTE.sub("", question, count=1))
    if expression is None or not writer.can("calculator"):
        return ""
    writer.add("calculator", "plain arithmetic", expression=expression)
    return "Compute it."


def _expression(text: str) -> str | None:
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.rstrip(" =?"))
    for pattern, symbol in _ARITHMETIC_WORDS:
        text = re.sub(pattern, symbol, text, flags=re.IGNORECASE)
    text = " ".join(text.split())
    return text if _ARITHMETIC.fullmatch(text) and not re.search(r"\d\s+\d|^\d{4}-\d\d-\d\d$", text) else None


def _clock(question: str, writer: _Writer) -> str:
    match = _CLOCK.match(question)
    if match is None or not writer.can("clock"):
        return ""
    zone = (match["zone"] or "").strip()
    named = _ZONES.get(zone.lower(), zone if "/" in zone else "")
    writer.add("clock", "what the clock says", **({"timezone": named} if named else {}))
    return "Read the clock."


def _arithmetic(question: str, writer: _Writer) -> str:
    if not (writer.extracts and writer.can("calculator")):
        return _operands_only(question, writer)
    for shape in (_scaled, _years_between, _summed, _more_than, _differing):
        if strategy := shape(question, writer):
            return strategy
    return ""


def _operands_only(question: str, writer: _Writer) -> str:
    sides = _sum_sides(question) or _difference_sides(question)
    for side in sides or ():
        writer.search(side)
    return "Look up both figures." if sides else ""


def _scaled(question: str, writer: _Writer) -> str:
    """Read "the unemployment rate to the power of 0.98" and "20 % of the deficit"."""
    power = re.match(
        r"(?P<what>.+?)\s+(?P<op>to the power of|raised to(?: the power of)?|multiplied by|times|divided by|plus|minus)\s+"
        r"(?P<n>\d[\d,]*(?:\.\d+)?)$",
        question,
        re.IGNORECASE,
    )
    if power and _names_something(power["what"]) and not re.search(r"[:,;]", power["what"]):
        symbol = _expression(f"1 {power['op']} 1")
        figure = writer.value(_as_question(_COMPUTE.sub("", power["what"], count=1)), reason="the figure")
        number = power["n"].replace(",", "")
        writer.add("calculator", "", expression=f"{figure} {(symbol or '1+1')[1:-1].strip()} {number}")
        return "Find the figure, then compute."
    share = re.match(
        r"(?:what(?:'s| is)|calculate|how much is)\s+(?P<n>\d+(?:\.\d+)?)\s*(?:%|percent|per cent)\s+of\s+(?P<what>.+)$",
        question,
        re.IGNORECASE,
    )
    if share:
        figure = writer.value(f"how much is {share['what']}", share["what"], "the whole")
        writer.add("calculator", "the share", expression=f"{figure} * {share['n']} / 100")
        return "Find the whole, then take the share."
    return ""


def _names_something(phrase: str) -> bool:
    return len(re.findall(r"[A-Za-z]{3,}", _COMPUTE.sub("", phrase, count=1))) > 0


def _years_between(question: str, writer: _Writer) -> str:
    between = re.match(
        rf"how (?:many years|long)\s+(?:(?:{_AUX}|there|passed|went by|elapsed|lie|lay|is it|was it|time|it)\s+)*between\s+"
        r"(?P<a>.+?)\s+and\s+(?P<b>.+)$",
        question,
        re.IGNORECASE,
    )
    if between:
        return _year_difference(writer, between["a"], between["b"])
    apart = re.match(
        rf"how (?:many years|long)\s+(?P<side>after|before)\s+(?P<a>.+?),?\s+(?P<b>(?:{_AUX})\s+.+)$",
        question,
        re.IGNORECASE,
    )
    if apart:
        early, late = (
            (apart["a"], apart["b"]) if apart["side"].lower() == "after" else (apart["b"], apart["a"])
        )
        return _year_difference(writer, early, late)
    middle = re.match(
        r"how (?:many years|long)\s+(?P<side>after|before)\s+(?P<a>.+)$", question, re.IGNORECASE
    ) or re.match(
        r"how many years\s+(?:is|was|were|are)\s+(?P<b>.+?)\s+(?P<side>after|before)\s+(?P<a>.+)$",
        question,
        re.I,
    )
    if middle and "b" in middle.groupdict():
        early, late = (
            (middle["a"], middle["b"]) if middle["side"].lower() == "after" else (middle["b"], middle["a"])
        )
        return _year_difference(writer, early, late)
    return ""


def _year_difference(writer: _Writer, early: str, late: str) -> str:
    values = []
    for event in (early, late):
        said = re.fullmatch(r"(?:the year\s+)?(\d{4})", event.strip())
        event = re.sub(
            rf"^(?:the year (?:that|when|in which)|when|{_AUX})\s+", "", event.strip(), flags=re.IGNORECASE
        )
        values.append(said[1] if said else writer.value(f"what year was {event}", f"year {event}", "a year"))
    writer.add("calculator", "the years between", expression=f"{values[1]} - {values[0]}")
    return "Find both years, then subtract."


def _summed(question: str, writer: _Writer) -> str:
    sides = _sum_sides(question)
    if sides is None:
        return ""
    figures = [writer.value(side, reason="one figure") for side in sides]
    writer.add("calculator", "the sum", expression=" + ".join(figures))
    return "Find both figures, then add."


def _sum_sides(question: str) -> tuple[str, str] | None:
    said = re.match(
        r"(?:what(?:'s| is| was)|calculate|compute|find)\s+the\s+(?:sum|total|combined total)\s+of\s+(.+?)\s+and\s+(.+)$",
        question,
        re.IGNORECASE,
    )
    if said:
        return _measured(said[1], said[2])
    together = re.match(
        r"((?:how many|how much)\s.+?),?\s+(?:(?:all )?together|in total|combined|altogether|in all|taken together)$",
        question,
        re.IGNORECASE,
    )
    return _coordinated(together[1].rstrip(" ,")) if together else None


def _coordinated(question: str) -> tuple[str, str] | None:
    """Take "how many A and B will C have" apart into "how many A will C have" and "how many B will C have"."""
    left, joint, right = question.rpartition(" and ")
    if not joint:
        return None
    if re.match(r"how (?:many|much)\b", right, re.IGNORECASE):
        return left.strip(" ,"), right
    head = re.match(r"(how (?:many|much))\s+(.+)$", left, re.IGNORECASE)
    if head is None:
        return None
    tail = re.search(rf"\s{_AUX}\s.*$", right)
    if tail and not re.search(rf"\b{_AUX}\b", head[2]):
        return _before_the_verb(head[1], head[2], right[: tail.start()], tail[0])
    own = re.search(rf"\s(?:{_ADVERBIAL})\s(?!.*\s(?:{_ADVERBIAL})\s).*$", left, re.IGNORECASE)
    if own and re.match(rf"(?:{_ADVERBIAL})\b", right, re.IGNORECASE):
        return left, f"{left[: own.start()]} {right}"
    return _after_the_verb(left, right)


def _before_the_verb(head: str, first: str, second: str, tail: str) -> tuple[str, str]:
    noun = second.split()[-1]
    shared = "" if noun.lower() in first.lower().split() or first.lower().endswith("s") else f" {noun}"
    return f"{head} {first}{shared}{tail}", f"{head} {second}{tail}"


def _after_the_verb(left: str, right: str) -> tuple[str, str] | None:
    """Take apart "how much do A and B cost", whose verb stands after both or only before them."""
    match = re.match(rf"(how (?:many|much)\b.*?\b{_AUX}(?: there)?)\s+(.+)$", left, re.IGNORECASE)
    if match is None:
        return None
    words = right.split()
    verb = f" {words[-1]}" if len(words) > 1 and words[-1].islower() and not words[-1].endswith("s") else ""
    return f"{match[1]} {match[2]}{verb}", f"{match[1]} {right}"


def _more_than(question: str, writer: _Writer) -> str:
    counted = re.match(
        rf"how many (?:more|fewer|less)\s+(.+?)\s+than\s+(.+?)(\s{_AUX}\s.+)?$", question, re.IGNORECASE
    )
    if counted:
        first, second, tail = counted[1], counted[2], counted[3] or ""
        return _subtracted(writer, f"how many {first}{tail}", f"how many {second}{tail}")
    measured = re.match(
        rf"how much (?:more|less|higher|lower|larger|smaller|bigger|greater|cheaper)\s+((?:\S+\s+)??{_AUX})\s+(.+?)\s+than\s+(.+)$",
        question,
        re.IGNORECASE,
    )
    if measured:
        return _subtracted(
            writer, f"how much {measured[1]} {measured[2]}", f"how much {measured[1]} {measured[3]}"
        )
    older = re.match(rf"how much (?:older|younger)\s+{_AUX}\s+(.+?)\s+than\s+(.+)$", question, re.IGNORECASE)
    return _year_difference(writer, f"{older[1]} born", f"{older[2]} born") if older else ""


def _differing(question: str, writer: _Writer) -> str:
    sides = _difference_sides(question)
    return _subtracted(writer, *sides) if sides else ""


def _difference_sides(question: str) -> tuple[str, str] | None:
    match = re.match(
        r"(?:what(?:'s| is| was)|calculate|compute|find)\s+the\s+(?:difference|gap)\s+(?:in\s+(?P<of>.+?)\s+)?between\s+(?P<a>.+?)"
        r"\s+and\s+(?P<b>.+)$",
        question,
        re.IGNORECASE,
    )
    if match is None or not _MEASURE.search(question) or not content_stems(match["b"]):
        return None
    if match["of"]:
        return _measured(f"{match['of']} of {match['a']}", f"{match['of']} of {match['b']}")
    return _measured(match["a"], match["b"])


def _measured(first: str, second: str) -> tuple[str, str]:
    """Carry the measure of the first side over: "the number of A and B" asks for the number of B too."""
    measure = re.match(
        r"((?:the\s+)?(?:number|amount|cost|price|rate|share|population|percentage|size|age|height)\s+of\s+)(.+)$",
        first,
        re.IGNORECASE,
    )
    if measure and not _MEASURE.search(second):
        second = measure[1] + second
    return _as_question(first), _as_question(second)


def _as_question(phrase: str) -> str:
    phrase = phrase.strip(" ,")
    if re.match(r"(?:how|when|who)\b", phrase, re.IGNORECASE):
        return phrase
    counted = re.sub(r"^(?:the\s+)?number of\s+", "how many ", phrase, flags=re.IGNORECASE)
    plural = re.search(r"[^s\W]s$", phrase) and not re.match(
        r"(?:the|a|an|his|her|its|their)\b", phrase, re.IGNORECASE
    )
    return counted if counted != phrase else f"how {'many' if plural else 'much is'} {phrase}"


def _subtracted(writer: _Writer, first: str, second: str) -> str:
    figures = [writer.value(side, reason="one figure") for side in (first, second)]
    writer.add("calculator", "the difference", expression=" - ".join(figures))
    return "Find both figures, then subtract."


def _chosen(question: str, writer: _Writer) -> str:
    """Look the same up for every one of the things listed."""
    listed = listing(question)
    if listed is None:
        return ""
    pair = (listed.candidates[0], listed.candidates[1])
    compared = Comparison(pair, listed.criterion.rstrip(":,"), listed.order, listed.scale, yes_no=False)
    for candidate in listed.candidates:
        _measure(candidate, compared, writer)
    return f"Look up all {len(listed.candidates)}, then compare."


def _compared(question: str, writer: _Writer) -> str:
    compared = comparison(question)
    if compared is None:
        return ""
    for candidate in compared.candidates:
        _describe(candidate, compared, writer)
    return f"Look up both, {compared.candidates[0]} and {compared.candidates[1]}, then compare."


def _describe(candidate: str, compared: Comparison, writer: _Writer) -> None:
    """Look up one side of a comparison; who only stands in a role to it, or is described, is found first."""
    role = re.search(rf"\b({_ROLE})s?\b", compared.criterion, re.IGNORECASE)
    hops, name = take_apart(f"{_FRAME}{candidate}") if writer.extracts else ((), "")
    if hops:
        _measure(_filled(name.removeprefix(_FRAME), _followed(hops, writer)), compared, writer)
    elif role and writer.extracts and not _counts(compared, role[1]):
        _through(role[1].lower(), candidate, compared, writer)
    else:
        _measure(candidate, compared, writer)


def _through(role: str, candidate: str, compared: Comparison, writer: _Writer) -> None:
    """Compare by the one who is something to the candidate: "the film whose director is older"."""
    name = writer.value(f"who is the {role} of {candidate}", f"{role} of {candidate}", f"the {role}")
    if compared.order:
        happened = "died" if re.search(r"\bdie", compared.criterion) else "born"
        writer.extract(f"when {happened}: {name}", writer.search(f"{name} {happened}"), "to compare")
    else:
        about = re.sub(rf"\b(?:{_ROLE})s?\b|\bthat\b", " ", _topic(compared), flags=re.IGNORECASE)
        writer.search(f"{name} {about}", "one of the two")


def _counts(compared: Comparison, role: str) -> bool:
    """Whether a role is counted rather than looked for: "which film has more directors"."""
    return compared.scale == "amount" and re.search(rf"\b{role}s\b", compared.criterion) is not None


_FRAME = "what is the date of "
"""A question that waits for no further verb after the thing asked about."""


def _measure(candidate: str, compared: Comparison, writer: _Writer) -> None:
    """Look up what is compared of one candidate, and read it out where it has an order."""
    query = f"{candidate} {_topic(compared)}"
    if compared.order and writer.extracts and not re.search(r"\b(?:lives?|lived|life)\b", compared.criterion):
        asks = _criterion(compared).replace(_GAP, candidate, 1)
        writer.extract(asks, writer.search(query), "to compare")
    else:
        writer.search(query, "one of the two")


_ORDERING = re.compile(
    r"\b(?:first|last|earlier|earliest|later|latest|more|most|recent|recently|older|oldest|younger|youngest|newer|newest|larger|"
    r"largest|bigger|biggest|higher|highest|taller|tallest|longer|longest|greater|greatest|fewer|fewest|less|least|smaller|"
    r"smallest|lower|lowest|shorter|shortest|cheaper|before|after|than|the|other|of|two|both|same|a|an|which|who|what|is|was|"
    r"were|are|has|have|had|did|does|do|came|out|come|in|from|share|located|each)\b",
    re.IGNORECASE,
)


def _topic(compared: Comparison) -> str:
    """What is compared, without the words that only compare: "members" of "which group has the most members"."""
    counted = re.search(r"\b(?:most|more|fewest|fewer|least|less)\s+(.+)$", compared.criterion, re.IGNORECASE)
    said = counted[1] if counted and compared.scale == "amount" else compared.criterion
    topic = " ".join(_ORDERING.sub(" ", said).split())
    if re.search(r"\b(?:older|younger|elder|oldest|youngest)\b", compared.criterion, re.IGNORECASE):
        topic = f"{topic} born".strip()
    return topic or ("date" if compared.scale == "time" else "")


_PLAIN = {
    "high": "high",
    "tall": "tall",
    "long": "long",
    "larg": "large",
    "bigg": "large",
    "deep": "deep",
    "heavi": "heavy",
    "wid": "wide",
    "fast": "fast",
    "rich": "rich",
}
_DEGREE = re.compile(rf"\b({'|'.join(_PLAIN)})(?:er|est)\b", re.IGNORECASE)


def _criterion(compared: Comparison) -> str:
    topic = _topic(compared)
    if compared.scale == "time":
        verb = re.search(r"\b(\w+ed|born|built|begun|set up)\b", topic)
        return f"when was {_GAP} {verb[1] if verb else ''}".strip()
    compares = _DEGREE.search(compared.criterion)
    if compares and not re.search(r"\b(?:has|have|had)\b", compared.criterion):
        return f"how {_PLAIN[compares[1].lower()]} is {_GAP}"
    return f"how many {topic} has {_GAP}".replace("  ", " ")


def _several(question: str, writer: _Writer) -> str:
    asked = parts(question)
    if len(asked) < 2:
        return ""
    topic = _subject(asked[0])
    for one in asked[:6]:
        writer.search(_resolved(one, topic, asked[0]) if one is not asked[0] else one)
    return f"Look up {len(writer.steps)} questions side by side."


def _subject(question: str) -> str:
    """What a question is about, for the pronouns of the next: "X" of "Who is X"."""
    match = re.match(rf"(?:who|what|which|when|where|why|how)\b.*?\b{_AUX}\s+(.+)$", question, re.IGNORECASE)
    return match[1] if match else question


def _resolved(question: str, topic: str, first: str) -> str:
    if re.fullmatch(r"when|where|why|how", question, re.IGNORECASE):
        # "Who founded X and when"
        return (
            f"{question} {re.sub(r'^(?:who|what|which|when|where|why|how)', '', first, flags=re.I).strip()}"
        )
    subject = re.search(r"\b(?:he|she|it|they)\b", question, re.IGNORECASE)
    if subject and len(topic.split()) <= 12:
        return f"{question[: subject.start()]}{topic}{question[subject.end() :]}"
    return f"{question} ({topic})" if _PRONOUN.search(question) else question


def _bridge(question: str, writer: _Writer) -> str:
    """Find the one that is only described first, then ask about it by name."""
    hops, last = take_apart(question)
    if not hops:
        return ""
    if not writer.extracts:
        writer.search(hops[0].query)
        writer.search(question)
        return "Look up the description, then the question."
    found = _followed(hops, writer)
    writer.search(_filled(last, found))
    if len(hops) > 1:
        # One wrong link breaks a long chain; what the question itself finds does not hang on it.
        writer.search(question, "in case a link is wrong")
    return "Find the one described first, then ask about it."


def _followed(hops: Sequence[Hop], writer: _Writer) -> list[str]:
    """Write the steps of hops and return the reference to what each one finds."""
    found: list[str] = []
    for hop in hops:
        asks, query = _filled(hop.question, found), _filled(hop.query, found)
        found.append(writer.value(asks, query, "the one described"))
    return found


def _filled(text: str, found: Sequence[str]) -> str:
    for gap, reference in zip(GAPS, found, strict=False):
        text = text.replace(gap, reference)
    return text


def _look_up(question: str, writer: _Writer) -> str:
    if question and re.search(r"\w", question):
        writer.search(question)
    return "Look it up."


def _in_context(question: str, history: Sequence[str]) -> str:
    """Read a follow-up after the last question asked."""
    words = question.split()
    leaning = (len(words) <= 4 and _ELLIPSIS.match(question)) or (
        len(words) <= 8 and _PRONOUN.search(question) and not _named(words)
    )
    earlier = next((line for line in reversed(history) if _is_question(line)), None)
    if not leaning or earlier is None:
        return question.rstrip("?")
    return f"{earlier[: MAX_QUERY_CHARS // 2].rstrip('?')} - {question.rstrip('?')}"


def _asked(task: str) -> str:
    # A "#E1" that a person typed is text; left alone it would read as a reference in our own steps.
    text = re.sub(r"#(?=E\d)", "# ", re.sub(f"[{GAPS[0]}-{GAPS[-1]}]", " ", task[:MAX_CHARS]))
    return strip_lead(text)[:MAX_QUERY_CHARS].strip() + ("?" if text.rstrip().endswith("?") else "")


def _recased(question: str, known: Sequence[str]) -> str:
    # The rules see where a name ends by its capitals.
    for title in known:
        if 4 <= len(title) <= 100 and "#" not in title:
            said = re.compile(rf"(?<!\w){re.escape(title)}(?!\w)", re.IGNORECASE)
            question = said.sub(title.replace("\\", r"\\"), question)
    return question


def _is_question(line: str) -> bool:
    return (
        line.rstrip().endswith("?")
        or re.match(r"(?:who|what|when|where|which|why|how|is|are|did|does)\b", line, re.I) is not None
    )


def _named(words: Iterable[str]) -> bool:
    return any(word[:1].isupper() for word in list(words)[1:])


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(" ,?")
