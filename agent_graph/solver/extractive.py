"""Extractive mode's solver: the sentences of the evidence that answer best, quoted with citations, and no model.

It quotes, computes nothing itself, and abstains in so many words when the evidence does not speak about the task.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from agent_graph import guardrails, references
from agent_graph.evidence import Evidence, Source
from agent_graph.plan import Plan
from agent_graph.references import StepId
from retrieval import sentences
from retrieval.sentences import ScoredSentence
from tools import values
from tools.documents import NOTHING_FOUND
from tools.extract import Extracted, find_value
from tools.question import AnswerType, Comparison, answer_type, comparison, strip_lead

NOT_FOUND = "Not found in the documents."
"""How every abstention begins."""

LEAST_COVERAGE = 0.34
"""Share of the question's weighted words the best sentence must have in or around it."""

LEAST_COVERAGE_UNNAMED = 0.6
"""The same, for a question none of whose names stands anywhere in the evidence."""

_WIDE: frozenset[AnswerType] = frozenset({"list", "reason", "text", "yes_no"})
_MOST_QUOTES = 4
_NEAR_BEST = 0.62
_LEANS_BACK = re.compile(
    r"^(?:it|its|they|their|them|that|this|these|those|he|his|she|her|instead|such|so did)\b|^(?:that|it|they)['’]",
    re.IGNORECASE,
)
_BRACKETED_ID = re.compile(r"([\[(【][^\[\]()\n]{0,60}?\b)E(\d)", re.IGNORECASE)


class Draft(NamedTuple):
    """An answer without a model: its text with citation markers, and what is missing."""

    text: str
    insufficient: str
    """One sentence; empty when the task is answered."""


class _Passage(NamedTuple):
    marker: str
    source: Source


class _Found(NamedTuple):
    """What one end of the plan came to."""

    text: str
    missing: str = ""
    """The question that stays open."""
    why: str = ""


def write_answer(task: str, plan: Plan, evidence: Mapping[StepId, Evidence]) -> Draft:
    """Answer from the evidence alone: quotes, computed values with their operands, or `NOT_FOUND`.

    Citations are `[E1.2]` for the second source of E1 and `[E5]` for a value a tool computed.
    """
    run = _Run(strip_lead(task), plan, evidence)
    compared = comparison(run.question)
    if compared is not None and (verdict := _verdict(compared, run)):
        return Draft(verdict, "")
    found = [_found(step, run) for step in run.ends]
    text = "\n".join(dict.fromkeys(one.text for one in found if one.text))
    missing = [_plain(one) for one in dict.fromkeys(one.missing for one in found if one.missing)]
    if not found:
        return Draft(NOT_FOUND, f"Nothing was looked up for: {_plain(run.question)}.")
    if not missing:
        return Draft(text, "")
    why = "".join(f" {_plain(one)}" for one in dict.fromkeys(one.why for one in found if one.why))
    insufficient = f"The documents do not say: {'; '.join(missing)}.{why}"
    return Draft(f"{text}\n{NOT_FOUND[:-1]}: {'; '.join(missing)}." if text else NOT_FOUND, insufficient)


class _Run:
    """The plan and its evidence, with the questions one asks of them."""

    def __init__(self, question: str, plan: Plan, evidence: Mapping[StepId, Evidence]) -> None:
        self.question = question
        self.evidence = dict(evidence)
        self.quoted: dict[str, None] = {}
        """What the answer has quoted so far: nothing is said twice."""
        self._plan = plan.by_id
        self._needs = {step: self._needed(one) for step, one in self.evidence.items()}

    @property
    def ends(self) -> list[Evidence]:
        """The steps no other step reads: what the plan was for."""
        read = {need for needs in self._needs.values() for need in needs}
        return [one for step, one in self.evidence.items() if step not in read]

    def inputs(self, one: Evidence) -> list[Evidence]:
        """The evidence a step read, in the order of its arguments."""
        return [self.evidence[need] for need in self._needs[one.step] if need in self.evidence]

    def behind(self, one: Evidence) -> Iterator[Evidence]:
        """Everything a step rests on, nearest first, each once."""
        seen, waiting = {one.step}, self.inputs(one)
        while waiting:
            nearest = waiting.pop(0)
            if nearest.step not in seen:
                seen.add(nearest.step)
                waiting.extend(self.inputs(nearest))
                yield nearest

    def expression(self, one: Evidence) -> str:
        """What a calculator was asked, with its references still in it when the plan is known."""
        step = self._plan.get(one.step)
        return str((step.args if step else one.args).get("expression", ""))

    def _needed(self, one: Evidence) -> list[StepId]:
        if (step := self._plan.get(one.step)) is not None:
            return list(dict.fromkeys(ref.step for ref in references.find(step.args) if ref.step != one.step))
        # Evidence of an earlier plan: its arguments are filled, so what it read shows by value.
        spoken = [references.as_text(value) for value in one.args.values()]
        before = [other for other in self.evidence.values() if _number(other.step) < _number(one.step)]
        return [o.step for o in before if o.text and any(_holds(text, o.text) for text in spoken)]


def _found(one: Evidence, run: _Run) -> _Found:
    if not one.ok:
        return _rescued(one, run)
    if one.tool == "extract":
        return _Found(f"{_shown(one.value)} [{one.step}]. {_read(one, run)}".strip())
    if one.sources:
        return _quoted(one, run)
    if any(read.tool == "extract" for read in run.inputs(one)):
        return _computed(one, run)
    return _stated(one, run)


def _rescued(one: Evidence, run: _Run) -> _Found:
    """A failed end: what stands in the passages before it may still answer the whole question."""
    ended = "failed" if one.status == "failed" else "was skipped"
    why = f"Step {one.step}, {one.tool}, {ended}: {one.error.rstrip('.') or 'no reason given'}."
    passages = [passage for step in (one, *run.behind(one)) if step.ok for passage in _passages([step])]
    wide = answer_type(run.question) in _WIDE
    if passages and wide and (text := _quotes(run.question, run.question, passages, run.quoted)):
        return _Found(text)
    return _Found("", run.question, why)


def _stated(one: Evidence, run: _Run) -> _Found:
    """What a tool without sources returned: said as it is when short, else its best sentences."""
    if (
        one.tool == "clock"
        and isinstance(one.value, Mapping)
        and {"weekday", "date", "time", "timezone"} <= set(one.value)
    ):
        about = one.value
        return _Found(
            f"It is {about['weekday']}, {about['date']}, {about['time']} ({about['timezone']}) [{one.step}]."
        )
    text = one.text.strip()
    if not text or text == NOTHING_FOUND:
        return _Found("", _query(one, run))
    if one.tool == "calculator":
        return _Found(f"{_plain(str(one.args.get('expression', '')))} = {_shown(one.value)} [{one.step}].")
    if len(text) <= 300:
        return _Found(f"{_plain(text)} [{one.step}]")
    source = Source(document=one.tool, text=text)
    quoted = _quotes(run.question, run.question, [_Passage(str(one.step), source)], run.quoted)
    return _Found(quoted or "", run.question if quoted is None else "")


def _quoted(one: Evidence, run: _Run) -> _Found:
    """The best sentences of a search, after the sentence that named what it searched for."""
    query, asked = _query(one, run), run.question
    hops = [read for read in run.inputs(one) if read.tool == "extract" and read.ok]
    alone = len(run.ends) == 1
    about = (
        query if hops or not alone else f"{asked} {query}" if query.lower() not in asked.lower() else asked
    )
    passages = _passages([one])
    before = " ".join(said for hop in hops if (said := _read(hop, run)))
    text = _quotes(about, asked if alone else query, passages, run.quoted)
    if text is None or (hops and not _adds(text, query, passages)):
        return _Found(before, query if hops or not alone else asked)
    return _Found(f"{before} {text}".strip())


def _adds(text: str, query: str, passages: Sequence[_Passage]) -> bool:
    """Whether the last hop says more than the entity's name: a word of what is asked about it, or a fitting value."""
    if not text:
        return False
    named = {sentences.stem(name) for name in sentences.names(query)}
    faint = {sentences.stem(word) for word in sentences.FAINT_WORDS}
    asked = set(sentences.content_stems(query)) - named - faint
    if asked & set(sentences.content_stems(text)):
        return True
    typed = answer_type(query) in ("date", "year", "number", "money", "percent")
    return (
        typed
        and find_value(query, [p.source.text for p in passages], [p.source.title for p in passages])
        is not None
    )


def _query(one: Evidence, run: _Run) -> str:
    return next((strip_lead(v) for v in one.args.values() if isinstance(v, str) and v.strip()), run.question)


def _computed(one: Evidence, run: _Run) -> _Found:
    """A value computed from extracted ones: the sum as written in the documents, then each operand's sentence."""
    operands = [read for read in run.inputs(one) if read.tool == "extract"]
    read_from = {operand.step: _source_of(operand, run) for operand in operands}
    places = {(found[1].text, found[1].sentence.sentence.text) for found in read_from.values() if found}
    if len(operands) > 1 and len(places) == 1:
        # One figure standing for two questions: at least one of them was not answered.
        asked = " and ".join(str(operand.args.get("question", operand.step)) for operand in operands)
        return _Found("", f"two different figures for: {asked}")
    shown = {
        step: found[1].text if found else _shown(run.evidence[step].value)
        for step, found in read_from.items()
    }
    expression = re.sub(r"#(E\d+)", lambda match: shown.get(StepId(match[1]), match[0]), run.expression(one))
    quotes = [said for operand in operands if (said := _read(operand, run))]
    return _Found(" ".join([f"{_plain(expression)} = {_shown(one.value)} [{one.step}].", *quotes]))


def _read(one: Evidence, run: _Run) -> str:
    """The sentence an extracted value was read from, with its citation."""
    found = _source_of(one, run)
    if found is None:
        return ""
    passages, value = found
    return _span(passages[value.sentence.passage], value.sentence, run.quoted)


def _source_of(one: Evidence, run: _Run) -> tuple[list[_Passage], Extracted] | None:
    passages = _passages(list(run.behind(one)))
    texts, titles = [p.source.text for p in passages], [p.source.title for p in passages]
    question = str(one.args.get("question", run.question))
    found = find_value(question, texts, titles)
    if found is not None and found.value == one.value:
        return passages, found
    said = one.text
    holding = (
        s
        for s in sentences.score_sentences(question, texts, titles)
        if said and _mentions(s.sentence.text, one.value)
    )
    best = next(holding, None)
    return (passages, Extracted(one.value, said, best)) if best is not None else None


def _mentions(text: str, value: Any) -> bool:
    if isinstance(value, int | float):
        return any(found.value == value for found in (*values.numbers(text), *values.dates(text)))
    return str(value).lower() in text.lower()


def _verdict(compared: Comparison, run: _Run) -> str:
    """Which of the two it is, by the values found for both; nothing when they cannot be told apart."""
    read = [one for one in run.ends if one.tool == "extract" and one.ok]
    if compared.order is None or len(read) != 2:
        return ""
    keys = [
        values.when(one.value) if compared.scale == "time" else values.number_in(one.value) for one in read
    ]
    if keys[0] is None or keys[1] is None or keys[0] == keys[1]:
        return ""
    least = 0 if keys[0] < keys[1] else 1  # type: ignore[operator]
    wins = least if compared.order == "least" else 1 - least
    pairs = [
        f"{_plain(name)}: {_shown(one.value)} [{one.step}]"
        for name, one in zip(compared.candidates, read, strict=True)
    ]
    said = compared.candidates[wins]
    opening = ("Yes" if wins == 0 else "No") if compared.yes_no else _plain(said)
    quotes = [text for one in read for text in (*_hops(one, run), _read(one, run)) if text]
    return " ".join(dict.fromkeys([f"{opening} ({pairs[wins]}; {pairs[1 - wins]}).", *quotes]))


def _hops(one: Evidence, run: _Run) -> list[str]:
    return [_read(hop, run) for hop in reversed(list(run.behind(one))) if hop.tool == "extract" and hop.ok]


def _passages(steps: Sequence[Evidence]) -> list[_Passage]:
    seen: dict[tuple[str, str, int], _Passage] = {}
    for one in steps:
        for number, source in enumerate(one.sources if one.ok else (), 1):
            if source.text.strip():
                seen.setdefault(
                    (source.document, source.text, source.start), _Passage(f"{one.step}.{number}", source)
                )
    return list(seen.values())


def _quotes(about: str, asked: str, passages: Sequence[_Passage], quoted: dict[str, None]) -> str | None:
    """The sentences that speak best about a question, as the documents run; None when none does.

    What stands in `quoted` is not said again; what is said now is added to it.
    """
    texts, titles = [p.source.text for p in passages], [p.source.title for p in passages]
    field = sentences.Field(texts, titles)
    ranked = field.score(about)
    if not ranked or max(one.coverage for one in ranked[:3]) < _least(about, field):
        return None
    kind = answer_type(asked)
    chosen = _wide(ranked) if kind in _WIDE else _narrow(about, kind, ranked, texts, titles)
    parts = [_span(passages[one.passage], one, quoted) for one in _in_order(chosen, passages)]
    return " ".join(part for part in parts if part)


def _least(about: str, field: sentences.Field) -> float:
    named, missing = sentences.names(about), field.query(about).missing
    return LEAST_COVERAGE_UNNAMED if named and len(missing) == len(named) else LEAST_COVERAGE


def _narrow(
    about: str, kind: AnswerType, ranked: list[ScoredSentence], texts: list[str], titles: list[str]
) -> list[ScoredSentence]:
    """One sentence: the best that holds a value of the asked type, else the best."""
    found = find_value(about, texts, titles) if kind != "choice" else None
    if found is not None and found.sentence.score >= 0.6 * ranked[0].score:
        return [found.sentence]
    return ranked[:1]


def _wide(ranked: list[ScoredSentence]) -> list[ScoredSentence]:
    chosen: list[ScoredSentence] = []
    for one in ranked:
        if len(chosen) == _MOST_QUOTES or one.score < _NEAR_BEST * ranked[0].score:
            break
        if not any(_same(one.sentence.text, other.sentence.text) for other in chosen):
            chosen.append(one)
    return chosen


def _in_order(chosen: Sequence[ScoredSentence], passages: Sequence[_Passage]) -> list[ScoredSentence]:
    """By passage of the best sentence first, then as the document runs."""
    rank = {passages[one.passage].source.document: n for n, one in reversed(list(enumerate(chosen)))}

    def place(one: ScoredSentence) -> tuple[int, int]:
        source = passages[one.passage].source
        return rank[source.document], source.start + one.sentence.start

    return sorted(chosen, key=place)


def _span(passage: _Passage, one: ScoredSentence, quoted: dict[str, None]) -> str:
    """A sentence with its marker; one that leans on the sentence before it brings that along."""
    row = sentences.split_sentences(passage.source.text)
    first = one.place - 1 if one.place and _LEANS_BACK.match(one.sentence.text) else one.place
    parts = []
    for sentence in row[first : one.place + 1]:
        text = _plain(sentence.text)
        if text not in quoted:
            quoted[text] = None
            parts.append(f"{text} [{passage.marker}]")
    return " ".join(parts)


def _same(left: str, right: str) -> bool:
    return left in right or right in left


def _plain(text: str) -> str:
    """Text of a document or a person on one line, in which nothing reads as a citation or reference of ours."""
    bent = " ".join(guardrails.neutralise(text).text.split())
    return _BRACKETED_ID.sub(r"\1E \2", bent)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _plain(references.as_text(value))[:300]
    whole = int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
    if isinstance(whole, int):
        return f"{whole:,}" if abs(whole) >= 10_000 else str(whole)
    return f"{whole:,.10g}"


def _holds(text: str, part: str) -> bool:
    return text == part or re.search(rf"(?<![\w.]){re.escape(part[:300])}(?![\w])", text[:20_000]) is not None


def _number(step: StepId) -> int:
    return int(step[1:]) if step[1:].isdigit() else 0
