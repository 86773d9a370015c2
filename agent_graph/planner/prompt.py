"""What the planner reads. The fixed part comes first and is the same to the byte in every call."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict

from agent_graph import guardrails, tokens
from agent_graph.evidence import Evidence
from agent_graph.plan import Plan, PlanProblem
from agent_graph.state import Replan
from retrieval.documents import Hit
from tools.catalog import Catalog, signature

SNIPPET_CHARACTERS = 160
"""How much of a passage the planner sees: enough to know the documents' words."""

_RULES = """\
You plan how to answer a question with tools. You write the whole plan once; the steps then run without \
you, each as soon as the steps it refers to have ended, and another model answers from what they return.

Write one line of strategy, then one line per step:
Plan: <strategy in one line>
#E1 = tool(argument="value", other=3)  # short reason
#E2 = tool(argument="... #E1 ...")  # short reason

Rules:
- #E1 stands for what step E1 returned. Alone in quotes it keeps its type; inside text it is put in as \
text. #E1.items[0].name takes a part of it. Refer to earlier steps only.
- Use only the tools below, with their argument names. At most {max_steps} steps; fewer is better.
- Steps that do not refer to each other run at the same time.
- To order steps that do not refer to each other, write: #E3 = tool(...) after #E1, #E2
- A search returns passages, not a value: put an extract step between a search and a calculation.
- If no tool is needed, write only the Plan line.
"""

_EXAMPLES = (
    (
        ("search_documents", "extract", "calculator"),
        """\
Question: How many years lie between the first and the second charter?
Plan: find both years, then subtract.
#E1 = search_documents(query="year the first charter was granted")  # first year
#E2 = search_documents(query="year the second charter was granted")  # second year
#E3 = extract(question="In which year was the first charter granted?", text="#E1")  # a bare number
#E4 = extract(question="In which year was the second charter granted?", text="#E2")  # a bare number
#E5 = calculator(expression="#E4 - #E3")  # the difference
""",
    ),
    (
        ("search_documents", "extract"),
        """\
Question: In which town was the architect of the lighthouse born?
Plan: find the architect, then the architect's birthplace.
#E1 = search_documents(query="architect of the lighthouse")  # who
#E2 = extract(question="Who was the architect of the lighthouse?", text="#E1")  # a name
#E3 = search_documents(query="birthplace of #E2")  # where
""",
    ),
)


class Surroundings(BaseModel):
    """What the knowledge says about itself and about this question."""

    model_config = ConfigDict(frozen=True)

    card: str = ""
    hits: tuple[Hit, ...] = ()


def system(catalog: Catalog, max_steps: int) -> SystemMessage:
    """Return the fixed part: rules, examples whose tools exist, the tools as one-line signatures."""
    examples = [text for needed, text in _EXAMPLES if all(tool in catalog for tool in needed)]
    own = [f"{call}" for spec in catalog.values() for call in spec.examples]
    tools = "\n".join(f"- {signature(spec)}" for spec in catalog.values()) or "- none"
    parts = [
        _RULES.format(max_steps=max_steps),
        *(["Examples:\n" + "\n".join(examples)] if examples else []),
        f"Tools:\n{tools}",
        *(["Calls as they look:\n" + "\n".join(own)] if own else []),
    ]
    return SystemMessage("\n".join(parts))


def schema(catalog: Catalog) -> dict[str, Any]:
    """Return the strict JSON schema of a plan; arguments travel as text, strict schemas know no free objects."""
    step = {
        "id": {"type": "string", "description": "E1, E2, ..."},
        "tool": {"type": "string", "enum": list(catalog)},
        "arguments": {
            "type": "string",
            "description": "The arguments as a JSON object, references included.",
        },
        "after": {"type": "array", "items": {"type": "string"}},
        "reason": {"type": "string"},
    }
    steps = {"type": "array", "items": _object(step)}
    return {"title": "plan", **_object({"strategy": {"type": "string"}, "steps": steps})}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def question(
    task: str,
    *,
    surroundings: Surroundings,
    history: tuple[tuple[str, str], ...] = (),
    history_tokens: int = 1500,
    replans: Sequence[Replan] = (),
    evidence: Sequence[Evidence] = (),
) -> HumanMessage:
    """Return the variable part: knowledge, conversation, what was tried, and the question last."""
    parts: list[str] = []
    if surroundings.card:
        parts.append(f"What the documents hold: {guardrails.neutralise(surroundings.card).text}")
    if surroundings.hits:
        parts.append("Found for this question:\n" + "\n".join(map(_snippet, surroundings.hits)))
    turns = tokens.newest(history, history_tokens)
    if turns:
        lines = "\n".join(f"{role}: {guardrails.neutralise(text).text}" for role, text in turns)
        parts.append(f"The conversation so far:\n{lines}")
    if replans:
        parts.append(_tried(replans[-1], evidence))
    parts.append(f"Question: {guardrails.printable(task)}")
    return HumanMessage("\n\n".join(parts))


def feedback(plan: Plan, reply: str, problems: Sequence[PlanProblem]) -> tuple[BaseMessage, ...]:
    """Return the turn that hands a plan's problems back to its writer."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    ask = f"This plan cannot run:\n{listed}\nWrite the whole plan again, corrected. Nothing else."
    return AIMessage(reply.strip() or str(plan)), HumanMessage(ask)


def _snippet(hit: Hit) -> str:
    text = " ".join(hit.passage.text.split())[:SNIPPET_CHARACTERS]
    return f"- {guardrails.neutralise(f'{hit.passage.title}: {text}…').text}"


def _tried(last: Replan, evidence: Sequence[Evidence]) -> str:
    """Say what was run and how each step ended; values stay out, they are not for the planner to obey."""
    ended = "\n".join(
        f"#{one.step}: {one.status}" + ("" if one.ok else f", {guardrails.neutralise(one.error).text}")
        for one in evidence
    )
    number = max((int(one.step[1:]) for one in evidence), default=0) + 1
    reason = guardrails.neutralise(last.reason).text
    return (
        f"An earlier plan did not suffice: {reason}\n{last.plan}\nHow its steps ended:\n{ended}\n"
        f"Plan what is still needed, another way. Steps that are ok keep their evidence: refer to them, do not "
        f"repeat them. Number new steps from #E{number}."
    )
