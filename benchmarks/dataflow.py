"""The six-step diamond of a typical plan: wall time against its critical path, with an instant model.

E1 0.3 s; E2 1.0 s needs E1; E3 0.2 s needs E1; E4 0.2 s needs E2, E3; E5 0.9 s needs E3; E6 0.2 s needs E4, E5
"""

import asyncio
import json
import statistics
import time
from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver

from agent_graph import build_agent
from agent_graph.testing import ScriptedModel, slow_tool

SECONDS = {"a": 0.3, "b": 1.0, "c": 0.2, "d": 0.2, "e": 0.9, "f": 0.2}
CRITICAL_PATH = 1.7
PLAN = (
    '#E1 = a()\n#E2 = b(query="#E1")\n#E3 = c(query="#E1")\n#E4 = d(query="#E2 #E3")\n'
    '#E5 = e(query="#E3")\n#E6 = f(query="#E4 #E5")'
)
RUNS = 7
RESULTS = Path(__file__).parent / "results"


async def main() -> None:
    """Run, print and keep the medians."""
    tools = [slow_tool(name, seconds) for name, seconds in SECONDS.items()]
    model = ScriptedModel([PLAN, "Done [E6]."] * (RUNS + 1))
    effects = dict.fromkeys(SECONDS, "reads")
    agent = build_agent(models=model, tools=tools, effects=effects, checkpointer=InMemorySaver())
    walls = [await _timed(agent, str(run)) for run in range(RUNS + 1)][1:]  # the first one warms up
    figures = {
        "critical_path_s": CRITICAL_PATH,
        "wall_median_s": round(statistics.median(walls), 3),
        "wall_max_s": round(max(walls), 3),
        "wall_over_critical_path": round(statistics.median(walls) / CRITICAL_PATH, 3),
        "runs": RUNS,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "dataflow.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


async def _timed(agent: object, thread: str) -> float:
    started = time.perf_counter()
    await agent.ainvoke({"task": "go"}, {"configurable": {"thread_id": thread}})  # type: ignore[attr-defined]
    return time.perf_counter() - started


if __name__ == "__main__":
    asyncio.run(main())
