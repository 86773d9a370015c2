"""Stand-ins for what a test cannot have: a model, time, a failing tool, a provider's server.

Each is a real implementation of the real interface, driven by a script; nothing is patched.
"""

from typing import TYPE_CHECKING, Any

from agent_graph.testing.clock import Clock, FakeClock, RealClock
from agent_graph.testing.model import ModelCall, ScriptedModel
from agent_graph.testing.script import Drop, ScriptUsedUp, Stall
from agent_graph.testing.tool import FlakyTool, recording_tool, slow_tool

if TYPE_CHECKING:
    from agent_graph.testing.fault import Fault
    from agent_graph.testing.openai_server import OpenAIServer, ServerRequest

__all__ = [
    "Clock",
    "Drop",
    "FakeClock",
    "Fault",
    "FlakyTool",
    "ModelCall",
    "OpenAIServer",
    "RealClock",
    "ScriptUsedUp",
    "ScriptedModel",
    "ServerRequest",
    "Stall",
    "recording_tool",
    "slow_tool",
]


def __getattr__(name: str) -> Any:
    # The server brings Starlette and uvicorn with it, and runs as a module of its own.
    if name == "Fault":
        from agent_graph.testing.fault import Fault

        return Fault
    if name in ("OpenAIServer", "ServerRequest"):
        from agent_graph.testing import openai_server

        return getattr(openai_server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
