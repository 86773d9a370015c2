"""Whether a conversation slows down as it grows: processor time of each turn over 100 turns of one thread.

Every turn searches real documents, looks a person up and is answered by a scripted model with a long text; the
checkpoints are kept in an SQLite file. The first ten turns warm up; then turns 11 to 30 are compared with the last
twenty. Processor time, not wall time: it does not depend on what else the machine does.

    python benchmarks/conversation.py [--out benchmarks/results]

Ends with 1 when the growth is above 20 %.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.tools import tool

from agent_graph import build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.testing import ScriptedModel
from retrieval import open_knowledge
from tools.documents import make_search_documents

TURNS, WARM = 100, 10
FEW = 20
MOST_GROWTH = 0.20
PLAN = '#E1 = search_documents(query="{asked}", k=4)\n#E2 = look(name="Ann")'
SAID = (
    "Ann is three years old [E2]. The address spoke of it as well [E1]. " + "It has been said before. " * 12
)
SUBJECTS = (
    "jobs",
    "taxes",
    "the climate",
    "veterans",
    "cancer",
    "Ukraine",
    "police",
    "schools",
    "drugs",
    "the debt",
)


@tool
async def look(name: str) -> dict[str, Any]:
    """Look up a person."""
    return {"name": name, "age": len(name), "about": f"{name} has lived in the north for {len(name)} years."}


look.metadata = {"effects": "reads"}


def reply(messages: list[BaseMessage]) -> str:
    """Plan by the question's subject, or answer."""
    asked = str(messages[-1].text)
    return SAID if "The plan that was run" in asked else PLAN.format(asked=asked.rpartition("about ")[2][:40])


async def turns(folder: Path) -> tuple[list[float], list[int], list[int]]:
    """Return per turn: processor seconds, characters of its prompts, bytes of the database."""
    spent, prompts, kept = [], [], []
    model = ScriptedModel(reply)
    with open_knowledge(folder / "index") as knowledge:
        knowledge.ingest([str(files("agent_graph") / "samples" / "state_of_the_union.txt")])
        async with open_checkpointer(f"sqlite:///{folder}/threads.sqlite") as saver:
            agent = build_agent(
                models=model, tools=[look, make_search_documents(knowledge)], checkpointer=saver
            )
            for turn in range(TURNS):
                question = f"Question {turn}: how old is Ann, and what was said about {SUBJECTS[turn % 10]}"
                began = time.process_time()
                await agent.ainvoke({"task": question}, {"configurable": {"thread_id": "1"}})
                spent.append(time.process_time() - began)
                prompts.append(sum(len(str(one.text)) for prompt in model.prompts[-2:] for one in prompt))
                kept.append(_size(folder))
    return spent, prompts, kept


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        spent, prompts, kept = asyncio.run(turns(Path(folder)))
    early, late = spent[WARM : WARM + FEW], spent[-FEW:]
    growth = statistics.median(late) / statistics.median(early) - 1
    told = f"""\
# A conversation of {TURNS} turns on one thread

| | turns {WARM + 1} to {WARM + FEW} | last {FEW} turns |
|---|---|---|
| processor time of a turn, median | {statistics.median(early) * 1000:.0f} ms | {statistics.median(late) * 1000:.0f} ms |
| slowest turn | {max(early) * 1000:.0f} ms | {max(late) * 1000:.0f} ms |
| characters of planner's and solver's prompts, most | {max(prompts[WARM : WARM + FEW]):,} | {max(prompts[-FEW:]):,} |
| bytes a turn adds to the database, mean | {_added(kept, WARM, WARM + FEW):,} | {_added(kept, TURNS - FEW, TURNS):,} |

Growth in time: {growth:+.1%} (bound: {MOST_GROWTH:.0%}). Made by `benchmarks/conversation.py`.
"""
    out.mkdir(parents=True, exist_ok=True)
    (out / "conversation.md").write_text(told, encoding="utf-8")
    rows = {"seconds": [round(one, 4) for one in spent], "prompts": prompts, "database": kept}
    (out / "conversation.json").write_text(json.dumps(rows) + "\n", encoding="utf-8")
    print(told)
    return int(growth > MOST_GROWTH)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("threads.sqlite*"))


def _added(kept: list[int], first: int, last: int) -> int:
    return (kept[last - 1] - kept[first - 1]) // (last - first)


if __name__ == "__main__":
    sys.exit(main())
