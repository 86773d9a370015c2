"""What survives: a process restart with SQLite, and the strict deserialiser."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import asyncio, json, sys
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command
from langchain_core.tools import tool
from agent_graph import build_agent, Context
from agent_graph.testing import ScriptedModel

@tool
def look(name: str) -> dict:
    "Look up a person."
    return {"name": name, "tags": ["a", 1, 2.5, None]}

@tool
def send(to: str, text: str) -> str:
    "Send a message."
    return f"sent {text} to {to}"

async def main(path, replies, given):
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        agent = build_agent(models=ScriptedModel(replies), tools=[look, send],
                            effects={"look": "reads", "send": "writes"}, checkpointer=saver)
        thread = {"configurable": {"thread_id": "1"}}
        given = Command(resume=given["resume"]) if "resume" in given else given
        result = await agent.ainvoke(given, thread, context=Context(max_replans=0))
        state = (await agent.aget_state(thread)).values
        kinds = {key: type(value).__name__ for key, value in state.items()}
        evidence = {key: [type(one).__name__, one.value] for key, one in state["evidence"].items()}
        print(json.dumps({"kinds": kinds, "evidence": evidence, "waits": "__interrupt__" in result,
                          "answer": result["answer"].text if result.get("answer") else None,
                          "messages": len(state["messages"])}))

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])))
"""


def run(path: Path, replies: list[str], given: dict[str, object], strict: str) -> dict[str, object]:
    """Run one turn in a process of its own; anything on stderr is a failure."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path), json.dumps(replies), json.dumps(given)],
        capture_output=True,
        text=True,
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": strict},
        check=False,
    )
    assert done.stderr == ""
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("strict", ["true", "false"])
def test_state_survives_a_process_restart(tmp_path: Path, strict: str) -> None:
    """Paused for approval in one process, resumed in the next, followed up in a third: values keep their types."""
    file = tmp_path / "threads.sqlite"
    plan = '#E1 = look(name="Ann")\n#E2 = send(to="Ann", text="#E1.tags[2]")'
    paused = run(file, [plan], {"task": "Write to Ann"}, strict)
    assert (paused["waits"], paused["evidence"]) == (True, {})
    resumed = run(file, ["Sent [E2]."], {"resume": "approve"}, strict)
    assert resumed["answer"] == "Sent [E2]."
    assert resumed["evidence"] == {
        "E1": ["Evidence", {"name": "Ann", "tags": ["a", 1, 2.5, None]}],
        "E2": ["Evidence", "sent 2.5 to Ann"],
    }
    assert resumed["kinds"]["plan"] == "Plan"  # type: ignore[index]
    followed = run(file, ["Plan: nothing.", "Yes."], {"task": "Did you?"}, strict)
    assert (followed["answer"], followed["messages"]) == ("Yes.", 4)


def test_a_synchronous_sqlite_saver_works_too(tmp_path: Path) -> None:
    """The natural pair of `invoke` and `SqliteSaver` needs no thought from the user."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    from agent_graph import build_agent
    from agent_graph.testing import ScriptedModel

    thread = {"configurable": {"thread_id": "1"}}
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        agent = build_agent(
            models=ScriptedModel(["Plan: a.", "One.", "Plan: b.", "Two."]), tools=[], checkpointer=saver
        )
        agent.invoke({"task": "first"}, thread)
        result = agent.invoke({"task": "second"}, thread)
        assert len(list(agent.get_state_history(thread))) > 4  # type: ignore[arg-type]
    assert [str(message.content) for message in result["messages"]] == ["first", "One.", "second", "Two."]
