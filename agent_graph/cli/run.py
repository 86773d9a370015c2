"""Questions through the agent: streamed to a watch, paused for a person, to the checked answer."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any, NamedTuple, cast

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_graph.agent import Agent
from agent_graph.bootstrap import build_agent, export_spans
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
    """One agent and one event loop for all questions of a command."""

    runner: asyncio.Runner
    agent: Agent
    saver: Any
    context: Context

    def ask(self, question: str, *, thread: str, watch: Watch, decide: Decide) -> Ended:
        """Ask one question and wait for the answer; what was said on the thread before is read too."""
        given: Any = {"messages": [{"role": "user", "content": question}]}
        mode = ""
        while True:
            with watch:
                state, told = self.runner.run(self._stretch(given, thread, watch))
            mode = told or mode
            waiting = state.get("__interrupt__")
            if not waiting:
                return Ended(state, mode)
            # outside of the loop, which would keep Ctrl-C from the prompt
            given = Command(resume=decide(waiting[0].value))

    def forget(self, thread: str) -> None:
        """Start a thread afresh."""
        self.runner.run(self.saver.adelete_thread(thread))

    async def _stretch(self, given: Any, thread: str, watch: Watch) -> tuple[dict[str, Any], str]:
        """Run until the end or until a person is asked; return the state, and the mode if it was told."""
        state: dict[str, Any] = {}
        mode = ""
        config: Any = {"configurable": {"thread_id": thread}}
        stream = self.agent.astream(given, config, context=self.context, stream_mode=["custom", "values"])
        async for kind, part in stream:
            if kind == "values":
                state = {**state, **cast("dict[str, Any]", part)}
                continue
            event = decode(part)
            mode = event.mode if isinstance(event, RunStarted) else mode
            watch(event)
        return state, mode


@contextmanager
def open_session(
    settings: Settings, knowledge: Knowledge | None, *, context: Context | None = None, kept: bool = False
) -> Iterator[Session]:
    """Open what the questions of one command share; `kept` writes their conversations to the threads' file.

    One event loop serves all of them: model clients keep connections that belong to the loop they were opened on.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            saver = runner.run(_saver(stack, settings, kept=kept))
            export_spans(settings, "agent-graph")
            agent = build_agent(knowledge=knowledge, settings=settings, checkpointer=saver)
            yield Session(runner, agent, saver, context or Context())
        finally:
            runner.run(stack.aclose())


async def _saver(stack: AsyncExitStack, settings: Settings, *, kept: bool) -> Any:
    return await stack.enter_async_context(open_threads(settings)) if kept else InMemorySaver()
