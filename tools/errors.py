"""Every error the tools raise on purpose, and who it speaks to.

ToolsError
├── CatalogError       the caller: a tool, a name or a mark that cannot stand in a catalogue
├── BadArguments       the plan: arguments that do not fit a tool's schema; `faults` lists every one
├── NotPlain           the tool's author: a returned value that is no plain data, or too large
├── ToolExit           the tool's author: it raised what ends more than its own call
└── ToolRefusal        the plan: a tool refuses what it was asked; asking again will not help
Unreachable            nobody's fault: a service did not answer; asking again may help

ToolRefusal is also LangChain's ToolException, and Unreachable a built-in ConnectionError, so that
whoever runs our tools outside of agent-graph sees the kinds they already know.
"""

from langchain_core.tools import ToolException


class ToolsError(Exception):
    """Base of what the tools raise on purpose; the message is one sentence that says what to do."""


class CatalogError(ToolsError, ValueError):
    """A tool cannot be listed as given."""


class BadArguments(ToolsError, ValueError):
    """Arguments do not fit a tool's schema; the message lists every fault."""


class NotPlain(ToolsError, TypeError):
    """A value cannot be turned into plain JSON-like data without losing its meaning, or is too large."""


class ToolExit(ToolsError, RuntimeError):
    """A tool tried to end the process, or raised what is no Exception."""


class ToolRefusal(ToolsError, ToolException):
    """A tool refuses what it was asked, for a reason the plan can act on."""


class Unreachable(ConnectionError):
    """A service on the network did not answer as it should."""
