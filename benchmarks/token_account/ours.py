"""agent-graph's prompts for a recorded run, made by the builders that the agent itself uses."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool
from planner_prompt import WRITES
from token_account.account import Exchange, prompt_of
from token_account.recorded import Call, Run
from token_account.replay import Replay

from agent_graph.context import Context
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan, Step
from agent_graph.planner import prompt as planner
from agent_graph.planner.check import check
from agent_graph.solver import prompt as solver
from agent_graph.state import Replan
from tools.catalog import Catalog, Effects
from tools.extract import make_extract
from tools.signature import first_sentence

REASON_WORDS, STRATEGY_WORDS = 8, 20
MISSING = "the evidence so far does not name what is asked for."


class Ours:
    """Planner and solver over one set of tools."""

    def __init__(self, described: Sequence[Mapping[str, Any]]) -> None:
        tools = Replay(described).tools
        self._catalog = Catalog(tools, effects_of(tools))
        self._purpose = {one.name: first_sentence(one.description) for one in tools}
        self._system = planner.system(self._catalog, Context().max_steps)
        self.cut = 0
        """Runs whose evidence did not fit the solver's default budget."""

    def one_plan(self, run: Run) -> list[Exchange]:
        """Return the two calls of a run: plan once, solve once."""
        plan, evidence = self.plan(run.calls), _evidence(run.calls)
        solving = self._solve(run, plan, evidence)
        unlimited = self._solve(run, plan, evidence, evidence_tokens=10**9)
        self.cut += len(solving[-1]) < len(unlimited[-1])
        return [
            self._write(plan, planner.question(run.question, surroundings=planner.Surroundings())),
            Exchange(solving, _cited(run)),
        ]

    def one_replan(self, run: Run) -> list[Exchange]:
        """Return the four calls of a run whose first plan holds only half the calls and does not suffice."""
        half = (len(run.calls) + 1) // 2
        first, later = self.plan(run.calls[:half]), self.plan(run.calls[half:], half)
        before, after = _evidence(run.calls[:half]), _evidence(run.calls)
        tried = Replan(reason=f"the evidence was insufficient: {MISSING}", plan=first)
        again = planner.question(
            run.question, surroundings=planner.Surroundings(), replans=[tried], evidence=list(before.values())
        )
        whole = later.model_copy(update={"steps": (*first.steps, *later.steps)})
        return [
            self._write(first, planner.question(run.question, surroundings=planner.Surroundings())),
            Exchange(self._solve(run, first, before), f"{solver.INSUFFICIENT} {MISSING}"),
            self._write(later, again),
            Exchange(self._solve(run, whole, after, final=True), _cited(run)),
        ]

    def accepts(self, run: Run) -> bool:
        """Whether the check lets the recorded calls through as one plan."""
        return not check(self.plan(run.calls), self._catalog)

    def plan(self, calls: Sequence[Call], before: int = 0) -> Plan:
        """Return the recorded calls as a plan: literal arguments, a short reason for each, a line of strategy."""
        steps = tuple(
            Step(
                id=f"E{number}",
                tool=call.tool,
                args=call.args,
                reason=_words(call.thought or self._purpose[call.tool], REASON_WORDS),
            )
            for number, call in enumerate(calls, before + 1)
        )
        said = calls[0].thought if calls else ""
        strategy = (
            said or ", then ".join(call.tool.replace("_", " ") for call in calls) or "no tool is needed"
        )
        return Plan(strategy=_words(strategy, STRATEGY_WORDS), steps=steps)

    def _write(self, plan: Plan, question: BaseMessage) -> Exchange:
        return Exchange(prompt_of([self._system, question]), str(plan))

    def _solve(
        self, run: Run, plan: Plan, evidence: Mapping[str, Evidence], **limits: int
    ) -> tuple[str, ...]:
        return prompt_of(solver.build(run.question, plan, evidence, **limits).messages)


def effects_of(tools: Sequence[BaseTool]) -> dict[str, Effects]:
    """Say which tools write."""
    return {
        one.name: "writes" if any(f"_{word}_" in one.name for word in WRITES) else "reads" for one in tools
    }


async def extract_step(run: Run) -> Exchange:
    """Return the model call of one `extract` step over what the run's first call returned."""
    asked: list[str] = []

    async def ask(prompt: str) -> str:
        asked.append(prompt)
        return run.final

    text = str(run.calls[0].observation)
    await make_extract(ask).ainvoke({"question": run.question, "text": text})
    return Exchange((f"human: {asked[0]}",), run.final)


def extract_line(run: Run) -> tuple[str, str]:
    """Return what an `extract` step adds to the plan, and what its value adds to the evidence."""
    step = Step(id="E9", tool="extract", args={"question": run.question, "text": "#E1"}, reason="a name")
    return f"\n{step}", f"\nE9: {run.final}"


def _evidence(calls: Sequence[Call]) -> dict[str, Evidence]:
    return {
        f"E{number}": Evidence(
            step=f"E{number}", tool=call.tool, args=call.args, status="ok", value=call.observation
        )
        for number, call in enumerate(calls, 1)
    }


def _cited(run: Run) -> str:
    """Return the recorded answer with a citation of every step, the most that an answer would carry."""
    return " ".join([run.final, "".join(f"[E{number + 1}]" for number in range(len(run.calls)))]).rstrip()


def _words(text: str, most: int) -> str:
    return " ".join(text.split()[:most])
