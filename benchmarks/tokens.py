"""Tokens and money per question, planned once and in a loop, on the same recorded calls, results and answers.

    python benchmarks/tokens.py DATA [--out benchmarks/results]

DATA holds the recorded runs named in `token_account/recorded.py`; AGENT_GRAPH_BENCH_DATA names it as well. No
model is called. What each side's model reads is made by that side's own code: our prompt builders, LangChain's
`create_agent` run on the recorded calls, NeMo's graph run in its own environment (left out without
`.venv-bench`), LangChain's structured chat agent, which WorkBench was recorded with. Two runs give the same
numbers, but for a token or two: the word in our fence is random. Ends with 1 when the agent itself, run on
some of the recorded runs, sends other prompts than those that are counted.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from folders import folders
from token_account import ours, react, recorded
from token_account.account import OUTPUT_PRICE, Accountant, Bill, Exchange
from token_account.agent import sends_the_same
from token_account.peer import PYTHON, Nemo
from token_account.plot import draw
from token_account.recorded import Run
from token_account.replay import Replay

from agent_graph.context import Context
from tools.signature import first_sentence

DISCOUNTS = (0.0, 0.5, 0.9)
OURS, REPLANNED = "agent-graph", "agent-graph, one replan"
AGENT = "create_agent"
BRIEF, ZERO_SHOT = "create_agent, brief tools", "create_agent, zero-shot"
NEMO = "NeMo ReWOO"
LOOP = "the recorded loop"
LOOPS = (AGENT, BRIEF, ZERO_SHOT)
EXEMPLARS, RECORDED_EXEMPLARS = 6, 4
COMPARED = 20
"""Runs of each group that the whole agent is run on."""
BANDS = ("0", "1", "2", "3", "4+")

Bills = list[Bill | None]
Make = Callable[[Run], list[Exchange] | None]


class Group(NamedTuple):
    """One set of runs and what every side was billed for each of them."""

    name: str
    runs: Sequence[Run]
    bills: dict[str, Bills]
    fixed: dict[str, int]
    """Tokens that do not depend on the question: ours in both calls, a loop's in each."""
    cut: int
    not_accepted: int
    """Runs whose calls our check does not take as a plan."""
    sent: tuple[int, int]
    """Runs that the agent itself was run on, and those in which it sent the prompts that are counted."""
    refused: list[str]
    nemo: str
    """NeMo's version, empty when it was not measured."""


def main() -> int:
    needed = (recorded.WORKBENCH, recorded.OFFICE_TOOLS, recorded.HOTPOTQA, recorded.MINT)
    asked = folders(__doc__, needed)
    office = recorded.office_tools(asked.data)
    groups = [
        _workbench("WorkBench, 27 tools", recorded.workbench(asked.data, "all"), office),
        _workbench("WorkBench, the other runs", recorded.workbench(asked.data, "domains"), office),
        _hotpotqa(recorded.hotpotqa(asked.data)),
        _group(
            "MINT, 1 tool", recorded.mint(asked.data), [recorded.PYTHON], {AGENT: _agent(recorded.PYTHON)}
        ),
    ]
    extract = asyncio.run(_extract(groups[2].runs))
    targets = _targets(groups)
    asked.out.mkdir(parents=True, exist_ok=True)
    figures = {
        "groups": {group.name: _figures(group) for group in groups},
        "extract": extract,
        "targets": targets,
        "output_price": OUTPUT_PRICE,
    }
    (asked.out / "tokens.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    table = _document(groups, extract, targets)
    (asked.out / "tokens.md").write_text(table, encoding="utf-8")
    _plot(groups, asked.out / "tokens.png")
    print(table)
    return 0 if all(checked == same for checked, same in (group.sent for group in groups)) else 1


def _workbench(name: str, runs: Sequence[Run], tools: Sequence[dict[str, Any]]) -> Group:
    brief = [{**tool, "description": first_sentence(tool["description"])} for tool in tools]
    replay = Replay(tools)
    sides: dict[str, Make] = {
        AGENT: _agent(*tools),
        BRIEF: _agent(*brief),
        LOOP: lambda run: react.structured_chat(replay, run),
    }
    return _group(name, runs, tools, sides)


def _hotpotqa(runs: Sequence[Run]) -> Group:
    """Keep the first runs apart: they are the solved examples in the loops' prompts."""
    shown, measured = runs[:EXEMPLARS], runs[EXEMPLARS:]
    six, four = react.exemplars(shown), react.exemplars(shown[:RECORDED_EXEMPLARS])
    sides: dict[str, Make] = {
        AGENT: _agent(recorded.SEARCH, system=six, thoughts=True),
        ZERO_SHOT: _agent(recorded.SEARCH),
        LOOP: lambda run: react.react_text(four, run),
    }
    return _group("HotpotQA, 1 tool", measured, [recorded.SEARCH], sides)


def _agent(*tools: dict[str, Any], **options: Any) -> Make:
    replay = Replay(tools)
    return lambda run: react.agent_calls(replay, run, **options)


def _group(name: str, runs: Sequence[Run], tools: Sequence[dict[str, Any]], sides: dict[str, Make]) -> Group:
    own = ours.Ours(tools)
    bills = {OURS: _bills(runs, own.one_plan)}
    accepted = [run for run in runs if own.accepts(run)]
    sample = [run for run in accepted if run.calls][:COMPARED]
    same = sum(asyncio.run(sends_the_same(tools, run)) for run in sample)
    ours_told = (own.cut, len(runs) - len(accepted), (len(sample), same))
    bills[REPLANNED] = _bills(runs, lambda run: own.one_replan(run) if len(run.calls) > 1 else None)
    bills |= {side: _bills(runs, make) for side, make in sides.items()}
    count = Accountant().tokens
    fixed = {OURS: sum(len(count(*one.prompt[:-1])) for one in own.one_plan(runs[0]))}
    for side in [one for one in LOOPS if one in sides]:
        asked = sides[side](runs[0])
        fixed[side] = len(count(*asked[0].prompt[:-1])) if asked else 0
    if not PYTHON.exists():
        return Group(name, runs, bills, fixed, *ours_told, [], "")
    nemo = Nemo(tools)
    bills[NEMO] = _bills(runs, lambda run: nemo.calls(run, own.plan(run.calls)))
    nemo.close()
    return Group(name, runs, bills, fixed, *ours_told, nemo.refused, nemo.version)


def _bills(runs: Iterable[Run], make: Make) -> Bills:
    accountant = Accountant()
    made = map(make, runs)
    return [accountant.bill(one) if one is not None else None for one in made]


async def _extract(runs: Sequence[Run]) -> dict[str, float]:
    """Return the median cost of one `extract` step: its own model call, and what it adds to plan and evidence."""
    accountant = Accountant()
    called = [run for run in runs if run.calls]
    bills = [accountant.bill([await ours.extract_step(run)]) for run in called]
    lines = [[len(accountant.tokens(text)) for text in ours.extract_line(run)] for run in called]
    # The planner writes the line, the solver reads it again, and reads the value.
    around = [2 * plan + value for plan, value in lines]
    return {
        "own_call_tokens": median(bill.tokens for bill in bills),
        "plan_and_evidence_tokens": median(around),
        "tokens": median(bill.tokens + more for bill, more in zip(bills, around, strict=True)),
        "money": median(
            bill.money(0) + (OUTPUT_PRICE + 1) * plan + value
            for bill, (plan, value) in zip(bills, lines, strict=True)
        ),
    }


def _figures(group: Group) -> dict[str, Any]:
    return {
        "runs": len(group.runs),
        "evidence_cut": group.cut,
        "not_accepted_by_check": group.not_accepted,
        "agent_run_on": group.sent[0],
        "agent_sent_the_same": group.sent[1],
        "nemo_version": group.nemo,
        "nemo_not_ended": Counter(group.refused),
        "provider_tokens": median(run.provider_tokens for run in group.runs),
        "sides": {side: _side(group, side) for side in group.bills},
        "fixed": group.fixed,
        "bands": {
            side: {band: _band(group, side, band) for band in BANDS if _in_band(group, band)}
            for side in group.fixed
            if side != OURS
        },
    }


def _side(group: Group, side: str) -> dict[str, Any]:
    there = [bill for bill in group.bills[side] if bill is not None]
    same = [(own, bill) for own, bill in _pairs(group, side)]
    return {
        "runs": len(there),
        "read": median(bill.read for bill in there),
        "written": median(bill.written for bill in there),
        "tokens": median(bill.tokens for bill in there),
        "model_calls": median(bill.calls for bill in there),
        "tokens_over_ours": _ratio(same, lambda bill: bill.tokens),
        "money_over_ours": {
            f"{discount:.0%}{' warm' if warm else ''}": _ratio(same, _money(discount, warm))
            for warm in (False, True)
            for discount in DISCOUNTS
        },
    }


def _band(group: Group, side: str, band: str) -> dict[str, Any]:
    pairs = [(group.bills[OURS][n], group.bills[side][n]) for n in _in_band(group, band)]
    kept = [(own, other) for own, other in pairs if own is not None and other is not None]
    return {
        "runs": len(kept),
        "ours": median(own.tokens for own, _ in kept),
        "theirs": median(other.tokens for _, other in kept),
        "ours_is_more": sum(own.tokens > other.tokens for own, other in kept),
        "ours_is_dearer": {
            f"{discount:.0%}": sum(own.money(discount) > other.money(discount) for own, other in kept)
            for discount in DISCOUNTS
        },
        "ours_is_dearer_warm": {
            f"{discount:.0%}": sum(
                own.money(discount, warm=True) > other.money(discount, warm=True) for own, other in kept
            )
            for discount in DISCOUNTS
        },
        "money_over_ours_warm": {
            f"{discount:.0%}": _ratio(kept, _money(discount, warm=True)) for discount in DISCOUNTS
        },
    }


def _in_band(group: Group, band: str) -> list[int]:
    return [n for n, run in enumerate(group.runs) if BANDS[min(len(run.calls), 4)] == band]


def _pairs(group: Group, side: str, least: int = 0) -> list[tuple[Bill, Bill]]:
    """Return our bill and the other's for the runs that both ended, of so many calls or more."""
    both = zip(group.runs, group.bills[OURS], group.bills[side], strict=True)
    return [
        (own, other)
        for run, own, other in both
        if own is not None and other is not None and len(run.calls) >= least
    ]


def _money(discount: float, warm: bool) -> Callable[[Bill], float]:
    return lambda bill: bill.money(discount, warm=warm)


def _ratio(pairs: Sequence[tuple[Bill, Bill]], price: Callable[[Bill], float]) -> float:
    """Return their median over our median."""
    return median(price(other) for _, other in pairs) / median(price(own) for own, _ in pairs)


def _targets(groups: Sequence[Group]) -> list[dict[str, Any]]:
    office, _, hotpotqa, _ = groups
    found = [
        ("WorkBench with 27 tools: tokens at least 6x fewer", _times(office, AGENT), 6.0),
        ("the same, create_agent given brief tools", _times(office, BRIEF), 6.0),
        ("HotpotQA with six exemplars: tokens at least 4x fewer", _times(hotpotqa, AGENT), 4.0),
        ("WorkBench at 90 %: money at least 2x less", _times(office, AGENT, 0.9), 2.0),
        ("the same, warm cache", _times(office, AGENT, 0.9, warm=True), 2.0),
        ("the same, warm, brief tools", _times(office, BRIEF, 0.9, warm=True), 2.0),
    ]
    told = [{"target": what, "found": f"{value:.2f}x", "met": value >= least} for what, value, least in found]
    sides = [(group, side) for group in groups for side in LOOPS if side in group.fixed]
    for group, side in sides:
        pairs = _pairs(group, side, least=2)
        more = sum(own.tokens > other.tokens for own, other in pairs)
        what = f"never more tokens for two or more calls: {group.name}, {side}"
        told.append({"target": what, "found": f"more in {more} of {len(pairs)}", "met": not more})
    return told


def _times(group: Group, side: str, discount: float | None = None, *, warm: bool = False) -> float:
    pairs = _pairs(group, side)
    return _ratio(pairs, _money(discount, warm) if discount is not None else lambda bill: bill.tokens)


def _plot(groups: Sequence[Group], path: Path) -> None:
    office, _, hotpotqa, mint = groups
    shown = (
        (office, AGENT, office.name),
        (hotpotqa, AGENT, f"HotpotQA, 1 tool, {EXEMPLARS} exemplars"),
        (hotpotqa, ZERO_SHOT, "HotpotQA, 1 tool, zero-shot"),
        (mint, AGENT, f"{mint.name}, zero-shot"),
    )
    panels = {}
    for group, side, title in shown:
        bands = {band: _band(group, side, band) for band in BANDS if len(_in_band(group, band)) >= 10}
        panels[title] = {
            discount: {
                band: found["money_over_ours_warm"][f"{discount:.0%}"] for band, found in bands.items()
            }
            for discount in DISCOUNTS
        }
    draw(panels, path)


def _document(groups: Sequence[Group], extract: dict[str, float], targets: Sequence[dict[str, Any]]) -> str:
    sides = "\n".join(_side_row(group, side) for group in groups for side in group.bills if side != REPLANNED)
    bands = "\n".join(
        _band_row(group, side, band)
        for group in groups
        for side in LOOPS
        if side in group.fixed
        for band in BANDS
        if _in_band(group, band)
    )
    replans = "\n".join(_replan_row(group) for group in groups)
    met = "\n".join(
        f"| {one['target']} | {one['found']} | {'yes' if one['met'] else '**no**'} |" for one in targets
    )
    nemo = groups[0].nemo
    peer = f"NeMo is nvidia-nat {nemo}." if nemo else "NeMo was not measured: its environment is missing."
    unended = sum(len(group.refused) for group in groups)
    cut = sum(group.cut for group in groups)
    empty = sum(not run.calls for group in groups for run in group.runs)
    repeated = sum(group.not_accepted for group in groups)
    checked, same = (sum(group.sent[n] for group in groups) for n in (0, 1))
    provider = median(run.provider_tokens for run in groups[3].runs)
    office = groups[0]
    counted = "\n".join(f"- {one.name}: {len(one.runs)} runs" for one in groups)
    return f"""\
# Tokens and money per question: planned once, and in a loop

The same recorded calls, results and answers for everyone:

{counted}

No model is called; each side's own code makes its prompts. {peer} Made by `benchmarks/tokens.py`.

- Tokens: read and written, of all model calls of a run; the tokenizer in the wordllama wheel (32,000 words, of the
  Llama 2 family), each message cut apart. Figures are medians over runs, ratios are ratios of medians.
- Money: a written token costs {OUTPUT_PRICE:g} read ones. The beginning that a prompt shares with the run's previous prompt is
  billed at 1 minus the discount; "warm": the beginning shared with any prompt of the run before as well, so that the
  fixed part of every side is in the cache. A cache knows no least length, no expiry and no price for writing, which
  favours the loops; it does not hold what a model wrote itself.
- agent-graph: the real builders; the calls stand in the plan with literal arguments, a line of strategy, up to
  {ours.REASON_WORDS} words of reason a step, and the answer cites every step. The default budget for evidence cut {cut} runs. The
  agent itself, run with the same texts on {checked} of these runs, sent exactly these prompts in {same}. {repeated} runs are not
  plans that it would take, since they repeat a call word for word or have more than {Context().max_steps} steps; they are
  billed as they are.
- create_agent: LangChain's own loop, run; one call a turn, as recorded. No thoughts and no system prompt, except on
  HotpotQA: there an instruction like ReAct's, {EXEMPLARS} solved examples (the recording's first runs, in the place of
  ReAct's own) and the recorded thoughts; "zero-shot" is without all of these. "Brief tools" has the first sentence of each tool's
  description instead of the whole: it is all that our planner prompt shows, so that row compares like with like.
- NeMo: its graph, run, on the same plan as its JSON; literal arguments spare it its repeated evidence. Lists are
  handed to it as JSON text. It did not end {unended} runs, {empty} runs have no calls; what it did not end is left out.
- The recorded loop: WorkBench, LangChain's structured chat agent with what the model wrote; HotpotQA, one growing text
  with {RECORDED_EXEMPLARS} solved examples. MINT kept only the provider's count, {provider:,.0f} tokens a run in the median, of another
  tokenizer, with proposed solutions and the set's own long prompt.
- "The other runs" of WorkBench were recorded with fewer tools and are billed with all 27 here. Both WorkBench groups
  tell everyone the date with the question.

## Who reads and writes how much

| runs | side | model calls | read | written | tokens | over ours | money over ours at 0 % | 50 % | 90 % | 50 % warm | 90 % warm |
|---|---|---|---|---|---|---|---|---|---|---|---|
{sides}

## By number of calls: create_agent beside agent-graph

| runs | beside | calls | runs | our tokens | theirs | over ours | ours is more | ours is dearer at 0 / 50 / 90 % | warm |
|---|---|---|---|---|---|---|---|---|---|
{bands}

## One extract step, one replan

An `extract` step over a HotpotQA snippet costs {extract["tokens"]:,.0f} tokens in the median: {extract["own_call_tokens"]:,.0f} in its own call,
{extract["plan_and_evidence_tokens"]:,.0f} in plan and evidence; that is the money of {extract["money"]:,.0f} read tokens. Extractive mode's costs no model call.

A replan: the first plan holds half the calls, the solver finds them insufficient, a second plan holds the rest. Runs of
two or more calls.

| runs | | one plan | with a replan | create_agent | replan over one plan | create_agent over replan | in money at 90 % warm |
|---|---|---|---|---|---|---|---|
{replans}

## What was asked for

| | found | met |
|---|---|---|
{met}

"The same, ..." asks more than was asked for.

{_accounting(office, groups[2])}
"""


def _side_row(group: Group, side: str) -> str:
    one = _side(group, side)
    money = one["money_over_ours"]
    cells = " | ".join(f"{money[key]:.2f}x" for key in ("0%", "50%", "90%", "50% warm", "90% warm"))
    return (
        f"| {group.name} | {side} | {one['model_calls']:g} | {one['read']:,.0f} | {one['written']:,.0f} | "
        f"{one['tokens']:,.0f} | {one['tokens_over_ours']:.2f}x | {cells} |"
    )


def _band_row(group: Group, side: str, band: str) -> str:
    one = _band(group, side, band)
    cold, warm = (
        " / ".join(map(str, one[key].values())) for key in ("ours_is_dearer", "ours_is_dearer_warm")
    )
    return (
        f"| {group.name} | {side} | {band} | {one['runs']} | {one['ours']:,.0f} | {one['theirs']:,.0f} | "
        f"{one['theirs'] / one['ours']:.2f}x | {one['ours_is_more']} | {cold} | {warm} |"
    )


def _replan_row(group: Group) -> str:
    own, agent = _pairs(group, REPLANNED), _pairs(group, AGENT, least=2)
    plain, again = median(one.tokens for one, _ in own), median(other.tokens for _, other in own)
    loop = median(other.tokens for _, other in agent)
    price = _money(0.9, warm=True)
    money = median(price(other) for _, other in agent) / median(price(other) for _, other in own)
    return (
        f"| {group.name} | {len(own)} | {plain:,.0f} | {again:,.0f} | {loop:,.0f} | {again / plain:.2f}x | "
        f"{loop / again:.2f}x | {money:.2f}x |"
    )


def _accounting(office: Group, hotpotqa: Group) -> str:
    lines = "\n".join(
        f"- {group.name}: {'; '.join(f'{side} {tokens:,}' for side, tokens in group.fixed.items())}."
        for group in (office, hotpotqa)
    )
    return f"""\
Why: the tokens that do not depend on the question, ours in planner and solver together, a loop's in each call, are

{lines}

A loop of n tool calls pays its part n + 1 times and every result up to n times; a plan pays both its parts once and
every result once, whatever n is. Where the loop's part is a small share of ours, few turns do not make up for it."""


if __name__ == "__main__":
    raise SystemExit(main())
