"""What in the evidence supports a claim: the source and in it the sentence that share most words and figures.

Lexical and numeric, without a model: it finds where a claim comes from, and sees a claim that comes from
nowhere. It does not see a claim that says the opposite in the same words.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from typing import Any, NamedTuple

from agent_graph import references
from agent_graph.evidence import Evidence, Source
from agent_graph.references import StepId
from agent_graph.solver import numbers
from retrieval.sentences import Field, content_stems

QUOTE_CHARACTERS = 300

LEAST_SHARED = 0.1
"""Share of a claim's content words that what it cites must hold.

Measured on recorded GPT-4 runs, halves held out: .3 % (HotpotQA) and 2.7 % (WorkBench) of true sentences fall
below it, and 53 % and 20 % of those put beside the observations of another question.
"""

LEAST_WORDS = 3
"""Content words from which a claim is long enough to be judged."""

LEAST_PROSE = 10
"""Different words from which evidence counts as prose: a claim about bare figures shares no words with them."""

_NUMERIC = 0.5
_LOOKED_AT = 12
_MOST_PARTS = 200
_STRETCH = 20_000
_MOST_CHARACTERS = 500_000
_WORD = re.compile(r"\w{3,}")


class Support(NamedTuple):
    """Where a claim rests."""

    source: Source | None
    """None when it rests on a step's own value."""
    quote: str


class Grounds:
    """The evidence, cut into sentences and words once, to be asked about several claims."""

    def __init__(self, evidence: Mapping[StepId, Evidence]) -> None:
        self._evidence = evidence
        self._fields: dict[tuple[StepId, int | None], Field] = {}
        self._words: dict[StepId, frozenset[str]] = {}

    def find(self, claim: str, step: StepId, number: int | None = None) -> Support:
        """Return the passage, or the part of the value, of one step that supports the claim best.

        `number` names one of its sources, from 1.
        """
        one = self._evidence[step]
        sources: Sequence[Source] = one.sources if number is None else [one.sources[number - 1]]
        if not sources:
            return Support(None, self._in_value(claim, one))
        field = self._field(step, number, [source.text for source in sources])
        place, quote = _best(claim, field)
        return Support(sources[place], quote)

    def lacks(self, claim: str, steps: Iterable[StepId]) -> bool:
        """Whether a claim shares next to nothing with what it cites, or states other figures than a result does."""
        cited = [self._evidence[step] for step in steps]
        if all(isinstance(one.value, int | float) and not isinstance(one.value, bool) for one in cited):
            figures = numbers.figures(claim)
            return bool(figures) and len(numbers.unverified(claim, "", cited)) >= len(figures)
        words = set(content_stems(claim))
        there = frozenset().union(*(self._stems(one) for one in cited))
        prose = {word for word in there if word[:1].isalpha()}
        if len(words) < LEAST_WORDS or len(prose) < LEAST_PROSE or not _same_script(words, prose):
            return False
        return len(words & there) < LEAST_SHARED * len(words)

    def overlap(self, claim: str, step: StepId) -> float:
        """Return the share of a claim's content words that one step's evidence holds, 0 to 1."""
        words = set(content_stems(claim))
        return len(words & self._stems(self._evidence[step])) / len(words) if words else 0.0

    def _in_value(self, claim: str, one: Evidence) -> str:
        if len(one.text) <= QUOTE_CHARACTERS:
            return one.text
        parts = list(_parts(one.beginning if one.value is None else one.value))
        if len(parts) > _MOST_PARTS:
            # too many to cut into sentences: those that hold most words of this claim
            words = re.compile("|".join(map(re.escape, _WORD.findall(claim.lower()))) or r"\b\B")
            parts = nlargest(_MOST_PARTS, parts, key=lambda part: len(set(words.findall(part.lower()))))
            _, quote = _best(claim, Field(parts))
        else:
            _, quote = _best(claim, self._field(one.step, None, parts))
        return (quote or one.text)[:QUOTE_CHARACTERS]

    def _field(self, step: StepId, number: int | None, texts: Sequence[str]) -> Field:
        key = (step, number)
        if key not in self._fields:
            self._fields[key] = Field(texts)
        return self._fields[key]

    def _stems(self, one: Evidence) -> frozenset[str]:
        if one.step not in self._words:
            self._words[one.step] = frozenset(stem for text in _texts(one) for stem in content_stems(text))
        return self._words[one.step]


def _best(claim: str, field: Field) -> tuple[int, str]:
    scored = field.score(claim)
    if not scored:
        return 0, ""
    wanted = numbers.figures(claim)

    def worth(place: int) -> float:
        one = scored[place]
        shared = wanted & numbers.readings(one.sentence.text) if wanted else frozenset()
        return one.score + (_NUMERIC * len(shared) / len(wanted) if wanted else 0.0)

    best = scored[max(range(min(len(scored), _LOOKED_AT)), key=worth)]
    return best.passage, best.sentence.text


def _parts(value: Any) -> Iterable[str]:
    """Yield a value as texts, each about one thing: the items of its lists, the entries of its objects."""
    if isinstance(value, list):
        for item in value:
            yield from _parts(item) if _is_large(item) else [references.as_text(item)]
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _parts(item) if _is_large(item) else [f"{key}: {references.as_text(item)}"]
    else:
        text = references.as_text(value)
        yield from (text[at : at + _STRETCH] for at in range(0, len(text), _STRETCH))


def _is_large(value: Any) -> bool:
    return isinstance(value, list | dict) and len(references.as_text(value)) > QUOTE_CHARACTERS


def _texts(one: Evidence) -> Iterable[str]:
    yield one.text[:_MOST_CHARACTERS]
    yield one.tool.replace("_", " ")
    yield from (references.as_text(value) for value in one.args.values())
    for source in one.sources:
        yield from (source.text, source.title, source.document)


def _same_script(words: Iterable[str], there: Iterable[str]) -> bool:
    """Whether a claim is written in the letters of its evidence; across scripts words cannot be compared."""
    return _is_latin(words) == _is_latin(there)


def _is_latin(words: Iterable[str]) -> bool:
    latin = [word[0].isascii() for word in words if word[0].isalpha()]
    return 2 * sum(latin) >= len(latin)
