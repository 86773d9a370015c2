"""`agent-graph demo`: three questions over a real document, shown from plan to cited answer."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_graph.cli.options import AsJson

if TYPE_CHECKING:
    from agent_graph.cli.run import Session
    from agent_graph.cli.watch import Watch
    from retrieval.ingest import IngestReport

DOCUMENT = "state_of_the_union.txt"


class _Shown(NamedTuple):
    """A question, and what is worth watching when it is answered."""

    question: str
    note: str


QUESTIONS = (
    _Shown(
        "How many Americans applied to start a small business over the last two years?",
        "A look-up: one search, and the sentence that answers.",
    ),
    _Shown(
        "How many more jobs were created in two years than manufacturing jobs?",
        "The document never says this number: two searches side by side, a figure out of each, a calculation.",
    ),
    _Shown(
        "What did the speech say about the budget of the Mars colony?",
        "Nothing in the document answers this, and the agent has to say so.",
    ),
)

_NEXT = """\
Try next
  agent-graph ask "How much does insulin cost a month for seniors on Medicare?"
  agent-graph explain --thread demo-2 --html run.html    the second run again, as a page
  agent-graph ingest PATH                                your own documents
  agent-graph doctor                                     what works here, and what is missing\
"""
_WITH_A_MODEL = """\
With a language model, the same command plans and answers with it:
  export OPENAI_API_KEY=...                              or, for any OpenAI-compatible server,
  export OPENAI_BASE_URL=http://localhost:11434/v1
  agent-graph demo\
"""


def command(as_json: AsJson = False) -> None:
    """Watch the agent answer three questions over a State of the Union address."""
    from importlib.resources import as_file, files

    if not as_json:
        _tell("agent-graph", "plan once, run the plan as a dataflow, answer once with checked citations")
    from agent_graph.bootstrap import DEMO_COLLECTION, choose_models, open_default_knowledge
    from agent_graph.cli import console
    from agent_graph.cli.run import open_session
    from agent_graph.settings import read_settings

    settings = read_settings()
    with ExitStack() as stack:
        document = stack.enter_context(as_file(files("agent_graph") / "samples" / DOCUMENT))
        knowledge = stack.enter_context(open_default_knowledge(settings, DEMO_COLLECTION))
        report = knowledge.ingest(document, root=document.parent)
        session = stack.enter_context(open_session(settings, knowledge, kept=True))
        if as_json:
            console.print_json(_record(session, report))
        else:
            _show(session, report, choose_models(None, settings).mode)


def _record(session: "Session", report: "IngestReport") -> dict[str, Any]:
    from agent_graph.bootstrap import DEMO_COLLECTION
    from agent_graph.cli import record
    from agent_graph.cli.watch import Blind

    return {
        "document": record.ingest_record(report, collection=DEMO_COLLECTION),
        "runs": [_ask(session, number, Blind())[1] for number in range(1, len(QUESTIONS) + 1)],
    }


def _show(session: "Session", report: "IngestReport", mode: str) -> None:
    from rich.text import Text

    from agent_graph.cli import console
    from agent_graph.cli.ask import show
    from agent_graph.cli.sources import mode_line
    from agent_graph.cli.watch import watch_on
    from agent_graph.models import EXTRACTIVE_MODE

    screen = console.out()
    done = "ingested" if report.counts.get("unchanged") is None else "already ingested"
    held = console.counted(report.passages, "passage")
    took = console.seconds(report.seconds)
    _tell("document", f"{DOCUMENT}, a speech of 2023: {done}, {held}, {took}")
    _tell("mode", mode_line(mode))
    for number, (question, note) in enumerate(QUESTIONS, start=1):
        screen.print()
        screen.rule(
            Text(f" {number} of {len(QUESTIONS)} ", style=console.QUIET), style=console.QUIET, align="left"
        )
        screen.print(Text(question, style="bold"), Text(note, style=console.QUIET), Text(), sep="\n")
        ended, _ = _ask(session, number, watch_on(screen))
        show(ended, say_mode=False)
    screen.print()
    screen.rule(style=console.QUIET)
    screen.print(Text(_NEXT + ("\n\n" + _WITH_A_MODEL if mode == EXTRACTIVE_MODE else "")), soft_wrap=True)


def _ask(session: "Session", number: int, watch: "Watch") -> tuple[Any, dict[str, Any]]:
    """Ask one of the questions, in a thread of its own that starts afresh."""
    from agent_graph.cli import approve, record

    thread = f"demo-{number}"
    session.forget(thread)
    question = QUESTIONS[number - 1].question
    ended = session.ask(question, thread=thread, watch=watch, decide=approve.approved)
    return ended, record.run_record(ended.state, mode=ended.mode, thread=thread)


def _tell(head: str, told: str) -> None:
    from rich.text import Text

    from agent_graph.cli import console

    console.out().print(Text.assemble((head.ljust(13), "bold"), told), soft_wrap=True)
