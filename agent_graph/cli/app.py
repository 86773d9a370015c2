"""The command `agent-graph`: its subcommands, its global options, and how every run of it ends."""

import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from agent_graph.cli import ask, demo, doctor, explain, ingest, jobs, keys, plan, role, search, serve
from agent_graph.cli import eval as evaluation
from agent_graph.cli.failure import STOPPED, tell

app = typer.Typer(
    name="agent-graph",
    help="Answers questions over your documents: plans once, runs the plan as a dataflow, cites what it says.",
    epilog="Exit codes: 0 done, 1 could not do it, 2 wrong usage, 130 stopped by Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.command)
app.command("ingest")(ingest.command)
app.command("search")(search.command)
app.command("plan")(plan.command)
app.command("ask")(ask.command)
app.command("explain")(explain.command)
app.command("eval")(evaluation.command)
app.command("serve")(serve.command)
app.command("role")(role.command)
app.add_typer(keys.app, name="keys")
app.add_typer(jobs.app, name="jobs")
app.command("doctor")(doctor.command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 could not, 2 wrong usage, 130 stopped."""
    args, debug = _without_debug(list(sys.argv[1:] if argv is None else argv))
    if argv is None:
        _prepare(debug)  # this process is ours: streams, warnings and the log are set up for a person
    try:
        code = app(args, prog_name="agent-graph", standalone_mode=False)
    except BaseException as error:
        return tell(error, debug=debug)
    if code == STOPPED:
        return tell(KeyboardInterrupt(), debug=debug)
    return code if isinstance(code, int) else 0


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=lambda wanted: _version(wanted))
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback when something fails, and more of the log.")
    ] = False,
) -> None:
    del version, debug  # both are done before a command is reached


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"agent-graph {version('agent-graph')}")
        raise typer.Exit


def _without_debug(args: list[str]) -> tuple[list[str], bool]:
    """Take `--debug` out wherever it stands: people add it to the end of the line that failed."""
    end = args.index("--") if "--" in args else len(args)
    options = [word for word in args[:end] if word != "--debug"]
    return [*options, *args[end:]], len(options) < end


def _prepare(debug: bool) -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fail
    if not sys.warnoptions and not debug:
        warnings.simplefilter("ignore")  # what libraries tell programmers
    handler = logging.StreamHandler()
    handler.setFormatter(_Harmless("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO if debug else logging.ERROR, handlers=[handler])


class _Harmless(logging.Formatter):
    """Log lines may quote documents and models: no escape sequence and no key gets through."""

    def format(self, record: logging.LogRecord) -> str:
        from agent_graph.guardrails import printable, redact

        return printable(redact(super().format(record)))
