"""Every error agent-graph raises on purpose, and who it speaks to.

AgentGraphError
├── UserError              the caller can mend it; the message says how
│   ├── SettingsError      a setting, a model name, a Context value
│   ├── MissingExtra       a package that is not installed
│   └── ThreadBusy         a second run on a thread that is still running
├── ModelUnavailable       every model of a role failed; extractive mode takes over or the run says so
├── ServiceUnavailable     a role's service could not be reached, refused, or was lost
└── Bug                    an invariant of ours is broken; please report it

Errors of the lower packages (`retrieval.errors`, `tools.errors`) keep their own trees: both raise
subclasses of built-in exceptions that carry one sentence saying what to do. What goes wrong inside a
plan is not an exception at all: it is a `PlanProblem` or an `Evidence` with status "failed".
"""


class AgentGraphError(Exception):
    """Base of everything agent-graph raises on purpose."""


class UserError(AgentGraphError, ValueError):
    """Something the caller can mend; the message is one sentence that says how.

    A ValueError too: of other kinds the LangGraph server tells its clients the name only, not the message.
    """


class SettingsError(UserError):
    """A setting, a model name or a Context value is wrong."""


class MissingExtra(UserError):
    """A feature needs a package that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package!r} is not installed. Install it with: pip install 'agent-graph[{extra}]'")


class ThreadBusy(UserError):
    """A run was started on a thread that still has one running."""


class ModelUnavailable(AgentGraphError):
    """Every model in a role's chain failed; the message lists each with its reason."""


class ServiceUnavailable(AgentGraphError):
    """A role's service could not be reached, refused the call, or was lost while it ran."""

    def __init__(self, message: str, *, begun: bool = False) -> None:
        super().__init__(message)
        self.begun = begun
        """Whether the service may have acted on the call."""


class Bug(AgentGraphError):
    """An invariant of ours does not hold."""
