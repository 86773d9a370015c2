"""One question, from wherever an earlier worker left it, to its ending."""

from collections.abc import Mapping
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from agent_graph import guardrails
from agent_graph.agent import Agent
from agent_graph.background.assignment import Assignment, Ending, answered
from agent_graph.background.desk import Desk
from agent_graph.context import Context
from agent_graph.errors import ThreadBusy
from agent_graph.evals import row_of
from agent_graph.identity import acting_for
from tools.faults import one_line

PATIENCE_S = 60.0
"""Seconds a question waits for its thread: a server needs a moment to see that the worker before us died."""
_ASK_AGAIN_S = 0.2

NEEDS_APPROVAL = "The plan has a step that a person must approve."


async def answer(desk: Desk, thread: str, assignment: Assignment) -> Ending:
    """Answer a question on its thread; what was done there before is not done again.

    A run that fails, or waits for a person, is an ending too. Raises psycopg.Error when the database is lost, of
    which nothing can be concluded about the question.
    """
    from psycopg import InterfaceError, OperationalError

    base = Ending(id=assignment.id, question=assignment.question, outcome="failed", thread=thread)
    again = AsyncRetrying(
        retry=retry_if_exception_type(ThreadBusy),
        wait=wait_fixed(_ASK_AGAIN_S),
        stop=stop_after_delay(PATIENCE_S),
        reraise=True,
    )
    try:
        async with desk.agent(assignment.collection) as agent:
            with acting_for(assignment.user):
                values: Mapping[str, Any] | None = await again(_run, agent, thread, assignment)
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        said = guardrails.redact(f"{type(error).__name__}: {one_line(error)}")
        return base.model_copy(update={"error": said})
    if values is None:
        return base.model_copy(update={"outcome": "needs approval", "error": NEEDS_APPROVAL})
    question = assignment.scored
    row = row_of(question, values, seconds=values["usage"].seconds) if question else None
    return answered(assignment, thread, values, row)


async def _run(agent: Agent, thread: str, assignment: Assignment) -> Mapping[str, Any] | None:
    """Begin, go on, or look at what is finished; None when a person is to be asked."""
    config: Any = {"configurable": {"thread_id": thread}}
    context = Context(**assignment.context)
    state = await agent.aget_state(config)
    if any(one.interrupts for one in state.tasks):
        return None
    waiting = {one.name for one in state.tasks}
    if not waiting and state.values:
        return state.values
    given: Any = None if waiting else {"task": assignment.question}
    # What a run was started with is kept by its first node; before that it is given again.
    begun = waiting - {"__start__", "intake"}
    reached = await agent.ainvoke(given, config, context=None if begun else context)
    return None if reached.get("__interrupt__") else reached
