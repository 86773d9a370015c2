"""MCP tools from a real server over stdio, as the catalogue lists them and the worker calls them."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from langchain_core.tools import BaseTool

from tools.catalog import Catalog, coerce, signature, validate
from tools.observation import call

pytest.importorskip("langchain_mcp_adapters", reason="needs the extra mcp")

SERVER = '''
from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations
from pydantic import BaseModel

server = FastMCP("shop", log_level="ERROR")

class Item(BaseModel):
    sku: str
    price: float

@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def item(sku: str, count: int = 1) -> Item:
    """Look up one item. It is quick."""
    return Item(sku=sku, price=2.5 * count)

@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def prices(skus: list[str]) -> list[float]:
    """Look up many prices."""
    return [2.5 for _ in skus]

@server.tool(annotations=ToolAnnotations(idempotentHint=True))
def pay(amount: int) -> str:
    """Pay."""
    if amount > 100:
        raise ValueError("too dear")
    return f"paid {amount}"

@server.tool(structured_output=False)
def note(text: str) -> str:
    """Keep a note."""
    return text

server.run("stdio")
'''


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[list[BaseTool]]:
    """Start the server and hold one session with it."""
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.tools import load_mcp_tools

    script = folder / "server.py"
    script.write_text(SERVER)
    connection = {"transport": "stdio", "command": sys.executable, "args": [str(script)]}
    client = MultiServerMCPClient({"shop": connection})  # type: ignore[dict-item]
    async with client.session("shop") as session:
        yield await load_mcp_tools(session)


async def test_a_server_of_tools_is_listed_checked_and_called(tmp_path: Path) -> None:
    """Hints become effects, dict schemas check arguments, structured content keeps types, errors are errors."""
    async with serve(tmp_path) as tools:
        catalog = Catalog(tools)
        effects = {name: (spec.effects, spec.idempotent) for name, spec in catalog.items()}
        assert effects == {
            "item": ("reads", True),
            "prices": ("reads", True),
            "pay": ("writes", True),
            "note": ("writes", False),
        }
        assert signature(catalog["item"]) == "item(sku: text, count: int = 1)  [reads]  Look up one item."

        args = coerce(catalog["item"], {"sku": 7, "count": "2"})
        assert (await call(catalog["item"].tool, args)).value == {"sku": "7", "price": 5.0}
        assert (await call(catalog["prices"].tool, {"skus": ["a", "b"]})).value == [2.5, 2.5]
        assert (await call(catalog["note"].tool, {"text": "as it is"})).value == "as it is"
        assert (await call(catalog["pay"].tool, {"amount": 5})).value == "paid 5"

        refused = await call(catalog["pay"].tool, {"amount": 500})
        assert refused.value is None
        assert "too dear" in refused.error

        wrong = validate(catalog["item"], {"suk": "a", "count": "x", "runtime": {}})
        assert [(fault.kind, fault.argument) for fault in wrong] == [
            ("missing", "sku"),
            ("unexpected", "suk"),
            ("unexpected", "runtime"),
            ("wrong", "count"),
        ]
