"""What Aegra is told about one more run: called as Aegra calls it, with the table of runs in a variable."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import Auth

from agent_graph.gateway.aegra import build_aegra_auth
from agent_graph.gateway.door import OpenDoor
from agent_graph.gateway.identity import User
from agent_graph.gateway.ledger import Ledger
from agent_graph.settings import Settings


class Table:
    """The runs that have not ended."""

    def __init__(self, folder: Path) -> None:
        self.runs: set[str] = set()
        self.busy = False
        settings = Settings(max_runs=2, home=folder)
        ledger = Ledger(folder / "usage.sqlite")
        self._auth = build_aegra_auth(settings, OpenDoor(), ledger, running=self._running, busy=self._busy)

    async def _running(self, identity: str) -> set[str]:
        return set(self.runs)

    async def _busy(self, thread: str) -> bool:
        return self.busy

    async def ask(self, **asked: Any) -> dict[str, Any]:
        """Ask for one more run as Ann, and return the request as Aegra goes on with it."""
        value = {"thread_id": "one", "input": {"task": "x"}, "config": {}, **asked}
        handler: Any = self._auth._handlers[("threads", "create_run")][-1]
        user: Any = User("ann")
        context = Auth.types.AuthContext(permissions=[], user=user, resource="threads", action="create_run")
        await handler(ctx=context, value=value)
        return value


async def test_runs_at_the_same_moment_are_counted(tmp_path: Path) -> None:
    """Of three requests at once two pass, although the table shows none of them yet."""
    table = Table(tmp_path)
    answered = await asyncio.gather(*(table.ask() for _ in range(3)), return_exceptions=True)
    refused = [one for one in answered if isinstance(one, Auth.exceptions.HTTPException)]
    assert [one.status_code for one in refused] == [429]
    assert "2 is the most" in str(refused[0].detail)


async def test_a_run_is_not_counted_twice(tmp_path: Path) -> None:
    """A run that has come into the table is the one that was let through, so there is room for a second."""
    table = Table(tmp_path)
    await table.ask()
    table.runs = {"first"}
    await table.ask()
    table.runs = {"first", "second"}
    with pytest.raises(Auth.exceptions.HTTPException, match="429"):
        await table.ask()
    table.runs = set()
    await table.ask()


async def test_who_asks_is_written_into_the_config(tmp_path: Path) -> None:
    """The config that Aegra runs says whose the run is, and keeps what else was asked of it."""
    asked = await Table(tmp_path).ask(
        config={"tags": ["a"], "configurable": {"max_steps": 3, "thread_id": "x"}}
    )
    assert asked["config"] == {
        "tags": ["a"],
        "configurable": {"max_steps": 3, "langgraph_auth_user_id": "ann"},
    }


@pytest.mark.parametrize(("strategy", "status"), [("reject", 409), ("rollback", 422), ("interrupt", 422)])
async def test_a_second_run_on_a_busy_thread(tmp_path: Path, strategy: str, status: int) -> None:
    """A second run is refused when it asks to be, waits when it does not, and never ends the first."""
    table = Table(tmp_path)
    table.busy = True
    await table.ask()
    with pytest.raises(Auth.exceptions.HTTPException, match=str(status)):
        await table.ask(multitask_strategy=strategy)
