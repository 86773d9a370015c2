"""The catalogue: which tools a plan may call, and what each of them takes, returns and does."""

import difflib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from langchain_core.tools import BaseTool

from tools.arguments import ArgumentFault, FaultKind, coerce, fit, validate
from tools.errors import CatalogError
from tools.offer import Offer, default_tools
from tools.signature import signature
from tools.spec import Effects, Returns, ToolSpec, as_tool, check_effects, read

__all__ = [
    "ArgumentFault",
    "Catalog",
    "Effects",
    "FaultKind",
    "Offer",
    "Returns",
    "ToolSpec",
    "coerce",
    "default_tools",
    "fit",
    "signature",
    "validate",
]

_log = logging.getLogger("tools.catalog")


class Catalog(Mapping[str, ToolSpec]):
    """Tools by name, in the order given; it never changes."""

    def __init__(
        self,
        tools: Iterable[BaseTool | Callable[..., Any]],
        effects: Mapping[str, Effects] | None = None,
    ) -> None:
        """List tools, or functions with a docstring; `effects` marks those that do not say it themselves.

        Raises CatalogError for a duplicate, a name a plan cannot write, a schema that cannot be checked,
        or a mark for a tool that is not there.
        """
        listed = [as_tool(tool) for tool in tools]
        marks = {name: check_effects(name, mark) for name, mark in (effects or {}).items()}
        self._refuse_duplicates([tool.name for tool in listed])
        self._specs = {tool.name: read(tool, marks.get(tool.name)) for tool in listed}
        for name in marks:
            self._require(name, f"effects= marks {name!r}")
        self._say_unmarked()

    def __getitem__(self, name: str) -> ToolSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __repr__(self) -> str:
        return f"Catalog({', '.join(self._specs)})"

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The argument names of each tool, in order: what a reader of plans names positional ones after."""
        return {name: list(spec.properties) for name, spec in self._specs.items()}

    def nearest(self, name: str) -> str | None:
        """Return the name most like `name`, or None when nothing comes close."""
        names = {known.lower(): known for known in self._specs}
        wanted = name.lower()
        close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
        inside = [known for known in names if len(wanted) > 2 and (wanted in known or known in wanted)]
        return names[(close or inside)[0]] if close or inside else None

    def subset(self, names: Collection[str]) -> "Catalog":
        """Return a catalogue of only these tools, in this catalogue's order.

        Raises CatalogError for a name that is not here.
        """
        for name in names:
            self._require(name, f"the subset asks for {name!r}")
        smaller = Catalog.__new__(Catalog)
        smaller._specs = {name: spec for name, spec in self._specs.items() if name in names}
        return smaller

    def fallback(self, name: str) -> ToolSpec | None:
        """Return the tool to call when `name` fails, if it names one that is listed here."""
        other = self._specs[name].fallback
        return self._specs.get(other) if other else None

    def _require(self, name: str, who: str) -> None:
        if name not in self._specs:
            near = self.nearest(name)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(self._specs) or 'no tools'}"
            raise CatalogError(f"{who}, which is no tool of this catalogue; {hint}")

    def _refuse_duplicates(self, names: list[str]) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CatalogError(
                f"more than one tool is named {', '.join(map(repr, twice))}; rename all but one"
            )

    def _say_unmarked(self) -> None:
        unmarked = [name for name, spec in self._specs.items() if spec.effects == "unknown"]
        if unmarked:
            _log.warning(
                "%s %s not say whether calling changes anything, so never started early nor retried: mark with "
                'metadata={"effects": "reads"} on the tool, or effects={"%s": "reads"} (or "writes")',
                ", ".join(unmarked),
                "does" if len(unmarked) == 1 else "do",
                unmarked[0],
            )
