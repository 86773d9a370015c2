"""What in the evidence supports a claim: the source and in it the sentence that share most words and figures.

Lexical and numeric, without a model: it finds where a claim comes from, and sees a claim that comes from
nowhere. It does not see a claim that says the opposite in the same words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from typing import Any, NamedTuple

from agent_graph import references
from agent_graph.evidence import Evidence, Source
from agent_graph.references import StepId
from agent_graph.solver import figures, numbers
from retrieval.sentences import STOP_WORDS, Field, content_stems

QUOTE_CHARACTERS = 300

LEAST_SHARED = 0.1
"""Share of a claim's content words that what it cites must hold.

Measured on the held-out halves of recorded GPT-4 runs: it calls .3 % (HotpotQA) and 1.1 % (WorkBench) of true
sentences unsupported, and 54 % and 13 % of those put beside the observations of another question.
"""

LEAST_WORDS = 3
"""Content words from which a claim is long enough to be judged."""

LEAST_PROSE = 10
"""Different words from which evidence counts as prose: a claim about bare figures shares no words with them."""

_NUMERIC = 0.5
_COMPARED = 12
LOOKED_AT = 200_000
"""Characters of one step's evidence that are read closely."""

_STRETCH = 2_000
_RUN = 60
_FEWEST = 50
_WORD = re.compile(r"\w{3,}")


class Support(NamedTuple):
    """Where a claim rests."""

    source: Source | None
    """None when it rests on a step's own value."""
    quote: str


class Grounds:
    """The evidence, cut into sentences and words once, to be asked about the claims of one answer.

    Of a value too large to be cut whole, the parts that share most words with the answer stand for it.
    """

    def __init__(self, evidence: Mapping[StepId, Evidence], answer: str) -> None:
        self._evidence = evidence
        self._said = set(_WORD.findall(answer.lower())) - STOP_WORDS
        self._fields: dict[tuple[StepId, int | None], Field] = {}
        self._texts: dict[StepId, str] = {}
        self._words: dict[StepId, frozenset[str]] = {}

    def find(self, claim: str, step: StepId, number: int | None = None) -> Support:
        """Return the passage, or the part of the value, of one step that supports the claim best.

        `number` names one of its sources, from 1.
        """
        one = self._evidence[step]
        sources: Sequence[Source] = one.sources if number is None else [one.sources[number - 1]]
        if not sources:
            return Support(None, self._in_value(claim, one))
        field = self._field(step, number, [source.text[:LOOKED_AT] for source in sources])
        place, quote = _best(claim, field)
        return Support(sources[place], quote)

    def lacks(self, claim: str, steps: Iterable[StepId]) -> bool:
        """Whether a claim shares next to nothing with what it cites, or states other figures than a result does."""
        cited = [self._evidence[step] for step in steps]
        if all(isinstance(one.value, int | float) and not isinstance(one.value, bool) for one in cited):
            meant = numbers.meant(claim)
            return bool(meant) and len(numbers.unverified(claim, "", cited)) >= len(meant)
        if any(len(self._text(one)) > LOOKED_AT for one in cited):
            return False
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
        text = self._text(one)
        if len(text) <= QUOTE_CHARACTERS:
            return text
        if (one.step, None) not in self._fields:
            self._fields[one.step, None] = Field(self._likely(_parts(one)))
        _, quote = _best(claim, self._fields[one.step, None])
        return (quote or text)[:QUOTE_CHARACTERS]

    def _likely(self, parts: Iterable[str]) -> list[str]:
        """Return the parts that hold most words of the answer, as many as may be looked at closely."""
        form = re.compile("|".join(map(re.escape, self._said)) or r"\b\B")
        listed = list(parts)
        if sum(map(len, listed)) <= LOOKED_AT:
            return listed
        most = max(LOOKED_AT // (1 + max(map(len, listed))), _FEWEST)
        return nlargest(most, listed, key=lambda part: len(set(form.findall(part.lower()))))

    def _field(self, step: StepId, number: int | None, texts: Sequence[str]) -> Field:
        key = (step, number)
        if key not in self._fields:
            self._fields[key] = Field(texts)
        return self._fields[key]

    def _text(self, one: Evidence) -> str:
        if one.step not in self._texts:
            self._texts[one.step] = one.text
        return self._texts[one.step]

    def _stems(self, one: Evidence) -> frozenset[str]:
        if one.step not in self._words:
            text = self._text(one)[:LOOKED_AT]
            about = (text, *(around for around in _around(one) if not figures.holds(text, around)))
            self._words[one.step] = frozenset(stem for each in about for stem in content_stems(each))
        return self._words[one.step]


def _best(claim: str, field: Field) -> tuple[int, str]:
    scored = field.score(claim)
    if not scored:
        return 0, ""
    wanted = numbers.meant(claim)

    def worth(place: int) -> float:
        one = scored[place]
        shared = wanted & numbers.held(one.sentence.text) if wanted else frozenset()
        return one.score + (_NUMERIC * len(shared) / len(wanted) if wanted else 0.0)

    best = scored[max(range(min(len(scored), _COMPARED)), key=worth)]
    return best.passage, best.sentence.text


def _parts(one: Evidence) -> Iterator[str]:
    """Yield a value as texts, each about one thing: items of lists, entries of objects, stretches of text."""
    rest = [one.beginning if one.value is None else one.value]
    while rest:
        value = rest.pop()
        if isinstance(value, list) and _is_large(value):
            rest.extend(reversed(value if isinstance(value[0], list | dict) else [*_runs(value)]))
        elif isinstance(value, dict) and _is_large(value):
            rest.extend(
                item if _is_large(item) else f"{key}: {references.as_text(item)}"
                for key, item in reversed(value.items())
            )
        else:
            text = references.as_text(value)
            yield from (text[at : at + _STRETCH] for at in range(0, len(text), _STRETCH))


def _runs(items: Sequence[Any]) -> Iterator[str]:
    """Yield the items of a list of plain values, short ones together."""
    run: list[str] = []
    size = 0
    for text in map(references.as_text, items):
        run.append(text)
        size += len(text) + 2
        if size > _RUN:
            yield ", ".join(run)
            run, size = [], 0
    if run:
        yield ", ".join(run)


def _is_large(value: Any) -> bool:
    return isinstance(value, list | dict) and len(references.as_text(value)) > QUOTE_CHARACTERS


def _around(one: Evidence) -> Iterator[str]:
    """Yield what belongs to a step's evidence beside its value."""
    yield one.tool.replace("_", " ")
    yield from (references.as_text(value)[:LOOKED_AT] for value in one.args.values())
    for source in one.sources:
        yield from (source.text, source.title, source.document)


def _same_script(words: Iterable[str], there: Iterable[str]) -> bool:
    """Whether a claim is written in the letters of its evidence; across scripts words cannot be compared."""
    return _is_latin(words) == _is_latin(there)


def _is_latin(words: Iterable[str]) -> bool:
    latin = [word[0].isascii() for word in words if word[0].isalpha()]
    return 2 * sum(latin) >= len(latin)
