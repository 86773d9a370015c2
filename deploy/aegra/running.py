"""What runs go on, as the table says that all instances of Aegra share."""

from aegra_api.core.database import db_manager
from aegra_api.core.orm import Run
from sqlalchemy import ColumnElement, select

_GOES_ON = Run.status.in_(("pending", "running"))


async def runs_of(identity: str) -> set[str]:
    """Return the ids of a user's runs that have not ended."""
    return await _found(Run.user_id == identity)


async def is_busy(thread: str) -> bool:
    """Whether a thread has a run that has not ended."""
    return bool(await _found(Run.thread_id == thread))


async def is_active(run: str) -> bool:
    """Whether a run has not ended: somebody does it, or will."""
    return bool(await _found(Run.run_id == run))


async def _found(of: ColumnElement[bool]) -> set[str]:
    async with db_manager.get_engine().connect() as connection:
        return set((await connection.execute(select(Run.run_id).where(of, _GOES_ON))).scalars())
