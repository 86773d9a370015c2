"""The evidence as pieces to print: every value and every passage once, with what its step was asked for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent_graph import guardrails, references
from agent_graph.evidence import Evidence, Source
from agent_graph.plan import Plan
from agent_graph.references import StepId
from agent_graph.solver.fit import Piece
from agent_graph.solver.images import Gallery
from agent_graph.solver.repeats import Repeats

_TITLE_CHARACTERS = 100
_ASKED_CHARACTERS = 300
_VALUE_CHARACTERS = 100
_REFERENCE = re.compile(r"#E\d+\S*")
_WORD = re.compile(r"\w+")


def pieces_of(plan: Plan, evidence: Mapping[StepId, Evidence], gallery: Gallery) -> list[Piece]:
    """Return the pieces in the order of the steps, a step's value before its sources; images only by name."""
    repeats = Repeats()
    asked = {step_id: _asked(step_id, plan, evidence) for step_id in evidence}
    # Passages first: a value that repeats them names them, since only they lead to a document.
    sources = [piece for one in evidence.values() for piece in _sources(one, repeats, asked[one.step])]
    again: dict[str, str] = {}
    for piece in sources:
        again[piece.same_as] = f"{again.get(piece.same_as, '')} {piece.asked}"
    pieces = [piece._replace(asked=f"{piece.asked}{again.get(piece.id, '')}") for piece in sources]
    values = [_value(one, repeats, gallery, asked[one.step]) for one in evidence.values() if _has_own(one)]
    places = {step_id: n for n, step_id in enumerate(evidence)}
    return sorted([*values, *pieces], key=lambda piece: (places[piece.step], piece.order))


def _sources(one: Evidence, repeats: Repeats, asked: str) -> Iterator[Piece]:
    if not one.ok:
        return
    for order, source in enumerate(one.sources, 1):
        label = f"{one.step}.{order}"
        first = repeats.passage(label, source.text, source.document) if source.text else ""
        if first:
            note = f"(the same passage as {first})"
            yield Piece(one.step, order, f"[{label}]", note, note, asked, same_as=first)
        else:
            trimmed = repeats.trimmed(source.text, label, source.document)
            yield Piece(one.step, order, f"[{label}] {_where(source)}", source.text, trimmed, asked)


def _where(source: Source) -> str:
    where = ", ".join(filter(None, (source.title or source.document, source.location)))
    return guardrails.neutralise(f"{' '.join(where[:_TITLE_CHARACTERS].split())}:").text


def _value(one: Evidence, repeats: Repeats, gallery: Gallery, asked: str) -> Piece:
    plain = gallery.without_images(one.value)
    if one.value is None:
        plain = f"{one.beginning} [... the rest is not at hand]" if one.beginning else "(nothing)"
    new = repeats.value(one.step, plain)
    text = references.as_text(new).strip() or "(nothing)"
    return Piece(one.step, 0, f"[{one.step}]", new if text != "(nothing)" else text, text, asked)


def _has_own(one: Evidence) -> bool:
    """Whether the value says more than the passages it came with, whose text tools put into it."""
    if not (one.ok and any(source.text for source in one.sources)):
        return one.ok
    value = one.beginning if one.value is None else one.value
    if not value and not isinstance(value, int | float):
        return False
    there = {word for source in one.sources for word in _WORD.findall(" ".join(_fields(source)))}
    size = sum(len(_WORD.findall(source.text)) for source in one.sources)
    words = [word for text in _strings(value) for word in _WORD.findall(text)]
    strange = sum(word not in there for word in words)
    return 2 * len(words) < size or strange > 0.15 * len(words) + 5


def _fields(source: Source) -> Iterator[str]:
    yield from (source.text, source.title, source.document, source.location)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


def _asked(step_id: StepId, plan: Plan, evidence: Mapping[StepId, Evidence]) -> str:
    """Return in words what a step was to find, and what later steps took from it."""
    step = plan.by_id.get(step_id)
    one = evidence[step_id]
    words = [one.tool.replace("_", " ")] if step is None else [step.reason]
    for name, value in {**(step.args if step else {}), **one.args}.items():
        filled = references.as_text(value)
        if len(filled) > _ASKED_CHARACTERS:
            filled = references.as_text(step.args.get(name, "")) if step else filled
        words.append(_REFERENCE.sub(" ", filled)[:_ASKED_CHARACTERS])
    readers = (other.id for other in plan.steps if step_id in other.needs)
    taken = (evidence[reader].text for reader in readers if reader in evidence)
    return " ".join([*words, *(text for text in taken if len(text) <= _VALUE_CHARACTERS)])
