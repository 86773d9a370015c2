"""The whole agent on a recorded run, to see that it sends what the account counts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from token_account.account import prompt_of
from token_account.ours import Ours, effects_of
from token_account.recorded import Run
from token_account.replay import Replay

from agent_graph import Context, build_agent
from agent_graph.testing import ScriptedModel


async def sends_the_same(described: Sequence[Mapping[str, Any]], run: Run) -> bool:
    """Run the agent with the run's plan and answer, and compare its prompts with the account's, but for the fence."""
    counted = Ours(described).one_plan(run)
    model, replay = ScriptedModel([one.reply for one in counted]), Replay(described)
    replay.load([call[:3] for call in run.calls])
    agent = build_agent(models=model, tools=replay.tools, effects=effects_of(replay.tools))
    await agent.ainvoke({"task": run.question}, context=Context(approval="never"))
    sent = [prompt_of(call.messages, call.tools) for call in model.calls]
    return list(map(_unfenced, sent)) == [_unfenced(one.prompt) for one in counted]


def _unfenced(prompt: Sequence[str]) -> list[str]:
    return [re.sub(r" [a-z]{8}>", ">", text) for text in prompt]
