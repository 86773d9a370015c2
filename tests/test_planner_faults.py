"""A planner or solver whose server fails in every way: the run ends with an answer, and says what happened."""

from typing import Any

import pytest

from agent_graph import Agent, Context, build_agent
from agent_graph.events import Event
from agent_graph.testing import Fault, OpenAIServer

PLAN = '#E1 = look(name="Ann")'
ANSWER = "Ann is 3 [E1]."
CONTEXT = Context(model_timeout_s=5, model_silence_s=0.4, max_replans=0)
FAULTS: dict[str, tuple[Any, str]] = {
    "429": (Fault.status(429, retry_after=0), "429"),
    "500": (Fault.status(500), "500"),
    "stall": (Fault.stall(5, PLAN), "nothing came for 0.4 s"),
    "drop": (Fault.drop(9, PLAN), ""),
    "truncated JSON": (Fault.broken_json(), ""),
    "empty": (Fault.empty(), "empty reply"),
    "refusal": (Fault.refusal("I cannot."), "empty reply"),  # the client loses a refusal when it streams
    "cut off": (Fault.length('#E1 = look(name="An'), "the plan has problems; #E1: The call of look is not closed."),
}  # fmt: skip
LASTING = {"401": Fault.status(401), "wrong content type": Fault.wrong_content_type()}


def look(name: str) -> str:
    """Look a person up."""
    return f"{name} is 3"


def agent(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, models: str | None = None) -> Agent:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    return build_agent(models=models, tools=[look], effects={"look": "reads"})


def reasons(events: list[Event], kind: str) -> list[str]:
    return [getattr(event, "reason", "") for event in events if event.type == kind]


@pytest.mark.parametrize("name", FAULTS)
async def test_a_planner_fault_that_passes(
    name: str, monkeypatch: pytest.MonkeyPatch, events_of: Any
) -> None:
    """The plan is written again, only the second one runs, and the result says why."""
    fault, why = FAULTS[name]
    with OpenAIServer([fault, PLAN, ANSWER], models=["m"]) as server:
        events = await events_of(agent(server, monkeypatch), "How old is Ann?", context=CONTEXT)
    ready = next(event for event in events if event.type == "plan_ready")
    assert events[-1].answer.text == ANSWER
    assert ready.plan.author == "openai:m"
    assert len(ready.plan.remarks) == 1
    assert why in ready.plan.remarks[0]
    assert [event.step for event in events if event.type == "step_started"] == ["E1"]


@pytest.mark.parametrize("name", FAULTS)
async def test_a_planner_that_never_recovers(
    name: str, monkeypatch: pytest.MonkeyPatch, events_of: Any
) -> None:
    """The next model of the chain plans; it was told nothing of the fault but its own question."""
    fault, _ = FAULTS[name]
    replies = {"a": [fault, fault, ANSWER], "b": [PLAN]}
    with OpenAIServer(replies) as server:
        built = agent(server, monkeypatch, "openai:a,openai:b")
        events = await events_of(built, "How old is Ann?", context=CONTEXT)
    ready = next(event for event in events if event.type == "plan_ready")
    assert ready.plan.author == "openai:b"
    assert events[-1].answer.text == ANSWER


@pytest.mark.parametrize("name", [*FAULTS, *LASTING])
async def test_a_planner_without_a_working_model(
    name: str, monkeypatch: pytest.MonkeyPatch, events_of: Any
) -> None:
    """Rules plan when no model can, whatever the fault, and the run still ends with an answer."""
    fault = FAULTS[name][0] if name in FAULTS else LASTING[name]
    with OpenAIServer({"planner": [fault] * 4, "solver": ["All is said."]}) as server:
        monkeypatch.setenv("AGENT_GRAPH_PLANNER_MODEL", "openai:planner")
        monkeypatch.setenv("AGENT_GRAPH_SOLVER_MODEL", "openai:solver")
        events = await events_of(agent(server, monkeypatch), "How old is Ann?", context=CONTEXT)
    ready = next(event for event in events if event.type == "plan_ready")
    assert ready.plan.author == "extractive mode"
    assert ready.plan.remarks
    assert events[-1].answer.author == "openai:solver"


# A cut answer is an answer: only a cut plan can be told from a whole one.
@pytest.mark.parametrize("name", [name for name in (*FAULTS, *LASTING) if name != "cut off"])
async def test_a_solver_without_a_working_model(
    name: str, monkeypatch: pytest.MonkeyPatch, events_of: Any
) -> None:
    """The evidence is not lost: extractive mode answers from it, and says that it did."""
    fault = FAULTS[name][0] if name in FAULTS else LASTING[name]
    with OpenAIServer({"planner": [PLAN], "solver": [fault] * 4}) as server:
        monkeypatch.setenv("AGENT_GRAPH_PLANNER_MODEL", "openai:planner")
        monkeypatch.setenv("AGENT_GRAPH_SOLVER_MODEL", "openai:solver")
        events = await events_of(agent(server, monkeypatch), "How old is Ann?", context=CONTEXT)
    answer = events[-1].answer
    assert (answer.author, answer.citations[0].marker) == ("extractive mode", "E1")
    assert any("extractive mode does" in remark for remark in answer.remarks)
    assert reasons(events, "answer_reset")
