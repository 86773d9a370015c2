"""What a request may ask of a run; all of it checked before anything is stored or started."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from agent_graph.context import Context

_PLACE = frozenset({"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"})
"""Where a run goes on from; beside these LangGraph sends the knobs themselves."""
_CONFIG = frozenset({"configurable", "tags", "metadata", "recursion_limit"})
_INPUT: Mapping[str, tuple[type, ...]] = {
    "messages": (list, str, dict),
    "task": (str,),
    "folder": (str,),
    "prune": (bool,),
}


class Unfit(ValueError):
    """A request asks for what it may not; the message is one sentence for whoever sent it."""


def check_run(asked: Mapping[str, Any], *, models: Collection[str]) -> None:
    """Check what a run is started with: input, command, config, context, webhook.

    Raises Unfit naming the first thing that is not right.
    """
    if asked.get("webhook"):
        raise Unfit(
            "Webhooks are not offered: no address may come from a request. Stream or join the run instead."
        )
    _check_input(asked.get("input"))
    command = asked.get("command")
    if command and (
        more := set(command) - {"resume"} - {key for key, value in command.items() if value is None}
    ):
        raise Unfit(f"A command may only resume; {sorted(more)[0]!r} would write the state by hand.")
    if more := set(asked.get("config") or {}) - _CONFIG:
        raise Unfit(f"The config takes {', '.join(sorted(_CONFIG))}; not {sorted(more)[0]!r}.")
    check_context(asked.get("context"), models=models)


def check_context(given: Any, *, models: Collection[str]) -> None:
    """Check the knobs of a run.

    Raises Unfit for one that there is not, one out of range, and a model that the operator does not offer.
    """
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise Unfit('The context is an object of knobs, for example {"max_replans": 2}.')
    # what begins so is LangGraph's own; requests are stripped of it
    knobs = {name: value for name, value in given.items() if name not in _PLACE and not name.startswith("__")}
    unknown = sorted(set(knobs) - set(Context.model_fields))
    if unknown:
        raise Unfit(f"There is no knob {unknown[0]!r}. A run takes: {', '.join(Context.model_fields)}.")
    try:
        Context.model_validate(knobs)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Unfit(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    model = knobs.get("model")
    if model and model not in models:
        offered = f"This server offers: {', '.join(models)}." if models else "This server offers no choice."
        raise Unfit(f"The model {model!r} is not offered. {offered}")


def _check_input(given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise Unfit(
            'The input is an object: {"messages": [{"role": "user", "content": "..."}]} or {"task": "..."}.'
        )
    for name, value in given.items():
        if name not in _INPUT:
            raise Unfit(f"The input takes messages or task; not {name!r}.")
        if value is not None and not isinstance(value, _INPUT[name]):
            raise Unfit(f"{name} has the wrong type: {type(value).__name__}.")
    if isinstance(given.get("messages"), list):
        for message in given["messages"]:
            _check_message(message)


def _check_message(message: Any) -> None:
    if isinstance(message, str) or (isinstance(message, list) and len(message) == 2):
        return
    if not isinstance(message, Mapping) or not (message.get("role") or message.get("type")):
        raise Unfit('Each message reads {"role": "user", "content": "..."}.')
    content = message.get("content")
    if not isinstance(content, str | list):
        raise Unfit(f"A message's content is text or a list of blocks, not {type(content).__name__}.")
