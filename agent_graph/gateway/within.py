"""Calling the server from inside itself, as the user who called it: through its own doors, with their credentials."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import httpx
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError
from starlette.requests import Request

from agent_graph.errors import UserError
from agent_graph.events import Event, decode

GRAPH = "agent"
_CREDENTIALS = ("authorization", "x-api-key")


class AskFailed(Exception):
    """A question got no answer."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status that fits."""


class Ended(NamedTuple):
    """A run that came to its end."""

    values: Mapping[str, Any]
    """The final state, as the server sends it."""
    run: str
    """Its id."""


@asynccontextmanager
async def inside(request: Request) -> AsyncIterator[LangGraphClient]:
    """Open a client of the server that this request came to.

    It passes gate and authorization like any other: LangGraph's own loopback client would pass neither.
    """
    from langgraph_api.asgi_transport import ASGITransport

    headers = {name: request.headers[name] for name in _CREDENTIALS if name in request.headers}
    transport = ASGITransport(app=request.app)
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://127.0.0.1",
        headers=headers,
        timeout=httpx.Timeout(30, read=None),
    ) as client:
        yield LangGraphClient(client)


async def assistants(client: LangGraphClient) -> dict[str, str]:
    """Return the ids of the assistants of the agent that the user may use, by name."""
    with _telling():
        found = await client.assistants.search(graph_id=GRAPH, limit=1000)
    return {str(one["name"]): str(one["assistant_id"]) for one in reversed(found)}


async def ask(
    client: LangGraphClient, assistant: str, messages: Sequence[Mapping[str, Any]]
) -> AsyncIterator[Event | Ended]:
    """Ask as one run without a thread; yield its events, and last how it ended.

    Raises AskFailed when it is refused or fails, also because a plan waits for a person: nobody is asked here.
    """
    values: Mapping[str, Any] = {}
    run = ""
    with _telling():
        async for part in client.runs.stream(
            None,
            assistant,
            input={"messages": list(messages)},
            stream_mode=["custom", "values"],
            on_disconnect="cancel",
        ):
            data: Any = part.data
            if part.event == "metadata":
                run = str(data.get("run_id", ""))
            elif part.event == "custom":
                yield decode(data)
            elif part.event == "values":
                values = {**values, **data}
            elif part.event == "error":
                raise _failure(data)
    if not values.get("answer"):
        raise AskFailed("The run ended without an answer.")
    yield Ended(values, run)


def _failure(data: Any) -> AskFailed:
    told = data if isinstance(data, Mapping) else {"message": str(data)}
    status = 400 if told.get("error") == UserError.__name__ else 500
    return AskFailed(str(told.get("message") or "The run failed."), status)


@contextmanager
def _telling() -> Iterator[None]:
    """Turn the server's refusals into ours, with their sentence."""
    try:
        yield
    except APIStatusError as error:
        raise AskFailed(error.message, error.status_code) from error
