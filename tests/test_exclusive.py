"""One run per thread at a time: two at once would both finish, and the updates of one would be lost."""

import asyncio
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from two_processes import ONE, Doorway, agent_over, check_no_turn_is_lost, check_second_run_is_refused

from agent_graph.checkpoint import open_checkpointer
from agent_graph.errors import SettingsError, ThreadBusy


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/threads.sqlite"


async def test_a_second_process_is_refused_over_sqlite(url: str) -> None:
    """A file beside the database keeps a second process off the thread, and goes with the first one."""
    async with open_checkpointer(url) as saver:
        await check_second_run_is_refused(url, saver)


async def test_two_processes_lose_no_turn_over_sqlite(url: str) -> None:
    """Two processes that write to one thread as fast as they can leave every turn of both in it."""
    async with open_checkpointer(url) as saver:
        await check_no_turn_is_lost(url, saver)


async def test_locks_leave_no_files(url: str, tmp_path: Path) -> None:
    """A file is there while its run goes on, and is removed with it: a thousand threads leave none."""
    doorway = Doorway()
    async with open_checkpointer(url) as saver:
        run = asyncio.create_task(doorway.agent(saver).ainvoke({"task": "stay"}, ONE))
        await doorway.entered.wait()
        locks = tmp_path / "threads.sqlite-running"
        assert len([*locks.iterdir()]) == 1
        doorway.let_go.set()
        await run
    assert [*locks.iterdir()] == []


@pytest.mark.parametrize("again", ["same saver", "same file"])
async def test_two_agents_share_their_threads(url: str, again: str) -> None:
    """Whoever runs on the thread, through whatever agent or connection, keeps all others off it."""
    doorway = Doorway()
    async with open_checkpointer(url) as saver, open_checkpointer(url) as other:
        run = asyncio.create_task(doorway.agent(saver).ainvoke({"task": "stay"}, ONE))
        await doorway.entered.wait()
        with pytest.raises(ThreadBusy):
            await agent_over(saver if again == "same saver" else other).ainvoke({"task": "me too"}, ONE)
        doorway.let_go.set()
        assert (await run)["answer"].text == "Done [E1]."


async def test_two_agents_over_memory_share_their_threads() -> None:
    """The same holds without any file: agents built over one InMemorySaver see each other's runs."""
    doorway, saver = Doorway(), InMemorySaver()
    run = asyncio.create_task(doorway.agent(saver).ainvoke({"task": "stay"}, ONE))
    await doorway.entered.wait()
    with pytest.raises(ThreadBusy):
        await agent_over(saver).ainvoke({"task": "me too"}, ONE)
    doorway.let_go.set()
    await run


async def test_a_synchronous_saver_is_guarded_too(url: str, tmp_path: Path) -> None:
    """SqliteSaver and AsyncSqliteSaver over one file keep each other off a thread."""
    doorway = Doorway()
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        run = asyncio.create_task(doorway.agent(saver).ainvoke({"task": "stay"}, ONE))
        await doorway.entered.wait()
        async with open_checkpointer(url) as other:
            with pytest.raises(ThreadBusy):
                await agent_over(other).ainvoke({"task": "me too"}, ONE)
        doorway.let_go.set()
        await run


async def test_a_cancelled_run_lets_go(url: str) -> None:
    """After a cancellation, at whatever point, the thread is free again."""
    doorway = Doorway()
    async with open_checkpointer(url) as saver:
        agent = agent_over(saver)
        for pauses in range(40):
            run = asyncio.create_task(doorway.agent(saver).ainvoke({"task": "stay"}, ONE))
            for _ in range(pauses):
                await asyncio.sleep(0)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        assert (await agent.ainvoke({"task": "me"}, ONE))["answer"].text == "Done."


async def test_the_thread_may_be_bound_to_the_agent(url: str) -> None:
    """`agent.with_config(thread)` is guarded like a thread given with the call."""
    doorway = Doorway()
    async with open_checkpointer(url) as saver:
        run = asyncio.create_task(doorway.agent(saver).with_config(ONE).ainvoke({"task": "stay"}))
        await doorway.entered.wait()
        with pytest.raises(ThreadBusy):
            await agent_over(saver).ainvoke({"task": "me too"}, ONE)
        doorway.let_go.set()
        await run


@pytest.mark.parametrize(
    "url", ["sqlite://threads.sqlite", "sqlite:///a?mode=ro", "mysql://x/y", "threads", ""]
)
async def test_an_address_of_another_kind_is_explained(url: str) -> None:
    """What is no place for checkpoints is refused with the three that are."""
    with pytest.raises(SettingsError, match=r"memory, sqlite:///threads\.sqlite .* or postgresql://"):
        async with open_checkpointer(url):
            pass


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A file that cannot be used is named, with what to do."""
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not checkpoints; " * 100)
    with pytest.raises(SettingsError, match=r"notes\.txt.*move that one away"):
        async with open_checkpointer(f"sqlite:///{path}"):
            pass


async def test_memory_is_a_place_too() -> None:
    """ "memory" keeps a conversation for as long as the process."""
    async with open_checkpointer("memory") as saver:
        agent = agent_over(saver)
        await agent.ainvoke({"task": "first"}, ONE)
        assert len((await agent.ainvoke({"task": "second"}, ONE))["messages"]) == 4
