"""Tools without their code: what a planner and a graph have to know of tools that live in the worker service."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from langchain_core.tools import StructuredTool
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tools.catalog import Catalog, ToolSpec
from tools.errors import ToolRefusal


class ToolCard(BaseModel):
    """One tool as a plan sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    arguments: dict[str, Any]
    """Their JSON schema."""
    effects: Literal["reads", "writes", "unknown"]
    idempotent: bool
    returns: str | dict[str, Any] | None = None
    fallback: str | None = None
    examples: tuple[str, ...] = ()


_CARDS = TypeAdapter(tuple[ToolCard, ...])


def cards_of(catalog: Catalog) -> tuple[ToolCard, ...]:
    """Return the card of each tool, in the catalogue's order."""
    return tuple(map(_card, catalog.values()))


def catalog_of(cards: Sequence[ToolCard]) -> Catalog:
    """Return a catalogue of tools that can be planned with and checked, and that refuse to be called here.

    Raises tools.errors.CatalogError for a card that describes no tool.
    """
    return _catalog(_CARDS.dump_json(tuple(cards)))


@lru_cache(maxsize=8)
def _catalog(cards: bytes) -> Catalog:
    # A graph sends the same cards with every question; reading schemas takes longer than the rest of a hop.
    return Catalog(map(_tool, _CARDS.validate_json(cards)))


def _card(spec: ToolSpec) -> ToolCard:
    returns = spec.returns
    return ToolCard(
        name=spec.name,
        description=spec.description,
        arguments=dict(spec.schema),
        effects=spec.effects,
        idempotent=spec.idempotent,
        returns=returns if returns is None or isinstance(returns, str) else dict(returns),
        fallback=spec.fallback,
        examples=spec.examples,
    )


def _tool(card: ToolCard) -> StructuredTool:
    def refuse(**_: Any) -> str:
        raise ToolRefusal(f"{card.name} can be called in the worker service only")

    return StructuredTool(
        name=card.name,
        description=card.description,
        args_schema=card.arguments,
        func=refuse,
        metadata={
            "effects": card.effects,
            "idempotent": card.idempotent,
            "returns": card.returns,
            "fallback": card.fallback,
            "examples": card.examples,
        },
    )
