"""HTML and SVG as values: text is escaped where it is put in, so nothing a model or a tool wrote can act."""

from collections.abc import Iterable
from html import escape

from agent_graph.guardrails import printable

_VOID = frozenset({"br", "meta"})


class Markup(str):
    """Text that is markup already; everything else is escaped on its way in."""

    __slots__ = ()


Child = Markup | str | None
"""What an element may contain; None is left out."""


def text(value: str) -> Markup:
    """Return text as markup that shows exactly its printable characters."""
    return value if isinstance(value, Markup) else Markup(escape(printable(value)))


def join(children: Iterable[Child], separator: str = "") -> Markup:
    """Return the children one after the other."""
    return Markup(separator.join(text(child) for child in children if child is not None))


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element; `class_` is class, `stroke_width` is stroke-width, None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    close = "" if name in _VOID else f"{join(children)}</{name}>"
    return Markup(f"<{name}{written}>{close}")


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 2):g}"
