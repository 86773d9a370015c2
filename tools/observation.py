"""Calling a tool, and what it returned: an observation, with its type, its sources, or its error."""

import asyncio
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, Tool
from langgraph.errors import GraphBubbleUp
from pydantic import ValidationError
from typing_extensions import TypedDict

from tools import faults
from tools.containment import in_task, in_thread
from tools.errors import NotPlain, ToolExit, ToolsError
from tools.plain import as_text, fresh, jsonable

__all__ = ["Observation", "SourceRecord", "ToolExit", "call", "jsonable", "source_record"]

_log = logging.getLogger("tools.observation")


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
    Cancelling stops asynchronous tools; a thread, and a tool that ignores its cancellation for
    `containment.GRACE_S`, is left to finish alone and its outcome is dropped. The tool gets a copy of the
    lists and dicts in `args`. Only cancellation of this task and LangGraph's own control flow
    (GraphBubbleUp) pass through.
    """
    record = _Record()
    shell = _recording(tool, record)
    request = {"name": tool.name, "args": fresh(dict(args)), "id": call_id, "type": "tool_call"}
    try:
        message = await _invoke(shell, request, config)
    except GraphBubbleUp:
        raise
    except asyncio.CancelledError as error:
        if _cancelled_from_outside():
            raise
        return Observation(error=f"{tool.name} was cancelled from within", cause=error)
    except Exception as error:
        return Observation(error=_reason(error, began=record.began), cause=error)
    if isinstance(message, ToolMessage) and message.status == "error":
        return Observation(error=_error_text(message))
    if record.observation is not None:
        return record.observation
    try:
        return _observe(tool, message)[0]
    except NotPlain as error:
        return Observation(error=faults.one_line(error), cause=error)


@dataclass
class _Record:
    """What a call came to, as seen from inside."""

    began: bool = False
    """Whether the tool's own code was reached: LangChain found its arguments right."""
    observation: Observation | None = None


def _recording(tool: BaseTool, record: _Record) -> BaseTool:
    """Return a copy that observes what the tool's own code returns, and gives LangChain the plain form of it.

    LangChain turns an output into a message's text or passes it on raw, depending on how it is called:
    the message alone tells a handled error from a value, the raw output alone keeps its type. The copy
    gives both. The code still runs on the original, so a tool that keeps state in itself keeps it.
    """
    _ = getattr(tool, "_injected_args_keys", None)  # computed from the signatures, before they are wrapped
    shell = tool.model_copy()
    run, arun = tool._run, tool._arun

    def observed(output: Any) -> Any:
        record.observation, plain = _observe(tool, output)
        return plain

    @functools.wraps(run)
    def recorded_run(*args: Any, **kwargs: Any) -> Any:
        record.began = True
        return observed(run(*args, **kwargs))

    @functools.wraps(arun)
    async def recorded_arun(*args: Any, **kwargs: Any) -> Any:
        record.began = True
        return observed(await in_task(arun(*args, **kwargs), tool.name))

    object.__setattr__(shell, "_run", recorded_run)
    object.__setattr__(shell, "_arun", recorded_arun)
    return shell


async def _invoke(tool: BaseTool, request: dict[str, Any], config: RunnableConfig | None) -> Any:
    if _has_own_ainvoke(tool):
        return await in_task(tool.ainvoke(request, config), tool.name)
    if _is_async(tool):
        return await tool.ainvoke(request, config)
    return await in_thread(functools.partial(tool.invoke, request, config), tool.name)


_PLAIN_KINDS = (BaseTool, StructuredTool, Tool)


def _has_own_ainvoke(tool: BaseTool) -> bool:
    return type(tool).ainvoke not in [kind.ainvoke for kind in _PLAIN_KINDS]


def _is_async(tool: BaseTool) -> bool:
    own_arun = type(tool)._arun not in [kind._arun for kind in _PLAIN_KINDS]
    return own_arun or getattr(tool, "coroutine", None) is not None


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: Exception, *, began: bool) -> str:
    if isinstance(error, ValidationError):
        faulty = error.errors(include_url=False, include_input=False)[:20]
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or error.title}: {item['msg']}" for item in faulty
        )
        about = f"{error.title} does not fit" if began else "the arguments do not fit"
        return faults.one_line(ValueError(f"{about}: {wrong}"))
    said, kind = faults.one_line(error), type(error).__name__
    return said if isinstance(error, ToolsError) or " " in said or said == kind else f"{kind}: {said}"


def _error_text(message: ToolMessage) -> str:
    text = _joined(message.content)
    return faults.one_line(ValueError(text if isinstance(text, str) else as_text(text))) or "the tool failed"


def _observe(tool: BaseTool, output: Any) -> tuple[Observation, Any]:
    """Return the observation, and the output with its content made plain data.

    Raises NotPlain, naming the tool.
    """
    pair = tool.response_format == "content_and_artifact" and isinstance(output, tuple) and len(output) == 2
    content, artifact = output if pair else (output, None)
    message = content if isinstance(content, ToolMessage) else None
    if message is not None:
        content, artifact = message.content, message.artifact
        if message.status == "error":
            return Observation(error=_error_text(message)), output
    try:
        plain = _joined(jsonable(content))
        observation = Observation(value=_value(plain, artifact), sources=tuple(_sources(tool, artifact)))
    except NotPlain as error:
        raise NotPlain(f"{tool.name} {error}") from error
    if message is not None:
        return observation, output
    return observation, (plain, artifact) if pair else plain


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
    described = jsonable([_described(item) for item in offered])  # all together within the size of a value
    records = [_complete(found) for found in described]
    if isinstance(artifact, Mapping):
        for item, record in zip(offered, records, strict=True):
            if record is None:
                _log.warning("%s gave a source that names no document, a %s", tool.name, type(item).__name__)
    return [record for record in records if record is not None]


def _described(item: Any) -> Mapping[str, Any]:
    if isinstance(item, str):
        return {"document": item}
    if isinstance(item, Document):  # what LangChain's own retriever tools carry
        about = item.metadata
        name = about.get("source") or about.get("url") or item.id
        return {"document": name, "title": about.get("title", ""), "text": item.page_content}
    if isinstance(item, Mapping) and item.get("document"):
        return {name: item[name] for name in SourceRecord.__annotations__ if name in item}
    return {}


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
