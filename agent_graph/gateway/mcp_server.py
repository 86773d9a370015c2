"""The agent as an MCP tool at `/mcp`: a question in, a checked answer with its citations out, steps as progress."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_graph.events import PlanReady, StepFinished
from agent_graph.evidence import Answer
from agent_graph.gateway.progress import told
from agent_graph.gateway.within import AskFailed, Ended, ask, assistants, inside

_INSTRUCTIONS = "Answers questions over the documents of this server: it plans, searches, computes, and cites what it says."


class CitedSource(BaseModel):
    """What one marker of the answer rests on."""

    marker: str
    """As it stands in the answer, for example E1.2."""
    document: str = ""
    """Path or address; empty for a computed value."""
    title: str = ""
    location: str = ""
    quote: str = ""
    claim: str = ""


class CitedAnswer(BaseModel):
    """An answer and what it rests on."""

    text: str
    citations: list[CitedSource]
    unsupported: list[str]
    """Sentences that no evidence supports."""
    insufficient: str
    """What is missing, when the evidence does not suffice."""
    author: str
    """The model that wrote it, or "extractive mode"."""


class McpServer:
    """One MCP server, to be mounted in a server's app."""

    def __init__(self) -> None:
        # Without sessions: each request carries its own credentials, and none can go on with another's session.
        self._server = FastMCP(
            "agent-graph",
            instructions=_INSTRUCTIONS,
            stateless_http=True,
            streamable_http_path="/mcp",
            log_level="ERROR",
            # The gate has looked at addresses and origins already.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._server.add_tool(
            answer,
            name="ask",
            title="Ask the documents",
            annotations=ToolAnnotations(openWorldHint=True),
        )
        self.routes: list[BaseRoute] = list(self._server.streamable_http_app().routes)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve requests while this is entered; once in the life of the process."""
        async with self._server.session_manager.run():
            yield


async def answer(
    question: Annotated[str, Field(description="The question, in a sentence.", min_length=1)],
    context: Context[Any, Any, Request],
    assistant: Annotated[str, Field(description="Which assistant answers.")] = "agent",
) -> CitedAnswer:
    """Answer a question from the documents, with checked citations."""
    request = context.request_context.request
    assert request is not None
    try:
        async with inside(request) as client:
            named = await assistants(client)
            if assistant not in named:
                raise ToolError(
                    f"There is no assistant {assistant!r}; there are: {', '.join(sorted(named))}."
                )
            messages = [{"role": "user", "content": question}]
            async with aclosing(ask(client, named[assistant], messages)) as parts:
                return await _followed(parts, context)
    except AskFailed as error:
        raise ToolError(str(error)) from error


async def _followed(parts: AsyncIterator[Any], context: Context[Any, Any, Request]) -> CitedAnswer:
    """Report every step and return the answer."""
    done, total = 0, 1
    ended: Ended | None = None
    async for part in parts:
        if isinstance(part, Ended):
            ended = part
            continue
        if isinstance(part, PlanReady):
            total = done + len(part.plan.steps) + 1
        done += isinstance(part, StepFinished)
        if line := told(part):
            await context.report_progress(done, max(total, done + 1), line)
    assert ended is not None
    return _cited(Answer.model_validate(ended.values["answer"]))


def _cited(found: Answer) -> CitedAnswer:
    cited = [
        CitedSource(
            marker=one.marker,
            quote=one.quote,
            claim=one.claim,
            **(one.source.model_dump(include={"document", "title", "location"}) if one.source else {}),
        )
        for one in found.citations
    ]
    return CitedAnswer(
        text=found.text,
        citations=cited,
        unsupported=list(found.unsupported),
        insufficient=found.insufficient,
        author=found.author,
    )
