"""A plan as a mermaid flowchart, for a README, a pull request or a terminal."""

import json
from collections.abc import Iterator, Mapping

from agent_graph import references
from agent_graph.evidence import Evidence
from agent_graph.explain.words import brief_args, cut, one_line, outcome
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId

_ACTIVE = frozenset("#&;<>\"'`%\\{}[]()|")
_ARGS_COLUMNS, _TITLE_COLUMNS = 60, 120
_CLASSES = """\
  classDef planner fill:#ede9fb,stroke:#6a4fc0,color:#2d1f63
  classDef worker fill:#e3f4f6,stroke:#0b7285,color:#083b45
  classDef solver fill:#fdeee0,stroke:#b4560b,color:#562804
  classDef ok fill:#e6f5e9,stroke:#2b7a3d,color:#12391c
  classDef failed fill:#fde8e8,stroke:#c02626,color:#5c0f0f
  classDef skipped fill:#eef0f2,stroke:#7a828a,color:#3c4248,stroke-dasharray:4 3"""


def mermaid(plan: Plan, evidence: Mapping[StepId, Evidence] | None = None) -> str:
    """Return the plan as a mermaid flowchart; with evidence, its steps are coloured by status.

    Solid arrows carry a value, dashed ones only order. Also draws plans that have not passed their check.
    """
    nodes = {step.id: f"s{number}" for number, step in enumerate(plan.steps, start=1)}
    earlier = dict.fromkeys(need for step in plan.steps for need in sorted(step.needs) if need not in nodes)
    nodes |= {step_id: f"e{number}" for number, step_id in enumerate(earlier, start=1)}
    found = evidence or {}
    return "\n".join(
        [
            *_title(plan.strategy),
            "flowchart TD",
            '  planner(["planner"]):::planner',
            *(f'  {nodes[step_id]}["{_label(f"{step_id} · earlier")}"]:::skipped' for step_id in earlier),
            *(_node(f"s{at}", step, found.get(step.id)) for at, step in enumerate(plan.steps, start=1)),
            '  solver(["solver"]):::solver',
            *_edges(plan, nodes),
            _CLASSES,
            "",
        ]
    )


def _title(strategy: str) -> Iterator[str]:
    # The front matter is YAML, of which a JSON string is a part; "%%" would begin a mermaid directive.
    words = cut(one_line(strategy), _TITLE_COLUMNS).replace("%%", "% %")
    if words:
        yield from ("---", f"title: {json.dumps(words, ensure_ascii=False)}", "---")


def _node(name: str, step: Step, found: Evidence | None) -> str:
    status = f" {outcome(found)}" if found else ""
    lines = [f"{step.id} · {step.tool}{status}", cut(brief_args(step.args), _ARGS_COLUMNS)]
    label = "<br/>".join(_label(line) for line in lines if line)
    return f'  {name}["{label}"]:::{found.status if found else "worker"}'


def _edges(plan: Plan, nodes: Mapping[StepId, str]) -> Iterator[str]:
    read = {need for step in plan.steps for need in step.needs}
    for at, step in enumerate(plan.steps, start=1):
        refers = dict.fromkeys(ref.step for ref in references.find(step.args))
        yield from (f"  {nodes[need]} --> s{at}" for need in refers)
        yield from (f"  {nodes[need]} -.-> s{at}" for need in step.after if need not in refers)
        if not step.needs:
            yield f"  planner --> s{at}"
    yield from (f"  s{at} --> solver" for at, step in enumerate(plan.steps, start=1) if step.id not in read)
    if not plan.steps:
        yield "  planner --> solver"


def _label(value: str) -> str:
    """Return the text with everything mermaid or HTML could read as notation as character codes."""
    return "".join(f"#{ord(one)};" if one in _ACTIVE else one for one in one_line(value))
