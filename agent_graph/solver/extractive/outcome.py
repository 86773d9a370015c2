"""What one end of a plan came to: a value with the sentences behind it, quotes alone, or what stays open."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent_graph.evidence import Evidence, Source
from agent_graph.references import StepId
from agent_graph.solver.extractive.lead import find_lead
from agent_graph.solver.extractive.lineage import Lineage
from agent_graph.solver.extractive.quotes import (
    LEAST_COVERAGE_NAMED,
    Page,
    Passage,
    Quotes,
    near_best,
    passages_of,
)
from agent_graph.solver.extractive.subject import mentions, named, unmentioned
from agent_graph.solver.extractive.wording import plain, shown
from retrieval import sentences
from tools import values
from tools.documents import NOTHING_FOUND
from tools.extract import Extracted, find_value
from tools.question import AnswerType, answer_type, strip_lead

_WIDE: frozenset[AnswerType] = frozenset({"list", "reason", "text", "yes_no"})
"""Questions that may need several sentences."""

_BESIDE = 3
"""Most sentences quoted beside the one a value was read from."""

_SHORT = 300
"""Characters up to which a tool's text is said as it is."""

_DATE_PARTS = frozenset({"weekday", "date", "time", "timezone"})


class Outcome(NamedTuple):
    """What one end of the plan came to."""

    text: str
    """With citation markers; a value comes first, then the sentences behind it."""
    missing: str = ""
    """The question that stays open."""
    why: str = ""
    stated: bool = False
    """Whether it leads with a value."""


class Run:
    """One question, what was found out for it, and what the answer has quoted."""

    def __init__(self, question: str, lineage: Lineage) -> None:
        self.question = question
        self.lineage = lineage
        self.quotes = Quotes()
        self._read: dict[StepId, _ReadFrom | None] = {}

    def read_from(self, one: Evidence) -> "_ReadFrom | None":
        """Where the value of an extraction stands; None when no passage before it holds it."""
        if one.step not in self._read:
            self._read[one.step] = _source_of(one, self)
        return self._read[one.step]

    def query(self, one: Evidence) -> str:
        """What a step was asked, in words."""
        said = (strip_lead(value) for value in one.args.values() if isinstance(value, str) and value.strip())
        return next(said, self.question)

    def alone(self, one: Evidence) -> bool:
        """Whether a step was asked the whole question."""
        return len(self.lineage.ends) == 1 or self.query(one).lower().startswith(self.question.lower())


def stands_in(one: Evidence, run: Run) -> Outcome | None:
    """Return what a search for the whole question says in the place of ends that say nothing, if it does answer.

    Where one value is asked, a sentence that merely speaks of the matter is no answer.
    """
    found = outcome(one, run)
    answers = not found.missing and (found.stated or answer_type(run.question) in _WIDE)
    return found if answers else None


def outcome(one: Evidence, run: Run) -> Outcome:
    """Return what an end of the plan says."""
    if not one.ok:
        return _rescued(one, run)
    if one.tool == "extract":
        return Outcome(f"{shown(one.value)} [{one.step}]. {_read(one, run)}".strip())
    if one.sources:
        return _searched(one, run)
    if any(read.tool == "extract" for read in run.lineage.inputs(one)):
        return _computed(one, run)
    return _stated(one, run)


def _rescued(one: Evidence, run: Run) -> Outcome:
    """A failed end: what stands in the passages before it may still answer the whole question."""
    ended = "failed" if one.status == "failed" else "was skipped"
    why = f"Step {one.step}, {one.tool}, {ended}: {one.error.rstrip('.') or 'no reason given'}."
    passages = passages_of(run.lineage.behind(one))
    if passages and answer_type(run.question) in _WIDE:
        page = Page(passages)
        if not unknown(run.question, page) and (text := _quotes(run.question, run.question, page, run)):
            return Outcome(text)
    return Outcome("", run.question, why)


def _stated(one: Evidence, run: Run) -> Outcome:
    """What a tool without sources returned: said as it is when short, else its best sentences."""
    if one.tool == "clock" and isinstance(one.value, Mapping) and set(one.value) >= _DATE_PARTS:
        now = one.value
        return Outcome(
            f"It is {now['weekday']}, {now['date']}, {now['time']} ({now['timezone']}) [{one.step}]."
        )
    text = one.text.strip()
    if not text or text == NOTHING_FOUND:
        return Outcome("", run.query(one))
    if one.tool == "calculator":
        return Outcome(f"{plain(str(one.args.get('expression', '')))} = {shown(one.value)} [{one.step}].")
    if len(text) <= _SHORT:
        return Outcome(f"{plain(text)} [{one.step}]")
    page = Page([Passage(str(one.step), Source(document=one.tool, text=text))])
    quoted = _quotes(run.question, run.question, page, run)
    return Outcome(quoted or "", "" if quoted else run.question)


def _searched(one: Evidence, run: Run) -> Outcome:
    """The value and the best sentences of a search, after the sentence that named what it searched for."""
    query = run.query(one)
    hops = [read for read in run.lineage.inputs(one) if read.tool == "extract" and read.ok]
    whole = run.alone(one) and not hops
    asked = run.question if whole else query
    page = Page(passages_of([one]))
    if unknown(asked, page) or not all(_grounded(hop, run) for hop in run.lineage.hops(one)):
        return Outcome("", run.question if run.alone(one) else query)
    lead = find_lead(asked, page) if page.speaking(asked) else None
    if lead is not None:
        before = [_read(hop, run) for hop in hops]
        rests = [lead.sentence, *([lead.beside] if lead.beside else [])]
        markers = "".join(f"[{page.passages[each.passage].marker}]" for each in rests)
        said = [run.quotes.sentence(page.passages[each.passage], each) for each in rests]
        if not lead.beside:
            said += _beside(asked, page, run)
        text = " ".join(filter(None, [f"{plain(lead.text)} {markers}.", *before, *said]))
        return Outcome(text, stated=True)
    before = [_read(hop, run) for hop in hops]
    about = f"{asked} {query}" if whole and query.lower() not in asked.lower() else asked
    quoted = _quotes(about, asked, page, run)
    if quoted is None or (hops and not _adds(quoted, query)):
        return Outcome(" ".join(filter(None, before)), asked)
    return Outcome(" ".join(filter(None, [*before, quoted])))


def _beside(asked: str, page: Page, run: Run) -> list[str]:
    """The sentences that speak best about a question which one value may not answer fully."""
    if answer_type(asked) == "yes_no":
        return []
    ranked = page.speaking(asked)
    chosen = near_best(ranked)[:_BESIDE] if answer_type(asked) in _WIDE else ranked[:1]
    return [run.quotes.all(chosen, page.passages)]


def unknown(question: str, page: Page) -> bool:
    """Whether the evidence does not know whom the question is about: a name of several words stands nowhere in it."""
    return any(" " in name for name in unmentioned(question, page))


def _grounded(hop: Evidence, run: Run) -> bool:
    """Whether the sentence a hop was read from stands in a passage that speaks of the one the hop asks about."""
    found = run.read_from(hop)
    if found is None:
        return False
    passages, value = found
    source = passages[value.sentence.passage].source
    asked = [name for name in named(str(hop.args.get("question", ""))) if " " in name]
    return all(mentions(f"{source.title} {source.text}", name) for name in asked)


def _adds(text: str, query: str) -> bool:
    """Whether the last hop says more than the entity's name: a word of what is asked about it."""
    known = {sentences.stem(name) for name in sentences.names(query)}
    faint = {sentences.stem(word) for word in sentences.FAINT_WORDS}
    asked = set(sentences.content_stems(query)) - known - faint
    return bool(asked & set(sentences.content_stems(text)))


def _computed(one: Evidence, run: Run) -> Outcome:
    """A value computed from extracted ones: the sum as written in the documents, then each operand's sentence."""
    operands = [read for read in run.lineage.inputs(one) if read.tool == "extract"]
    read_from = {operand.step: run.read_from(operand) for operand in operands}
    places = {(found.value.text, found.value.sentence.sentence.text) for found in read_from.values() if found}
    if len(operands) > 1 and len(places) == 1:
        # One figure standing for two questions: at least one of them was not answered.
        asked = " and ".join(str(operand.args.get("question", operand.step)) for operand in operands)
        return Outcome("", f"two different figures for: {asked}")
    as_written = {
        step: found.value.text if found else shown(run.lineage.evidence[step].value)
        for step, found in read_from.items()
    }
    expression = re.sub(
        r"#(E\d+)", lambda match: as_written.get(StepId(match[1]), match[0]), run.lineage.expression(one)
    )
    quotes = [said for operand in operands if (said := _read(operand, run))]
    return Outcome(" ".join([f"{plain(expression)} = {shown(one.value)} [{one.step}].", *quotes]))


def _read(one: Evidence, run: Run) -> str:
    """The sentence an extracted value was read from, with its citation."""
    found = run.read_from(one)
    if found is None:
        return ""
    passages, value = found
    return run.quotes.sentence(passages[value.sentence.passage], value.sentence)


class _ReadFrom(NamedTuple):
    """A value as extracted, and the passages it was looked for in."""

    passages: list[Passage]
    value: Extracted


def _source_of(one: Evidence, run: Run) -> _ReadFrom | None:
    passages = passages_of(run.lineage.behind(one))
    texts, titles = [p.source.text for p in passages], [p.source.title for p in passages]
    question = str(one.args.get("question", run.question))
    found = find_value(question, texts, titles)
    if found is not None and found.value == one.value:
        return _ReadFrom(passages, found)
    said = one.text
    holding = (
        s
        for s in sentences.score_sentences(question, texts, titles)
        if said and _mentions(s.sentence.text, one.value)
    )
    best = next(holding, None)
    return _ReadFrom(passages, Extracted(one.value, said, best)) if best is not None else None


def _mentions(text: str, value: Any) -> bool:
    if isinstance(value, int | float):
        return any(found.value == value for found in (*values.numbers(text), *values.dates(text)))
    return str(value).lower() in text.lower()


def _quotes(about: str, asked: str, page: Page, run: Run) -> str | None:
    """The sentences that speak best about a question, as the documents run; None when none does."""
    wide = answer_type(asked) in _WIDE
    ranked = page.speaking(about, least=0.0 if wide else LEAST_COVERAGE_NAMED)
    if not ranked:
        return None
    chosen = near_best(ranked) if wide else ranked[:1]
    return run.quotes.all(chosen, page.passages)
