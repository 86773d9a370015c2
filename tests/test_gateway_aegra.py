"""What Aegra is told about one more run: called as Aegra calls it, with the table of runs in a variable."""

from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import Auth

from agent_graph.errors import UserError
from agent_graph.gateway.aegra import CLAIM, build_aegra_auth
from agent_graph.gateway.door import OpenDoor
from agent_graph.gateway.identity import SYSTEM, User
from agent_graph.gateway.keys import new_key
from agent_graph.gateway.ledger import FileLedger, today
from agent_graph.identity import LOCAL
from agent_graph.settings import Settings


class Table:
    """The runs that have not ended."""

    def __init__(self, folder: Path) -> None:
        self.runs: set[str] = set()
        self.busy = False
        settings = Settings(max_runs=2, home=folder)
        ledger = FileLedger(folder / "usage.sqlite")
        self._auth = build_aegra_auth(
            settings, OpenDoor(), ledger, claim=self._claim, busy=self._busy, own_key="own"
        )

    async def _claim(self, identity: str, run: str, most: int) -> int:
        going_on = len(self.runs)
        if going_on < most:
            self.runs.add(run)
        return going_on

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


async def test_a_run_more_than_there_may_be(tmp_path: Path) -> None:
    """Of three runs two pass, each under a name of its own; with one of them ended there is room again."""
    table = Table(tmp_path)
    names = {(await table.ask())["config"]["metadata"][CLAIM] for _ in range(2)}
    assert names == table.runs
    with pytest.raises(Auth.exceptions.HTTPException, match="2 is the most"):
        await table.ask()
    table.runs.pop()
    await table.ask()


async def test_a_used_up_day_claims_nothing(tmp_path: Path) -> None:
    """Who is refused for the day's tokens has no run counted."""
    FileLedger(tmp_path / "usage.sqlite").add("ann", tokens=10**9, day=today())
    table = Table(tmp_path)
    with pytest.raises(Auth.exceptions.HTTPException, match="tokens today"):
        await table.ask()
    assert not table.runs


async def test_who_asks_is_written_into_the_config(tmp_path: Path) -> None:
    """The config that Aegra runs says whose the run is, and keeps what else was asked of it."""
    asked = await Table(tmp_path).ask(
        config={"tags": ["a"], "metadata": {"b": 1}, "configurable": {"max_steps": 3, "thread_id": "x"}}
    )
    claim = asked["config"]["metadata"].pop(CLAIM)
    assert claim
    assert asked["config"] == {
        "tags": ["a"],
        "metadata": {"b": 1},
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


async def test_what_the_server_makes_for_itself_is_everybodys(tmp_path: Path) -> None:
    """The key that the process made up makes it the server itself; nobody can be let in under that name."""
    auth: Any = Table(tmp_path)._auth
    assert (await auth._authenticate_handler({"authorization": "Bearer own"}))["identity"] == SYSTEM
    assert (await auth._authenticate_handler({"authorization": "Bearer ow"}))["identity"] == LOCAL
    with pytest.raises(UserError, match="kept for the server"):
        new_key(SYSTEM)
