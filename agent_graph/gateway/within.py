"""Calling the server from inside itself, as the user who called it: through its own doors, with their credentials."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import anyio
import httpx
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError
from starlette.requests import Request

from agent_graph.errors import UserError
from agent_graph.events import Event, decode
from agent_graph.gateway.failed import why

GRAPH = "agent"
_CREDENTIALS = ("authorization", "x-api-key")
_PAGE = 100
"""Assistants asked for at a time: the most that every server gives."""
_CLEARING_S = 10.0
_WAITS = (
    "The plan waits for approval, and nobody can be asked here. Ask another assistant, or use the page at /ui, where "
    "you approve it."
)


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

    It passes gate and authorization like any other: LangGraph's own loopback client would pass neither. The address
    is the one the request's connection ended at, which no header can change.
    """
    host, port = request.scope["server"]
    headers = {name: request.headers[name] for name in _CREDENTIALS if name in request.headers}
    async with httpx.AsyncClient(
        base_url=f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}",
        headers=headers,
        timeout=httpx.Timeout(30, read=None),
        trust_env=False,
    ) as client:
        yield LangGraphClient(client)


async def assistants(client: LangGraphClient) -> dict[str, str]:
    """Return the ids of the assistants of the agent that the user may use, by name."""
    named: dict[str, str] = {}
    found = 0
    with _telling():
        while page := await client.assistants.search(graph_id=GRAPH, limit=_PAGE, offset=found):
            found += len(page)
            for one in page:  # the newest of a name comes first
                named.setdefault(str(one["name"]), str(one["assistant_id"]))
    return named


async def ask(
    client: LangGraphClient, assistant: str, messages: Sequence[Mapping[str, Any]]
) -> AsyncGenerator[Event | Ended, None]:
    """Ask as one run, on a thread that goes with it; yield its events, and last how it ended.

    Raises AskFailed when it is refused or fails, also because a plan waits for a person: nobody is asked here.
    """
    with _telling():
        thread = str((await client.threads.create())["thread_id"])
    try:
        with _telling():
            async for part in _asked(client, thread, assistant, messages):
                yield part
    finally:
        with anyio.move_on_after(_CLEARING_S, shield=True), suppress(APIStatusError, httpx.HTTPError):
            await client.threads.delete(thread)


async def _asked(
    client: LangGraphClient, thread: str, assistant: str, messages: Sequence[Mapping[str, Any]]
) -> AsyncIterator[Event | Ended]:
    values: Mapping[str, Any] = {}
    run = ""
    async for part in client.runs.stream(
        thread,
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
            refused = isinstance(data, Mapping) and data.get("error") == UserError.__name__
            raise AskFailed(await why(client, thread, run, data), 400 if refused else 500)
    if values.get("__interrupt__"):
        raise AskFailed(_WAITS, 400)
    if not values.get("answer"):
        raise AskFailed("The run ended without an answer.")
    yield Ended(values, run)


@contextmanager
def _telling() -> Iterator[None]:
    """Turn the server's refusals into ours, with their sentence."""
    try:
        yield
    except APIStatusError as error:
        raise AskFailed(error.message, error.status_code) from error
