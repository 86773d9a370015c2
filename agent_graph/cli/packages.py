"""Whether the packages that Python finds under our names are ours."""

from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
"""The folder that holds agent_graph, and must hold its two neighbours."""

NEIGHBOURS = ("tools", "retrieval")
"""Packages with common names that are installed beside agent_graph."""


def foreign() -> dict[str, str]:
    """Return, by name, where Python finds a neighbour that does not lie beside agent_graph; "" for nowhere."""
    places = {name: _place(name) for name in NEIGHBOURS}
    return {name: str(place or "") for name, place in places.items() if place != HOME / name}


def _place(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin else None
