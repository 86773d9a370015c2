"""What changes during a run, and how each node reads it."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph.message import add_messages
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from agent_graph.context import Context
from agent_graph.errors import UserError
from agent_graph.evidence import Answer, Citation, Evidence, Source, Whole
from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.references import StepId
from agent_graph.usage import RoleUsage, Usage


class Approval(BaseModel):
    """What a person decided about a plan."""

    model_config = ConfigDict(frozen=True)

    decision: str
    """approve, edit or reject."""
    digest: str
    """Fingerprint of the plan that was decided on: nothing else runs."""
    reason: str = ""


class Replan(BaseModel):
    """Why a plan was given up, and what it was."""

    model_config = ConfigDict(frozen=True)

    reason: str
    plan: Plan


class Finding(BaseModel):
    """Something a guard saw and what it did about it."""

    model_config = ConfigDict(frozen=True)

    guard: str
    """Which guard: injection, privacy."""
    where: str
    """For example `evidence E2`."""
    count: int = 1
    action: str = ""
    """For example `neutralised`."""


Messages = Annotated[
    list[AnyMessage],
    Field(description="The conversation; its last human message is the task."),
    add_messages,
]


class InputState(TypedDict, total=False):
    """A question: as chat messages, or as a bare `task`."""

    messages: Messages
    task: Annotated[str, Field(description="The question, when there is no conversation.")]


class OutputState(TypedDict, total=False):
    """The answer and the whole run behind it."""

    messages: Messages
    task: Annotated[str, Field(description="The question, when there is no conversation.")]
    plan: Annotated[Plan, Field(description="The steps, as they were checked and run.")]
    evidence: Annotated[dict[str, Evidence], Field(description="What each step found, by its id.")]
    replans: Annotated[list[Replan], Field(description="Plans that were given up, and why.")]
    answer: Annotated[Answer, Field(description="The answer with its checked citations.")]
    usage: Annotated[Usage, Field(description="Tokens, seconds and money, by role.")]
    findings: Annotated[list[Finding], Field(description="What the guards saw, and what they did about it.")]


class AgentState(InputState, OutputState, total=False):
    """Everything the nodes share. Only `messages` and `past` outlive a turn; the rest starts afresh."""

    context: Context
    """The knobs this run was started with; a resumed run would otherwise get the defaults."""
    started: float
    """Seconds since the epoch when the run began."""
    trace: dict[str, str]
    """Names the run's first span, the parent of all others, as headers do."""
    approval: Approval | None
    asked: str
    """Id of the message that was this turn's question: it is not asked again."""
    missing: str
    """What the solver said was missing, while a replan is still to come."""
    past: dict[str, Evidence]
    """What earlier answers of this conversation rested on."""


class Run(BaseModel):
    """A node's view of the state: concrete values, decoded once at the node's door."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    task: str = ""
    plan: Plan = Plan()
    evidence: dict[StepId, Evidence] = {}
    replans: tuple[Replan, ...] = ()
    usage: Usage = Usage()
    findings: tuple[Finding, ...] = ()
    context: Context = Context()
    started: float = 0.0
    approval: Approval | None = None
    missing: str = ""
    past: dict[StepId, Evidence] = {}
    images: tuple[dict[str, Any], ...] = ()
    """Image blocks of the question."""
    history: tuple[tuple[str, str], ...] = ()
    """Earlier turns as (role, text), oldest first, without the current task."""


class Node(Protocol):
    """A graph node: reads the state, returns a partial update of it."""

    async def __call__(self, state: AgentState) -> dict[str, Any]:
        """Do the node's one job."""
        ...


CHECKPOINTED: tuple[type[BaseModel], ...] = (
    *(Context, Plan, Step, PlanProblem, Evidence, Whole, Source, Answer, Citation, Usage, RoleUsage),
    *(Approval, Replan, Finding),
)
"""Our values that a checkpoint may hold."""

_MESSAGES: TypeAdapter[list[AnyMessage]] = TypeAdapter(list[AnyMessage])


def decode(state: AgentState) -> Run:
    """Read the state into concrete values, also when they arrive as plain dicts from another process."""
    fields = {key: value for key, value in state.items() if key in Run.model_fields and value is not None}
    messages = _messages(state.get("messages", []))
    shown = {"history": _history(messages), "images": _images(messages, state.get("asked") or "")}
    return Run.model_validate({**fields, **shown})


def task_of(state: AgentState) -> str:
    """Return the question of this turn: the last message when a person has just written it, else `task`.

    A turn that never ended leaves its question as the last message; that one does not count again.

    Raises UserError when there is neither.
    """
    messages = _messages(state.get("messages", []))
    if messages and isinstance(messages[-1], HumanMessage) and messages[-1].id != (state.get("asked") or ""):
        task = str(messages[-1].text)
    else:
        task = str(state.get("task") or "")
    if not task.strip():
        raise UserError(
            'There is no question. Pass {"messages": [{"role": "user", "content": "..."}]} or {"task": "..."}.'
        )
    return task


def _messages(messages: Any) -> list[AnyMessage]:
    plain = [isinstance(message, dict) for message in messages]
    return _MESSAGES.validate_python(messages) if any(plain) else list(messages)


def _images(messages: Sequence[AnyMessage], asked: str) -> tuple[dict[str, Any], ...]:
    question = next((message for message in reversed(messages) if message.id == asked), None)
    content = question.content if question is not None else ""
    blocks = [block for block in content if isinstance(block, dict)]
    return tuple(block for block in blocks if "image" in str(block.get("type", "")))


def _history(messages: Sequence[AnyMessage]) -> tuple[tuple[str, str], ...]:
    turns = [
        ("user" if isinstance(message, HumanMessage) else "assistant", str(message.text))
        for message in messages
        if isinstance(message, HumanMessage | AIMessage) and str(message.text).strip()
    ]
    while turns and turns[-1][0] == "user":
        turns.pop()
    return tuple(turns)
