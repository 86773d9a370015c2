"""`agent-graph demo`: three questions over a real document, shown from plan to cited answer."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_graph.cli.options import AsJson

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from agent_graph.cli.run import Session
    from agent_graph.cli.watch import Watch
    from retrieval.ingest import IngestReport
    from retrieval.knowledge import Knowledge

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

    from agent_graph.bootstrap import DEMO_COLLECTION, open_default_knowledge
    from agent_graph.cli import console
    from agent_graph.cli.run import Session
    from agent_graph.settings import read_settings

    settings = read_settings()
    with ExitStack() as stack:
        document = stack.enter_context(as_file(files("agent_graph") / "samples" / DOCUMENT))
        knowledge = stack.enter_context(open_default_knowledge(settings, collection=DEMO_COLLECTION))
        session = Session(settings, knowledge)
        if as_json:
            console.print_json(_record(session, document, knowledge))
        else:
            _show(session, document, knowledge)


def _record(session: "Session", document: "Path", knowledge: "Knowledge") -> dict[str, Any]:
    from agent_graph.cli import record
    from agent_graph.cli.watch import Blind

    report = _ingest(knowledge, document)
    return {
        "document": record.ingest_record(report, collection=knowledge.name),
        "runs": [_ask(session, number, Blind())[1] for number in range(1, len(QUESTIONS) + 1)],
    }


def _show(session: "Session", document: "Path", knowledge: "Knowledge") -> None:
    from rich.text import Text

    from agent_graph.bootstrap import choose_models
    from agent_graph.cli import console
    from agent_graph.cli.ask import show
    from agent_graph.cli.sources import mode_line
    from agent_graph.cli.watch import watch_on
    from agent_graph.models import EXTRACTIVE_MODE

    screen = console.out()
    _tell(screen, "agent-graph", "plan once, run the plan as a dataflow, answer once with checked citations")
    report = _ingest(knowledge, document)
    done = "ingested" if report.counts.get("unchanged") is None else "already ingested"
    held = console.counted(report.passages, "passage")
    _tell(
        screen, "document", f"{DOCUMENT}, a speech of 2023: {done}, {held}, {console.seconds(report.seconds)}"
    )
    mode = choose_models(None, session.settings).mode
    _tell(screen, "mode", mode_line(mode))
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
    from agent_graph.cli.run import ask

    thread = f"demo-{number}"
    question = QUESTIONS[number - 1].question
    ended = ask(session, question, thread=thread, watch=watch, decide=approve.approved, afresh=True)
    return ended, record.run_record(ended.state, mode=ended.mode, thread=thread)


def _ingest(knowledge: "Knowledge", document: "Path") -> "IngestReport":
    return knowledge.ingest(document, root=document.parent)


def _tell(screen: "Console", head: str, told: str) -> None:
    from rich.text import Text

    screen.print(Text(head.ljust(13), style="bold") + Text(told), soft_wrap=True)
