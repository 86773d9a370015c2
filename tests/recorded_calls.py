"""Recorded tool calls as plans of ours, and the tools of the recording: they answer what was recorded only.

A row holds `steps` (tool, args, observation) and `deps`, {later: {earlier: [argument, value, kind]}}: which
argument's value stands in which earlier observation.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from langchain_core.tools import BaseTool, StructuredTool

from agent_graph import Agent, Context, build_agent
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId
from agent_graph.testing import FakeClock, ScriptedModel
from tools.catalog import Effects

Row = Mapping[str, Any]
Origin = Literal["whole", "path", "text", "literal"]
"""How an argument is taken from an earlier output: all of it, a part by its path, cut out of its text, not."""

WRITING = ("create", "update", "delete", "add", "send", "forward", "reply")
"""First words of the names of the tools that change something."""
PATTERNS = (r"\d{4}-\d\d-\d\d", r"[a-z]+(?:_[a-z]+)+")
"""What is cut out of texts: a date, a name of several words. A planner can write both without the text."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Slot(NamedTuple):
    """One argument whose value stands in an earlier output."""

    step: StepId
    argument: str
    value: Any
    """What was recorded."""
    earlier: int
    """The recorded call whose output holds the value."""
    origin: Origin


class Recorded(NamedTuple):
    """A row as a plan of ours."""

    plan: Plan
    place: dict[StepId, int]
    """Which recorded call a step is; the steps that only cut text are none."""
    slots: tuple[Slot, ...]


class Ended(NamedTuple):
    """What a run left behind."""

    result: dict[str, Any]
    office: "Office"

    @property
    def state(self) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
        """The end state: every write with its arguments, in order, and what each step found."""
        return self.office.writes, {step: one.value for step, one in self.result["evidence"].items()}


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file with one JSON object per line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def tool_name(recorded: str) -> str:
    """Return the recorded name as a catalogue can hold it: without the dot."""
    return recorded.replace(".", "_")


def effects_of(recorded: str) -> Effects:
    """Return whether the tool writes, by the first word of its name."""
    return "writes" if recorded.partition(".")[2].split("_")[0] in WRITING else "reads"


def recorded_writes(row: Row) -> list[tuple[str, Any]]:
    """Return the calls of the row that change something, with their arguments, in order."""
    return [(step["tool"], step["args"]) for step in row["steps"] if effects_of(step["tool"]) == "writes"]


def is_replayed(evidence: Evidence, call: Mapping[str, Any]) -> bool:
    """Whether the step was called as recorded, types included, and found what was recorded."""
    same = json.dumps(evidence.args, sort_keys=True) == json.dumps(call["args"], sort_keys=True)
    return evidence.ok and same and bool(evidence.value == call["observation"])


def as_plan(row: Row) -> Recorded:
    """Write the row as a plan in which every argument found in an earlier output is a reference to it."""
    steps: list[Step] = []
    slots: list[Slot] = []
    ids: list[StepId] = []
    cuts: dict[tuple[StepId, _Cut], StepId] = {}
    for number, call in enumerate(row["steps"]):
        args = dict(call["args"])
        filled: list[tuple[str, Any, int, Origin]] = []
        for earlier, needs in row["deps"][str(number)].items():
            output = row["steps"][int(earlier)]["observation"]
            for argument, value, _ in needs:
                source = ids[int(earlier)]
                origin, path, cut = _origin(argument, value, output)
                written = f"#{source}{path}" if origin in ("whole", "path") else value
                if cut is not None:
                    if (source, cut) not in cuts:  # the same cut twice would be a step repeated
                        cuts[source, cut] = StepId(f"E{len(steps) + 1}")
                        steps.append(_cutting(cuts[source, cut], source, cut))
                    written = f"#{cuts[source, cut]}"
                args[argument] = written
                filled.append((argument, value, int(earlier), origin))
        step = Step(id=StepId(f"E{len(steps) + 1}"), tool=tool_name(call["tool"]), args=args)
        steps.append(step)
        ids.append(step.id)
        slots += [Slot(step.id, *one) for one in filled]
    place = {step_id: number for number, step_id in enumerate(ids)}
    return Recorded(Plan(strategy="as recorded", steps=tuple(steps)), place, tuple(slots))


class _Cut(NamedTuple):
    pattern: str
    number: int


def _cutting(step_id: StepId, earlier: StepId, cut: _Cut) -> Step:
    return Step(id=step_id, tool="match", args={"text": f"#{earlier}", **cut._asdict()})


def _origin(argument: str, value: Any, output: Any) -> tuple[Origin, str, _Cut | None]:
    if _same(value, output):
        return "whole", "", None
    paths = [path for path, part in parts(output) if _same(value, part)]
    if paths:
        # A field of the argument's own name says most surely what the planner meant.
        return "path", min(paths, key=lambda path: (argument not in path, len(path))), None
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    for pattern in PATTERNS:
        found = re.findall(pattern, text)
        if value in found:
            return "text", "", _Cut(pattern, found.index(value) + 1)
    return "literal", "", None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def parts(output: Any) -> Iterator[tuple[str, Any]]:
    """Yield every part of an output with the path that leads to it, the whole first."""
    yield "", output
    children: list[tuple[str, Any]] = []
    if isinstance(output, dict):
        children = [
            (f".{key}" if _NAME.fullmatch(key) else f'["{key}"]', item) for key, item in output.items()
        ]
    elif isinstance(output, list):
        children = [(f"[{index}]", item) for index, item in enumerate(output)]
    for first, item in children:
        for rest, part in parts(item):
            yield f"{first}{rest}", part


def keeping(row: Row, recorded: Recorded) -> tuple[Plan, list[Any]]:
    """Add a step that takes every part of every output by its path; return the plan, and what it must take."""
    found = [
        (f"#{step}{path}", part)
        for step, place in recorded.place.items()
        for path, part in parts(row["steps"][place]["observation"])
    ]
    steps = recorded.plan.steps
    keep = Step(id=StepId(f"E{len(steps) + 1}"), tool="keep", args={"parts": [path for path, _ in found]})
    return recorded.plan.model_copy(update={"steps": (*steps, keep)}), [part for _, part in found]


class Office:
    """The tools of one row. Each answers the calls that were recorded, and refuses every other.

    On a clock of its own an earlier call takes longer than a later one, so that only what makes a call wait
    keeps the order. A call takes effect when it ends.
    """

    def __init__(self, row: Row, schemas: Sequence[Mapping[str, Any]]) -> None:
        self._steps = row["steps"]
        self._schemas = {one["name"]: one for one in schemas}
        self._clock = FakeClock(auto=True)
        self._called: set[int] = set()
        self.log: list[tuple[Literal["begin", "end"], int]] = []
        """The begin and the end of each recorded call, by its place in the row, as they happened."""
        self.writes: list[tuple[str, Any]] = []
        """The calls that changed something, with their arguments, in the order in which they took effect."""
        self.kept: list[Any] = []
        """What `keep` was called with; the evidence names large arguments by their reference."""

    @property
    def tools(self) -> list[BaseTool]:
        """The recorded tools, one that cuts a value out of a text, and one that takes anything."""
        names = dict.fromkeys(step["tool"] for step in self._steps)
        own = [StructuredTool.from_function(one, metadata={"effects": "reads"}) for one in (match, self.keep)]
        return [*map(self._tool, names), *own]

    @property
    def overlapping(self) -> int:
        """The most recorded calls that were under way at the same time."""
        running = most = 0
        for what, _ in self.log:
            running += 1 if what == "begin" else -1
            most = max(most, running)
        return most

    @property
    def fenced(self) -> bool:
        """Whether each write began after all earlier calls had ended, and ended before any later one began."""
        at = {one: moment for moment, one in enumerate(self.log)}
        writes = [number for number in self._called if effects_of(self._steps[number]["tool"]) == "writes"]
        return all(
            at["end", min(pair)] < at["begin", max(pair)]
            for write in writes
            for pair in ((write, other) for other in self._called if other != write)
        )

    def keep(self, parts: list[Any]) -> int:
        """Take any values and count them."""
        self.kept = parts
        return len(parts)

    def _tool(self, recorded: str) -> BaseTool:
        async def replay(**given: Any) -> Any:
            number = self._find(recorded, given)
            self._called.add(number)
            self.log.append(("begin", number))
            await self._clock.sleep(len(self._steps) - number)
            if effects_of(recorded) == "writes":
                self.writes.append((recorded, given))
            self.log.append(("end", number))
            return self._steps[number]["observation"]

        schema = self._schemas[recorded]
        return StructuredTool.from_function(
            coroutine=replay,
            name=tool_name(recorded),
            description=schema["description"],
            args_schema={"type": "object", "properties": schema["args"], "additionalProperties": False},
            metadata={"effects": effects_of(recorded)},
        )

    def _find(self, recorded: str, given: Mapping[str, Any]) -> int:
        for number, step in enumerate(self._steps):
            if number not in self._called and step["tool"] == recorded and step["args"] == given:
                return number
        raise LookupError(f"{recorded} was never called with {json.dumps(given)}")


def match(text: str, pattern: str, number: int = 1) -> str:
    """Cut the first (second, ...) match of a regular expression out of a text."""
    return re.findall(pattern, text)[number - 1]  # type: ignore[no-any-return]


def office_agent(
    row: Row, plan: Plan, schemas: Sequence[Mapping[str, Any]], **options: Any
) -> tuple[Agent, Office]:
    """Build an agent over the row's tools, whose planner writes the plan and, when it is refused, the same again."""
    office = Office(row, schemas)
    model = ScriptedModel({"The plan that was run": "Done [E1].", "Question: ": str(plan)})
    return build_agent(models=model, tools=office.tools, **options), office


async def run(
    row: Row,
    plan: Plan,
    schemas: Sequence[Mapping[str, Any]],
    *,
    context: Context | None = None,
    **options: Any,
) -> Ended:
    """Run the plan through the agent, unasked, and return what it left behind."""
    agent, office = office_agent(row, plan, schemas, **options)
    knobs = context or Context(approval="never", max_replans=0)
    return Ended(await agent.ainvoke({"task": row["query"]}, context=knobs), office)
