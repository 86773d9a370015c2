"""One process of a divided agent: `python role_process.py SPANS role planner ...` or `... SPANS run THREAD TASK`.

SPANS is a file to which the process appends a line for each span: its trace, its name, and who made it. `role` is
the command of agent-graph itself; `run` is the graph, over the services and the checkpointer that the environment
names, which resumes the thread if there is something to resume.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from agent_graph import Context, build_agent
from agent_graph.checkpoint import open_checkpointer
from agent_graph.cli import main


class Lines(SpanExporter):
    """Appends one line per span."""

    def __init__(self, path: Path, who: str) -> None:
        self._path, self._who = path, who

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a") as lines:
            for span in spans:
                assert span.context is not None
                lines.write(f"{span.context.trace_id:032x}\t{span.name}\t{self._who}\n")
        return SpanExportResult.SUCCESS


async def run(thread: str, task: str) -> None:
    async with open_checkpointer(os.environ["ROLE_TEST_SAVER"]) as saver:
        agent = build_agent(checkpointer=saver)
        config: dict[str, dict[str, str]] = {"configurable": {"thread_id": thread}}
        waiting = (await agent.aget_state(config)).next  # type: ignore[arg-type]
        given = None if waiting else {"task": task}
        context = Context(approval="never", max_replans=0)
        result = await agent.ainvoke(given, config, context=context)  # type: ignore[arg-type]
        evidence = {step: one.model_dump(mode="json") for step, one in result["evidence"].items()}
        print(json.dumps({"answer": result["answer"].text, "evidence": evidence}))


if __name__ == "__main__":
    spans, *arguments = sys.argv[1:]
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Lines(Path(spans), arguments[1])))
    trace.set_tracer_provider(provider)
    if arguments[0] == "run":
        asyncio.run(run(*arguments[1:]))
    else:
        sys.exit(main(arguments))
