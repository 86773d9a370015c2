"""The loops that think and act by turns: LangChain's `create_agent`, and the loops the runs were recorded with."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_classic.agents.structured_chat.base import StructuredChatAgent
from langchain_core.messages import AIMessage, HumanMessage
from token_account.account import Exchange, message_text, prompt_of
from token_account.recorded import Call, Run
from token_account.replay import Replay

from agent_graph.testing import ScriptedModel

INSTRUCTION = """\
Answer the question with interleaving Thought, Action, Observation steps. A Thought reasons about the current \
situation; an Action is one of: search[query], which returns a short snippet that may contain the answer; \
finish[answer], which returns the answer and ends the task. Here are some examples."""


def exemplars(runs: Sequence[Run]) -> str:
    """Return an instruction like ReAct's and solved examples, in the format of the recording."""
    return "\n\n".join([INSTRUCTION, *(f"{one.question}\n{''.join(_turns(one))}" for one in runs)])


def agent_calls(
    replay: Replay, run: Run, *, system: str | None = None, thoughts: bool = False
) -> list[Exchange]:
    """Run LangChain's `create_agent` on the recorded calls, one a turn, and return each call of its model."""
    replies = [
        *(_asking(call, number, thoughts) for number, call in enumerate(run.calls)),
        AIMessage(run.final),
    ]
    model = ScriptedModel(list(replies))
    replay.load([call[:3] for call in run.calls])
    limit = {"recursion_limit": 4 * len(replies) + 10}
    agent: Any = create_agent(model, replay.tools, system_prompt=system)
    ended = agent.invoke({"messages": [HumanMessage(run.question)]}, limit)
    assert ended["messages"][-1].text == run.final, "the run did not end with the recorded answer"
    return [
        Exchange(prompt_of(call.messages, call.tools), message_text(reply))
        for call, reply in zip(model.calls, replies, strict=True)
    ]


def structured_chat(tools: Replay, run: Run) -> list[Exchange]:
    """Return the calls of the loop that WorkBench was recorded with, its prompt made by LangChain's own builder."""
    prompt = StructuredChatAgent.create_prompt(tools.tools)
    scratchpad, found = "", []
    for call in run.calls:
        found.append(Exchange(_filled(prompt, run, scratchpad), call.log))
        scratchpad += f"{call.log}\nObservation: {call.observation}\nThought:"
    final = json.dumps({"action": "Final Answer", "action_input": run.final})
    return [*found, Exchange(_filled(prompt, run, scratchpad), f"Action:\n```\n{final}\n```")]


def react_text(head: str, run: Run) -> list[Exchange]:
    """Return the calls of the loop that HotpotQA was recorded with: one growing text."""
    text, found = f"human: {head}\n\n{run.question}\n", []
    turns = list(_turns(run))
    for turn in turns:
        written = turn.partition("Observation:")[0]
        found.append(Exchange((text,), written))
        text += turn
    return found


def _filled(prompt: Any, run: Run, scratchpad: str) -> tuple[str, ...]:
    # The words before a scratchpad are the agent's own, from its `_construct_scratchpad`.
    before = "This was your previous work (but I haven't seen any of it! I only see what you return as final answer):\n"
    given = {"input": run.question, "agent_scratchpad": before + scratchpad if scratchpad else ""}
    return prompt_of(prompt.format_messages(**given))


def _turns(run: Run) -> Iterator[str]:
    for call in run.calls:
        (query,) = call.args.values()
        yield f"Thought: {call.thought}\nAction: {call.tool}[{query}]\nObservation: {call.observation}\n"
    yield f"Thought: I have the answer.\nAction: finish[{run.final}]\n"


def _asking(call: Call, number: int, thoughts: bool) -> AIMessage:
    asked: Mapping[str, Any] = {"name": call.tool, "args": call.args, "id": f"call_{number}"}
    return AIMessage(call.thought if thoughts else "", tool_calls=[dict(asked)])
