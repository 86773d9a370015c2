"""Questions through a server's agent: the same events, the same approval, the same answer as through one's own."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError, NotFoundError

from agent_graph.cli.run import Decide, Ended
from agent_graph.cli.watch import Watch
from agent_graph.errors import UserError
from agent_graph.events import RunStarted, decode
from agent_graph.evidence import Answer
from agent_graph.gateway.failed import why
from agent_graph.state import decode as decode_state

_NAME = "agent_graph_thread"
"""Metadata key under which a conversation's name is kept on the server."""
_PATIENCE = (30.0, None, 30.0, 30.0)
"""Seconds to connect, read, write and wait for a connection; a plan may keep silent for as long as it needs."""


class RemoteSession(NamedTuple):
    """A client of one server, and one event loop, for all questions of a command."""

    runner: asyncio.Runner
    client: LangGraphClient
    url: str
    assistant: str
    knobs: Mapping[str, Any]
    """Those that a person asked for; the others are the assistant's."""

    def ask(self, question: str, *, thread: str | None, watch: Watch, decide: Decide) -> Ended:
        """Ask one question and wait for the answer; without a name for the thread nothing stays on the server.

        Raises UserError when the server cannot be reached, refuses, or its run fails.
        """
        assistant = self._run(self._named())
        place = self._run(self._thread(thread))
        try:
            return self._asked(question, assistant, place, watch, decide)
        finally:
            if thread is None:
                self._run(self._forget(place))

    def _asked(self, question: str, assistant: str, place: str, watch: Watch, decide: Decide) -> Ended:
        given: dict[str, Any] = {
            "assistant_id": assistant,
            "input": {"messages": [{"role": "user", "content": question}]},
            "context": dict(self.knobs),
        }
        mode = ""
        while True:
            with watch:
                values, told = self._run(self._stretch(place, given, watch))
            mode = told or mode
            waiting = values.get("__interrupt__")
            if not waiting:
                return Ended(_typed(values), mode)
            # outside of the loop, which would keep Ctrl-C from the prompt
            given = {"assistant_id": assistant, "command": {"resume": decide(waiting[0]["value"])}}

    def _run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def _named(self) -> str:
        async with _telling(self.url):
            found = await self.client.assistants.search(graph_id="agent", limit=100)
        named = {str(one["name"]): str(one["assistant_id"]) for one in reversed(found)}
        if self.assistant not in named:
            known = ", ".join(sorted(named))
            raise UserError(f"The server has no assistant {self.assistant!r}; it has: {known}.")
        return named[self.assistant]

    async def _thread(self, name: str | None) -> str:
        async with _telling(self.url):
            if name is None:
                return str((await self.client.threads.create())["thread_id"])
            found = await self.client.threads.search(metadata={_NAME: name}, limit=1)
            kept = found[0] if found else await self.client.threads.create(metadata={_NAME: name})
            return str(kept["thread_id"])

    async def _forget(self, place: str) -> None:
        try:
            await self.client.threads.delete(place)
        except (httpx.HTTPError, NotFoundError):
            return  # what ended the run has been told, or is about to be

    async def _stretch(
        self, place: str, given: Mapping[str, Any], watch: Watch
    ) -> tuple[Mapping[str, Any], str]:
        """Run until the end or until a person is asked; return the values, and the mode if it was told."""
        values: dict[str, Any] = {}
        mode, run = "", ""
        async with _telling(self.url):
            async for part in self.client.runs.stream(
                place,
                stream_mode=["custom", "values"],
                on_disconnect="cancel",  # Ctrl-C here ends the run there
                multitask_strategy="reject",
                **given,
            ):
                data: Any = part.data
                if part.event == "metadata":
                    run = str(data.get("run_id", ""))
                elif part.event == "values":
                    values = {**values, **data}
                elif part.event == "error":
                    failed = await why(self.client, place, run, data)
                    raise UserError(f"The server's run failed: {failed}")
                elif part.event == "custom":
                    event = decode(data)
                    mode = event.mode if isinstance(event, RunStarted) else mode
                    watch(event)
        return values, mode


@contextmanager
def open_server(
    url: str, key: str | None, *, assistant: str, knobs: Mapping[str, Any]
) -> Iterator[RemoteSession]:
    """Open a client of a server.

    Raises UserError for an address that is none.
    """
    checked = _checked(url)
    with asyncio.Runner() as runner:
        client = get_client(url=checked, api_key=key, timeout=_PATIENCE)
        try:
            yield RemoteSession(runner, client, checked, assistant, knobs)
        finally:
            runner.run(client.aclose())


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is no address of a server; write it like http://127.0.0.1:2024")
    return url.rstrip("/")


def _typed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the final state with its values as ours: a server sends plain dicts."""
    if not values.get("answer"):
        raise UserError("The server's run ended without an answer. Ask again.")
    run = decode_state(values)  # type: ignore[arg-type]  # a state as JSON
    typed = {
        name: getattr(run, name) for name in ("task", "plan", "evidence", "replans", "usage", "findings")
    }
    return {**typed, "answer": Answer.model_validate(values["answer"])}


@asynccontextmanager
async def _telling(url: str) -> AsyncIterator[None]:
    """Turn what goes wrong between here and the server into a sentence on what to do."""
    try:
        yield
    except APIStatusError as error:
        raise UserError(_refused(error)) from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise UserError(f"No server answers at {url}. Start one with: agent-graph serve") from error
    except httpx.HTTPError as error:
        raise UserError(
            f"The connection to {url} was lost ({type(error).__name__}); the run there was stopped. Ask again."
        ) from error


def _refused(error: APIStatusError) -> str:
    if error.status_code == 401:
        return f"The server wants a key: {error.message} Put yours into AGENT_GRAPH_SERVER_KEY."
    if error.status_code == 409:
        return "This conversation has a run going on. Wait for it, or use another --thread."
    return f"The server refused ({error.status_code}): {error.message}"
