"""Calling a tool, and what it returned: an observation, with its type, its sources, or its error."""

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, Tool
from langgraph.errors import GraphBubbleUp
from pydantic import ValidationError
from typing_extensions import TypedDict

from tools import faults
from tools.errors import NotPlain, ToolsError
from tools.plain import as_text, jsonable

__all__ = ["Observation", "SourceRecord", "ToolExit", "call", "jsonable", "source_record"]

_log = logging.getLogger("tools.observation")
_T = TypeVar("_T")


class SourceRecord(TypedDict):
    """One passage a tool drew on, as plain data from the start; the fields of `agent_graph` Source."""

    document: str
    title: str
    location: str
    passage: str
    start: int
    end: int
    text: str
    score: float | None


@dataclass(frozen=True)
class Observation:
    """What a tool returned. With an `error` there is no value; the error is never text for a value."""

    value: Any = None
    """Plain JSON-like data, with the type the tool gave it."""
    sources: tuple[SourceRecord, ...] = ()
    error: str = ""
    """One sentence on why there is no value."""
    cause: BaseException | None = field(default=None, compare=False)
    """The exception behind the error, if there was one: `faults.is_transient(cause)` says whether to retry."""


class ToolExit(ToolsError, RuntimeError):
    """A tool tried to end the whole process."""


def source_record(
    document: str,
    *,
    title: str = "",
    location: str = "",
    passage: str = "",
    start: int = 0,
    end: int = 0,
    text: str = "",
    score: float | None = None,
) -> SourceRecord:
    """Return a complete record of one source; offsets are characters in the document's text."""
    return SourceRecord(
        document=document,
        title=title,
        location=location,
        passage=passage,
        start=start,
        end=end,
        text=text,
        score=score,
    )


async def call(
    tool: BaseTool, args: Mapping[str, Any], *, call_id: str = "step", config: RunnableConfig | None = None
) -> Observation:
    """Call a tool once and return what came of it; whatever the tool raises becomes `error` and `cause`.

    A tool without asynchronous code runs in a thread of its own, with this task's context variables.
    Cancelling stops asynchronous tools; a thread is left to finish alone and its outcome is dropped.
    Only cancellation of this task and LangGraph's own control flow (GraphBubbleUp) pass through.
    """
    seen: list[Observation] = []
    shell = _recording(tool, seen.append)
    request = {"name": tool.name, "args": dict(args), "id": call_id, "type": "tool_call"}
    try:
        message = await _invoke(shell, request, config)
    except GraphBubbleUp:
        raise
    except asyncio.CancelledError as error:
        if _cancelled_from_outside():
            raise
        return Observation(error=f"{tool.name} was cancelled from within", cause=error)
    except Exception as error:
        return Observation(error=_reason(error), cause=error)
    if isinstance(message, ToolMessage) and message.status == "error":
        return Observation(error=_error_text(message))
    return seen[-1] if seen else _observe(tool, message)[0]


def _recording(tool: BaseTool, record: Callable[[Observation], None]) -> BaseTool:
    """Return a copy that observes what the tool's own code returns, and gives LangChain the plain form of it.

    LangChain turns an output into a message's text or passes it on raw, depending on how it is called:
    the message alone tells a handled error from a value, the raw output alone keeps its type. The copy
    gives both. The code still runs on the original, so a tool that keeps state in itself keeps it.
    """
    _ = getattr(tool, "_injected_args_keys", None)  # computed from the signatures, before they are wrapped
    shell = tool.model_copy()
    run, arun = tool._run, tool._arun

    @functools.wraps(run)
    def recorded_run(*args: Any, **kwargs: Any) -> Any:
        with _no_exit(tool.name):
            output = run(*args, **kwargs)
        observation, plain = _observe(tool, output)
        record(observation)
        return plain

    @functools.wraps(arun)
    async def recorded_arun(*args: Any, **kwargs: Any) -> Any:
        with _no_exit(tool.name):
            output = await arun(*args, **kwargs)
        observation, plain = _observe(tool, output)
        record(observation)
        return plain

    object.__setattr__(shell, "_run", recorded_run)
    object.__setattr__(shell, "_arun", recorded_arun)
    return shell


class _no_exit:  # noqa: N801  # reads as a statement
    """Turn an attempt to end the process into an error: asyncio lets it through to the loop's owner."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise ToolExit(f"{self._name} tried to end the process with {type(error).__name__}") from error


async def _invoke(tool: BaseTool, request: dict[str, Any], config: RunnableConfig | None) -> Any:
    if _is_async(tool):
        return await tool.ainvoke(request, config)
    return await _in_thread(functools.partial(tool.invoke, request, config))


def _is_async(tool: BaseTool) -> bool:
    if getattr(tool, "coroutine", None) is not None:
        return True
    plain = (BaseTool, StructuredTool, Tool)
    own_ainvoke = type(tool).ainvoke not in [kind.ainvoke for kind in plain]
    return own_ainvoke or type(tool)._arun not in [kind._arun for kind in plain]


async def _in_thread(work: Callable[[], _T]) -> _T:
    """Run blocking work in a daemon thread of its own.

    The loop's shared executor has a handful of threads and is joined when the loop closes: one tool that
    hangs would hold up the others, and the end of the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(outcome: _T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(outcome)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        outcome, error = None, None
        try:
            outcome = work()
        except BaseException as raised:
            error = (
                RuntimeError("a tool raised StopIteration") if isinstance(raised, StopIteration) else raised
            )
        try:
            loop.call_soon_threadsafe(settle, outcome, error)
        except RuntimeError:
            _log.info("a tool ended after its run had gone; its outcome is dropped")

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="tool", daemon=True).start()
    return await future


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return faults.one_line(ValueError(f"the arguments do not fit: {wrong}"))
    said = faults.one_line(error)
    return said if isinstance(error, ToolsError) or " " in said else f"{type(error).__name__}: {said}"


def _error_text(message: ToolMessage) -> str:
    text = _joined(message.content)
    return faults.one_line(ValueError(text if isinstance(text, str) else as_text(text))) or "the tool failed"


def _observe(tool: BaseTool, output: Any) -> tuple[Observation, Any]:
    """Return the observation, and the output with its content made plain data.

    Raises NotPlain, naming the tool.
    """
    if isinstance(output, ToolMessage):
        return _of_message(tool, output), output
    pair = tool.response_format == "content_and_artifact" and isinstance(output, tuple) and len(output) == 2
    content, artifact = output if pair else (output, None)
    if isinstance(content, ToolMessage):
        return _of_message(tool, content), output
    try:
        plain = _joined(jsonable(content))
        observation = Observation(value=_value(plain, artifact), sources=tuple(_sources(tool, artifact)))
    except NotPlain as error:
        raise NotPlain(f"{tool.name} {error}") from error
    return observation, (plain, artifact) if pair else plain


def _of_message(tool: BaseTool, message: ToolMessage) -> Observation:
    if message.status == "error":
        return Observation(error=_error_text(message))
    value = _value(_joined(message.content), message.artifact)
    return Observation(value=value, sources=tuple(_sources(tool, message.artifact)))


def _value(plain: Any, artifact: Any) -> Any:
    structured = artifact.get("structured_content") if isinstance(artifact, Mapping) else None
    if structured is None:
        return plain
    # MCP wraps whatever is no object as {"result": ...}
    alone = isinstance(structured, Mapping) and set(structured) == {"result"}
    return jsonable(structured["result"] if alone else structured)


def _joined(content: Any) -> Any:
    """Join LangChain's text blocks into the text they are; anything else stays as it is."""
    if isinstance(content, list) and content and all(map(_is_text_block, content)):
        return "\n".join(block["text"] for block in content)
    return content


def _is_text_block(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "text" and isinstance(item.get("text"), str)


def _sources(tool: BaseTool, artifact: Any) -> list[SourceRecord]:
    offered = artifact.get("sources") if isinstance(artifact, Mapping) else artifact
    if not isinstance(offered, list | tuple):
        return []
    found = [(_source(item), item) for item in offered]
    if isinstance(artifact, Mapping):
        for item in (item for record, item in found if record is None):
            _log.warning("%s gave a source that names no document, a %s", tool.name, type(item).__name__)
    return [record for record, _ in found if record is not None]


def _source(item: Any) -> SourceRecord | None:
    if isinstance(item, str):
        return source_record(item)
    if isinstance(item, Document):  # what LangChain's own retriever tools carry
        about = jsonable(item.metadata)
        name = about.get("source") or about.get("url") or item.id
        found = {"document": name, "title": about.get("title", ""), "text": item.page_content}
    elif isinstance(item, Mapping):
        found = jsonable(item)
    else:
        return None
    return _complete(found)


def _complete(found: Mapping[str, Any]) -> SourceRecord | None:
    if not found.get("document"):
        return None
    score = found.get("score")
    return source_record(
        str(found["document"]),
        title=as_text(found.get("title") or ""),
        location=as_text(found.get("location") or ""),
        passage=as_text(found.get("passage") or ""),
        start=_offset(found.get("start")),
        end=_offset(found.get("end")),
        text=as_text(found.get("text") or ""),
        score=score if isinstance(score, int | float) else None,
    )


def _offset(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
