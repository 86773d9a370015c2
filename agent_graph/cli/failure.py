"""How a command ends that could not do its work: one sentence on stderr, and an exit code."""

import sys
import traceback
from typing import NamedTuple

import typer

COULD_NOT = 1
WRONG_USAGE = 2
STOPPED = 130
"""What shells report for Ctrl-C."""


class Stopped(Exception):
    """A person pressed Ctrl-C; the message says what was kept."""


_OURS = ("agent_graph", "tools", "retrieval")


class Failure(NamedTuple):
    """What to tell a person, and the exit code."""

    message: str
    code: int = COULD_NOT


def tell(error: BaseException, *, debug: bool) -> int:
    """Print what went wrong on stderr, with the traceback if asked, and return the exit code."""
    from agent_graph.guardrails import printable, redact

    failure = explain(error)
    if debug and failure.code == COULD_NOT:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(printable(redact(text)))
    if failure.message:
        sys.stderr.write(printable(redact(failure.message)).strip() + "\n")
    return failure.code


def explain(error: BaseException) -> Failure:
    """Return the sentence for an error; what nobody foresaw is called a bug, because it is one."""
    if isinstance(error, KeyboardInterrupt | typer.Abort | Stopped):
        return Failure(str(error) or "Stopped.", STOPPED)
    if isinstance(error, SystemExit):
        return Failure("", error.code if isinstance(error.code, int) else COULD_NOT)
    if isinstance(error, typer.TyperException):
        return Failure(_usage(error), error.exit_code)
    if isinstance(error, BrokenPipeError):
        _close_stdout()
        return Failure("")
    return Failure(_foreseen(error) or _bug(error))


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None or type(error).__name__ == "NoArgsIsHelpError":
        return message
    return f"{message.rstrip('.')}. See: {context.command_path} --help"


def _foreseen(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return _import(error)
    if isinstance(error, _expected()):
        return str(error)
    if type(error).__name__ == "ValidationError" and getattr(error, "title", "") == "agent-graph run":
        return _context(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"Cannot use {str(error.filename)!r}: {error.strerror}. Check the path and its permissions."
    return ""


def _expected() -> tuple[type[BaseException], ...]:
    from agent_graph.errors import AgentGraphError
    from retrieval.errors import RetrievalError
    from tools.errors import ToolsError

    return (AgentGraphError, RetrievalError, ToolsError)


def _import(error: ImportError) -> str:
    """Tell a stranger's `tools` or `retrieval` from a package that is not there."""
    from agent_graph.cli.packages import foreign

    strangers = foreign()
    if strangers:
        name, where = next(iter(strangers.items()))
        return (
            f"Python finds a package {name!r} at {where} that is not agent-graph's. Take it off PYTHONPATH or "
            "uninstall it; `agent-graph doctor` shows all of them."
        )
    name = (error.name or "").partition(".")[0]
    if not name or name in _OURS:
        return ""
    return f"The package {name!r} cannot be imported ({error}). Install it with: pip install agent-graph"


def _context(error: BaseException) -> str:
    first = error.errors()[0]  # type: ignore[attr-defined]
    return f"{first['loc'][0]}={first['input']!r} is not usable: {first['msg']}."


def _bug(error: BaseException) -> str:
    told = " ".join(str(error).split())[:300]
    return (
        f"This is a bug in agent-graph ({type(error).__name__}: {told}). "
        "Run the same command with --debug and report what it prints."
    )


def _close_stdout() -> None:
    """Keep Python from complaining at exit that nobody reads any more."""
    import os

    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
