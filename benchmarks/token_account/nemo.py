"""NeMo Agent Toolkit's ReWOO graph on recorded calls: run by NeMo's own environment, a JSON object per line.

    {"tools": [...]}                                              ->  {"version": "1.9.0"}
    {"question": ..., "plan": ..., "calls": [...], "final": ...}  ->  {"prompts": [[[role, text], ...], ...]}

A run that NeMo does not end is answered with {"error": "..."}.
"""

import asyncio
import json
import logging
import os
import sys
from importlib.metadata import version
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from nat.plugins.langchain.agent.rewoo_agent import prompt
from nat.plugins.langchain.agent.rewoo_agent.agent import ReWOOAgentGraph, ReWOOGraphState
from pydantic import PrivateAttr
from token_account.replay import Replay
from typing_extensions import override


class Recorder(BaseChatModel):
    """A chat model that gives set replies in order and keeps what it was asked."""

    _replies: list[str] = PrivateAttr(default_factory=list)
    _prompts: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    def begin(self, *replies: str) -> list[list[BaseMessage]]:
        """Start a run; the list returned fills with the prompts."""
        self._replies, self._prompts = list(replies), []
        return self._prompts

    @property
    def _llm_type(self) -> str:
        return "recorder"

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._prompts.append(list(messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self._replies.pop(0)))])


class Nemo:
    """The graph over one set of tools, with NeMo's prompts and defaults."""

    def __init__(self, tools: list[dict[str, Any]]) -> None:
        self._model, self._replay = Recorder(), Replay(tools)
        self._agent = ReWOOAgentGraph(
            llm=self._model,
            planner_prompt=ChatPromptTemplate(
                [("system", prompt.PLANNER_SYSTEM_PROMPT), ("user", prompt.PLANNER_USER_PROMPT)]
            ),
            solver_prompt=ChatPromptTemplate(
                [("system", prompt.SOLVER_SYSTEM_PROMPT), ("user", prompt.SOLVER_USER_PROMPT)]
            ),
            tools=self._replay.tools,
        )
        self._graph: Any = None

    async def run(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Run one recorded run and return what its model was asked."""
        self._graph = self._graph or await self._agent.build_graph()
        prompts = self._model.begin(asked["plan"], asked["final"])
        self._replay.load(asked["calls"])
        task = HumanMessage(asked["question"])
        ended = await self._graph.ainvoke(ReWOOGraphState(messages=[task], task=task))
        if ended["result"].content != asked["final"] or len(prompts) != 2:
            return {"error": "it did not end with the recorded answer after two calls"}
        return {"prompts": [[[one.type, str(one.content)] for one in messages] for messages in prompts]}


async def respond(asked: dict[str, Any], nemo: list[Nemo]) -> dict[str, Any]:
    """Do what one line asks for."""
    if "tools" in asked:
        nemo[:] = [Nemo(asked["tools"])]
        return {"version": version("nvidia-nat")}
    try:
        return await nemo[0].run(asked)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}


def main() -> None:
    # Libraries print: what they say goes to the errors, so that the output holds answers only.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    nemo: list[Nemo] = []
    with asyncio.Runner() as loop:
        for line in sys.stdin:
            print(json.dumps(loop.run(respond(json.loads(line), nemo))), file=answers)


if __name__ == "__main__":
    main()
