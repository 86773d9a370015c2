"""Tools that answer as recorded. Needs langchain-core only: NeMo's environment uses it too."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import Field, create_model


class Replay:
    """The observations of one run at a time, by call."""

    def __init__(self, described: Sequence[Mapping[str, Any]]) -> None:
        self.tools = [self._tool(one) for one in described]
        self._defaults = {
            one["name"]: {name: said["default"] for name, said in one["args"].items() if "default" in said}
            for one in described
        }
        self._observed: dict[str, deque[Any]] = {}

    def load(self, calls: Sequence[tuple[str, Mapping[str, Any], Any]]) -> None:
        """Take a run's calls: tool, arguments, observation."""
        self._observed.clear()
        for tool, args, observation in calls:
            given = {**self._defaults[tool], **args}
            self._observed.setdefault(_key(tool, given), deque()).append(observation)

    def _tool(self, described: Mapping[str, Any]) -> BaseTool:
        name = described["name"]

        def call(**given: Any) -> Any:
            return self._observed[_key(name, given)].popleft()

        fields: dict[str, Any] = {
            argument: (Any, Field(default=said["default"], title=said["title"]))
            if "default" in said
            else (str, Field(description=said["description"]))
            for argument, said in described["args"].items()
        }
        return StructuredTool.from_function(
            func=call,
            name=name,
            description=described["description"],
            args_schema=create_model(name, **fields),
        )


def _key(tool: str, args: Mapping[str, Any]) -> str:
    given = {name: value for name, value in args.items() if value is not None}
    return json.dumps([tool, given], sort_keys=True)
