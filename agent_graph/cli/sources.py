"""The answer as people read it: the text, what each citation rests on, and what rests on nothing."""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from agent_graph.cli.console import FAILED, QUIET, ROLE_STYLE, counted, line, seconds, text
from agent_graph.cli.steps import beside, margin
from agent_graph.evidence import Answer, Citation, Evidence
from agent_graph.models import EXTRACTIVE_MODE
from agent_graph.references import StepId, as_text
from agent_graph.usage import Usage

_QUOTE = 300
NO_MODEL = f"{EXTRACTIVE_MODE}: no language model is configured; answers are quoted sentences"
NO_REPLY = f"{EXTRACTIVE_MODE}: no configured model could be used; this answer is quoted sentences"


def draw_answer(answer: Answer, evidence: Mapping[StepId, Evidence]) -> RenderableType:
    """Return the checked answer with its sources, and plainly what it could not support."""
    parts: list[RenderableType] = [beside("solver", _marked(answer))]
    sources = list(_sources(answer, evidence))
    if sources:
        parts += [Text(""), margin(Text("sources", style="bold"), Group(*sources))]
    parts += [margin(Text(""), doubt) for doubt in _doubts(answer)]
    return Group(*parts)


def draw_claims(answer: Answer, evidence: Mapping[StepId, Evidence]) -> RenderableType:
    """Return the answer claim by claim, each above what supports it."""
    parts: list[RenderableType] = [beside("solver", _marked(answer))]
    for claim in dict.fromkeys(citation.claim for citation in answer.citations):
        cited = [citation for citation in answer.citations if citation.claim == claim]
        support = [_source(citation, evidence.get(citation.step)) for citation in cited]
        told = Group(text(line(claim), "bold"), *support)
        parts += [Text(""), margin(Text("claim", style=QUIET), told)]
    parts += [margin(Text(""), doubt) for doubt in _doubts(answer)]
    return Group(*parts)


def mode_line(mode: str) -> str:
    """Return what plans and answers, in words."""
    return NO_MODEL if mode == EXTRACTIVE_MODE else line(mode)


def cost_line(usage: Usage, *, mode: str, author: str = "") -> str:
    """Return what the run cost, on one line."""
    total = usage.total
    parts = [counted(total.calls, "model call") if total.calls else "no model call"]
    if total.input_tokens or total.output_tokens:
        cached = f" ({total.cached_tokens:,} cached)" if total.cached_tokens else ""
        parts.append(f"{total.input_tokens:,} tokens in{cached}, {total.output_tokens:,} out")
    parts += [counted(usage.tools.calls, "tool call"), seconds(usage.seconds)]
    if total.usd is not None:
        parts.append(f"${total.usd:.4f}")
    if author == EXTRACTIVE_MODE and mode != EXTRACTIVE_MODE:
        return f"{' · '.join(parts)} · {line(mode)}\n{NO_REPLY}"
    return f"{' · '.join(parts)} · {line(mode)}"


def _marked(answer: Answer) -> Text:
    body = text(answer.text)
    body.highlight_regex(r"\[E\d+(?:\.\d+)?\]", ROLE_STYLE["solver"])
    return body


def _sources(answer: Answer, evidence: Mapping[StepId, Evidence]) -> Iterator[RenderableType]:
    seen: set[tuple[str, str]] = set()
    for citation in answer.citations:
        key = (citation.marker, citation.quote)
        if key not in seen:
            seen.add(key)
            yield _source(citation, evidence.get(citation.step))


def _source(citation: Citation, evidence: Evidence | None) -> RenderableType:
    head = Text.assemble((f"[{line(citation.marker)}] ", ROLE_STYLE["solver"]))
    if citation.source is None:
        return head + text(_computed(citation, evidence))
    source = citation.source
    where = ", ".join(filter(None, [line(source.title or source.document), line(source.location)]))
    quote = line(citation.quote, most=_QUOTE)
    return head + text(where) + (Text(f"\n“{quote}”", style="italic") if quote else Text(""))


def _computed(citation: Citation, evidence: Evidence | None) -> str:
    value = line(citation.quote, most=_QUOTE)
    if evidence is None:
        return value
    given = ", ".join(line(as_text(given), most=120) for given in evidence.args.values())
    return f"{line(evidence.tool)}({given}) = {value}"


def _doubts(answer: Answer) -> Iterator[RenderableType]:
    if answer.insufficient:
        yield text(f"missing: {line(answer.insufficient)}", QUIET)
    for sentence in answer.unsupported:
        yield text(f"not supported by any evidence: {line(sentence)}", FAILED)
    if answer.unverified_numbers:
        numbers = ", ".join(map(line, answer.unverified_numbers))
        yield text(f"numbers that stand in no evidence and that no step calculated: {numbers}", FAILED)
    if answer.forged:
        forged = ", ".join(dict.fromkeys(map(line, answer.forged)))
        yield text(f"citations that lead nowhere were removed: {forged}", FAILED)
