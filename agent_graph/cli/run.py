"""One question through the agent: streamed to a watch, paused for a person, to the checked answer."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, cast

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_graph.agent import Agent
from agent_graph.bootstrap import build_agent
from agent_graph.cli.threads import open_threads
from agent_graph.cli.watch import Watch
from agent_graph.context import Context
from agent_graph.events import RunStarted, decode
from agent_graph.settings import Settings
from retrieval.knowledge import Knowledge

Decide = Callable[[Mapping[str, Any]], dict[str, str]]
"""Shows a person the plan that waits and returns their reply."""


class Ended(NamedTuple):
    """A run that came to its answer."""

    state: Mapping[str, Any]
    mode: str
    """The planner's model, or "extractive mode"."""


class Session(NamedTuple):
    """What the questions of one command share."""

    settings: Settings
    knowledge: Knowledge | None
    context: Context = Context()


def ask(
    session: Session, question: str, *, thread: str | None, watch: Watch, decide: Decide, afresh: bool = False
) -> Ended:
    """Ask one question and wait for the answer.

    With `thread` the conversation is kept, and what was said in it before is read, unless `afresh`.
    """
    # One loop for all of it, but not while a person is asked: Ctrl-C must reach the prompt.
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            saver = runner.run(_saver(stack, session.settings, thread, afresh=afresh))
            agent = build_agent(knowledge=session.knowledge, settings=session.settings, checkpointer=saver)
            return _to_the_end(runner, agent, session, question, thread=thread, watch=watch, decide=decide)
        finally:
            runner.run(stack.aclose())


def _to_the_end(
    runner: asyncio.Runner,
    agent: Agent,
    session: Session,
    question: str,
    *,
    thread: str | None,
    watch: Watch,
    decide: Decide,
) -> Ended:
    config = {"configurable": {"thread_id": thread or "once"}}
    given: Any = {"messages": [{"role": "user", "content": question}]}
    mode = ""
    while True:
        with watch:
            state, told = runner.run(_stretch(agent, given, config, session.context, watch))
        mode = told or mode
        waiting = state.get("__interrupt__")
        if not waiting:
            return Ended(state, mode)
        given = Command(resume=decide(waiting[0].value))


async def _stretch(
    agent: Agent, given: Any, config: Any, context: Context, watch: Watch
) -> tuple[dict[str, Any], str]:
    """Run until the end or until a person is asked; return the state and the mode if it was told."""
    state: dict[str, Any] = {}
    mode = ""
    async for kind, part in agent.astream(given, config, context=context, stream_mode=["custom", "values"]):
        if kind == "values":
            state = {**state, **cast("dict[str, Any]", part)}
            continue
        event = decode(part)
        if isinstance(event, RunStarted):
            mode = event.mode
        watch(event)
    return state, mode


async def _saver(stack: AsyncExitStack, settings: Settings, thread: str | None, *, afresh: bool) -> Any:
    if thread is None:
        return InMemorySaver()
    saver = await stack.enter_async_context(open_threads(settings))
    if afresh:
        await saver.adelete_thread(thread)
    return saver
