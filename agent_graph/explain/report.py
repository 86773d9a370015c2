"""A whole run as one HTML page that works anywhere: no script, no network, every word escaped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from agent_graph.evidence import Answer, Evidence, Source
from agent_graph.explain.cited import Link, Piece, Place, anchor, pieces
from agent_graph.explain.drawing import longest_chain, plan_svg, style
from agent_graph.explain.markup import Child, Markup, join, tag
from agent_graph.explain.timeline import timeline
from agent_graph.explain.words import SIGNS, brief_args, counted, cut, one_line, short_seconds
from agent_graph.plan import Plan
from agent_graph.references import StepId
from agent_graph.state import AgentState, Finding, Replan, Run, decode
from agent_graph.usage import RoleUsage, Usage

EXTRACTIVE = "extractive mode"

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LONG_VALUE = 600
_MOST_CHARS = 20_000


def report(state: Mapping[str, Any], *, title: str | None = None) -> str:
    """Return a run, as `invoke` returned it or a thread's state holds it, as one self-contained HTML page.

    The page shows the answer with its citations linked to the passages, the plan drawn, when each step ran,
    all evidence with its sources, and what it cost. `title` is the question unless given. A run that has
    not ended is shown as far as it came. Raises pydantic.ValidationError when `state` is not a run.
    """
    run = decode(cast("AgentState", dict(state)))
    answer = Answer.model_validate(state["answer"]) if state.get("answer") else None
    cut_up = list(pieces(answer, run.evidence)) if answer else []
    heading = title or run.task or "A run of agent-graph"
    body = tag(
        "body",
        _head(heading, run, answer),
        _answer(answer, cut_up),
        _plan(run),
        _timeline(run),
        _evidence(run, [piece.link for piece in cut_up if piece.link]),
        _usage(run.usage),
        tag("footer", "Written by agent-graph. This page holds no script and loads nothing."),
        class_="ag",
    )
    return f'<!doctype html>\n<html lang="en">{_meta(heading)}{body}</html>\n'


def _meta(heading: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", cut(one_line(heading), 100)),
        tag("style", style("colours.css", "report.css")),
    )


def _head(heading: str, run: Run, answer: Answer | None) -> Markup:
    planner = run.plan.author or "unknown"
    solver = "nobody yet" if answer is None else answer.author or "unknown"
    extractive = EXTRACTIVE in (planner, solver)
    return tag(
        "header",
        tag("p", "agent-graph · report of a run", class_="kicker"),
        tag("h1", cut(heading, 400)),
        tag("ul", *_facts(run, answer), class_="facts"),
        tag("p", _mode(planner, solver), class_="note mode" if extractive else "quiet"),
    )


def _mode(planner: str, solver: str) -> str:
    rules = "by rules in extractive mode, without a model"
    planned = f"Planned {rules if planner == EXTRACTIVE else f'by {planner}'}"
    quoted = "answered by quoting the evidence, without a model"
    return f"{planned}; {quoted if solver == EXTRACTIVE else f'answered by {solver}'}."


def _facts(run: Run, answer: Answer | None) -> Iterator[Markup]:
    total = run.usage.total
    ended = [run.evidence[step.id].status for step in run.plan.steps if step.id in run.evidence]
    lost = len(ended) - ended.count("ok")
    known = [
        (
            "",
            "not finished"
            if answer is None
            else "insufficient evidence"
            if answer.insufficient
            else "answered",
        ),
        ("", counted(len(run.plan.steps), "step") + (f", {lost} without a value" if lost else "")),
        ("in ", short_seconds(run.usage.seconds) if run.usage.seconds else ""),
        ("", counted(total.calls, "model call")),
        ("", counted(total.input_tokens + total.output_tokens, "token") if total.calls else ""),
        ("", _money(total.usd) if total.usd is not None else ""),
        ("", counted(len(run.replans), "replan") if run.replans else ""),
    ]
    for before, fact in known:
        if fact:
            yield tag("li", before, tag("b", fact))


def _answer(answer: Answer | None, cut_up: Sequence[Piece]) -> Markup:
    if answer is None:
        return _section("solver", "Answer", tag("p", "There is no answer yet.", class_="quiet"))
    shown = tag("div", *(_piece(piece, answer.unsupported) for piece in cut_up), class_="answer")
    return _section("solver", "Answer", shown, *_reservations(answer), id="answer")


def _piece(piece: Piece, unsupported: Sequence[str]) -> Markup:
    if piece.link is None:
        return _highlighted(piece.text, unsupported, "span", class_="unsupported", title="No evidence cited")
    link = piece.link
    return tag(
        "a", link.marker, href=f"#{link.there}", id=link.here, class_="cite", title=cut(link.quote, 200)
    )


def _reservations(answer: Answer) -> Iterator[Markup]:
    if answer.insufficient:
        yield tag(
            "div",
            tag("b", "The evidence did not suffice. "),
            f"Missing: {answer.insufficient}",
            class_="note bad",
        )
    if answer.unsupported:
        listed = tag("ul", *(tag("li", sentence) for sentence in answer.unsupported))
        yield tag("div", tag("b", "Sentences that cite no evidence"), listed, class_="note bad")
    if answer.unverified_numbers:
        numbers = ", ".join(answer.unverified_numbers)
        words = f"Numbers that stand in no evidence and that no step calculated: {numbers}."
        yield tag("p", words, class_="note bad")
    if answer.forged:
        words = f"Citations the model invented, removed from the text: {', '.join(answer.forged)}."
        yield tag("p", words, class_="note bad")


def _plan(run: Run) -> Markup:
    return _section(
        "planner",
        "Plan",
        *_strategy(run.plan),
        _drawing(run.plan, run.evidence),
        tag("details", tag("summary", "The plan as text"), tag("pre", str(run.plan))),
        *(_given_up(number, replan, run.evidence) for number, replan in enumerate(run.replans, start=1)),
    )


def _strategy(plan: Plan) -> Iterator[Markup]:
    if plan.strategy:
        yield tag("p", plan.strategy)
    if not plan.steps:
        yield tag("p", "No tool was needed: the solver answers by itself.", class_="quiet")
    if plan.tainted:
        yield tag("p", "Written after evidence was seen: its side effects needed approval.", class_="quiet")


def _given_up(number: int, replan: Replan, evidence: Mapping[StepId, Evidence]) -> Markup:
    return tag(
        "details",
        tag("summary", f"Plan {number}, given up: {cut(one_line(replan.reason), 300)}"),
        _drawing(replan.plan, evidence),
        tag("pre", str(replan.plan)),
    )


def _drawing(plan: Plan, evidence: Mapping[StepId, Evidence]) -> Markup:
    return tag("div", Markup(plan_svg(plan, evidence)), class_="drawing", tabindex=0)


def _timeline(run: Run) -> Markup | None:
    if not run.evidence:
        return None
    path = longest_chain(run.plan, run.evidence)
    longest = sum(run.evidence[step_id].seconds for step_id in path)
    busy = sum(one.seconds for one in run.evidence.values())
    words = f"Tools worked {short_seconds(busy)} in all."
    if len(path) > 1:
        words += f" Longest chain: {' → '.join(path)}, {short_seconds(longest)}; no schedule of this plan can beat it."
    return _section("worker", "When each step ran", timeline(run, path), tag("p", words, class_="quiet"))


def _evidence(run: Run, links: Iterable[Link]) -> Markup | None:
    cited: dict[Place, list[Link]] = {}
    for link in links:
        cited.setdefault(link.place, []).append(link)
    reasons = {
        step.id: step.reason for plan in (*(old.plan for old in run.replans), run.plan) for step in plan.steps
    }
    order = [*(step.id for step in run.plan.steps if step.id in run.evidence)]
    order += [step_id for step_id in run.evidence if step_id not in run.plan.by_id]
    found = [_found(run.evidence[step_id], reasons.get(step_id, ""), cited) for step_id in order]
    notes = [tag("p", _finding(finding), class_="note") for finding in run.findings]
    return _section("worker", "Evidence", *notes, *found) if found else None


def _finding(finding: Finding) -> str:
    where = f"{finding.where}: {finding.guard}, {counted(finding.count, 'place')}"
    return f"Guard · {where} {finding.action}".strip() + "."


def _found(one: Evidence, reason: str, cited: Mapping[Place, Sequence[Link]]) -> Markup:
    attempts = f", {counted(one.attempts, 'attempt')}" if one.attempts > 1 else ""
    took = f" · {short_seconds(one.seconds)}{attempts}" if one.status != "skipped" else ""
    return tag(
        "article",
        tag(
            "header",
            tag("h3", f"{one.step} · {one.tool}"),
            tag("span", f"{SIGNS[one.status]} {one.status}{took}", class_=f"status {one.status}"),
            *_back((one.step, 0), cited),
        ),
        tag("p", reason, class_="quiet") if reason else None,
        tag("p", tag("code", cut(brief_args(one.args), 300)), class_="quiet") if one.args else None,
        tag("p", one.error, class_="note bad") if one.error else None,
        *_value(one),
        *_sources(one, cited),
        id=anchor((one.step, 0)),
        class_=f"evidence {one.status}",
    )


def _value(one: Evidence) -> Iterator[Markup]:
    if not one.text:
        return
    shown = tag("pre", one.text[:_MOST_CHARS] + _left_out(one.text))
    folded = bool(one.sources) or len(one.text) > _LONG_VALUE
    label = f"The value as later steps read it ({counted(len(one.text), 'character')})"
    yield tag("details", tag("summary", label), shown) if folded else shown


def _left_out(value: str) -> str:
    more = len(value) - _MOST_CHARS
    return f"\n… {counted(more, 'more character')} left out of this report" if more > 0 else ""


def _sources(one: Evidence, cited: Mapping[Place, Sequence[Link]]) -> Iterator[Markup]:
    """Yield the cited passages openly and the others folded away."""
    places: list[Place] = [(one.step, number) for number in range(1, len(one.sources) + 1)]
    shown = {place: _source(one.sources[place[1] - 1], place, cited) for place in places}
    yield from (shown[place] for place in places if place in cited)
    rest = [shown[place] for place in places if place not in cited]
    if rest:
        yield tag("details", tag("summary", f"{counted(len(rest), 'passage')} not cited"), *rest)


def _source(source: Source, place: Place, cited: Mapping[Place, Sequence[Link]]) -> Markup:
    step, number = place
    quotes = [_close(link.quote) for link in cited.get(place, ())]
    passage = _close(source.text[:_MOST_CHARS]) + _left_out(source.text)
    where = " · ".join(one_line(part) for part in (source.title, source.location) if part)
    return tag(
        "section",
        tag(
            "header",
            tag("b", f"{step}.{number}"),
            f" {where} " if where else " ",
            _document(source.document),
            " ",
            *_back(place, cited),
        ),
        tag("blockquote", _highlighted(passage, quotes, "mark")),
        id=anchor(place),
        class_="source cited" if quotes else "source",
    )


def _close(passage: str) -> str:
    """Return the text without empty lines."""
    return "\n".join(line for line in passage.splitlines() if line.strip())


def _document(address: str) -> Markup:
    shown = tag("code", cut(one_line(address), 120))
    if not address.startswith(("https://", "http://")):
        return shown
    return tag("a", shown, href=address, rel="noopener noreferrer nofollow")


def _back(place: Place, cited: Mapping[Place, Sequence[Link]]) -> Iterator[Markup]:
    for number, link in enumerate(cited.get(place, ())):
        words = "↑ again" if number else "↑ cited"
        yield tag("a", words, href=f"#{link.here}", class_="quiet", title="Back to the answer")
        yield Markup(" ")


def _highlighted(whole: str, parts: Sequence[str], name: str, **attributes: str) -> Markup:
    """Return the text with each of the parts that occur in it wrapped in an element, the first time."""
    spans = sorted((whole.find(part), len(part)) for part in set(parts) if part and part in whole)
    children: list[Child] = []
    at = 0
    for start, length in spans:
        if start < at:
            continue
        children += [whole[at:start], tag(name, whole[start : start + length], **attributes)]
        at = start + length
    return join([*children, whole[at:]])


def _usage(usage: Usage) -> Markup | None:
    roles = [(role, usage.roles[role]) for role in ("planner", "worker", "solver") if role in usage.roles]
    if not roles and not usage.tools.calls:
        return None
    names = ("", "calls", "input tokens", "from cache", "output tokens", "seconds", "cost")
    rows = [_spent(f"{role}’s model", spent, role) for role, spent in roles]
    if len(roles) > 1:
        rows.append(_spent("all models", usage.total, "total"))
    if usage.tools.calls:
        rows.append(_spent("tools", usage.tools, "tools", tokens=False))
    table = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names))),
        tag("tbody", *rows),
        class_="usage",
    )
    return _section("", "Usage", tag("div", table, class_="scroll"))


def _spent(name: str, spent: RoleUsage, looks: str, *, tokens: bool = True) -> Markup:
    counts = [
        f"{n:,}" if tokens else "" for n in (spent.input_tokens, spent.cached_tokens, spent.output_tokens)
    ]
    cost = _money(spent.usd) if spent.usd is not None else "unknown" if tokens else ""
    cells = [f"{spent.calls:,}", *counts, f"{spent.seconds:.2f}", cost]
    return tag("tr", tag("th", name, scope="row"), *(tag("td", cell) for cell in cells), class_=looks)


def _money(usd: float) -> str:
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"


def _section(role: str, heading: str, *children: Child, id: str | None = None) -> Markup:  # noqa: A002  # HTML's name
    return tag("section", tag("h2", heading, class_=role or None), *children, id=id)
