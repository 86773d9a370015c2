"""What an instance of Aegra needs beside the model and the documents."""

from collections.abc import Mapping

from aegra_api.core.database import db_manager
from aegra_api.core.redis_manager import redis_manager
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from agent_graph.gateway.health import Check, Found


async def _database() -> Found:
    try:
        async with db_manager.get_engine().connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, RuntimeError) as error:
        return Found(False, f"does not answer ({type(error).__name__})")
    return Found(True, "answers")


async def _queue() -> Found:
    try:
        await redis_manager.get_client().ping()
    except (RedisError, OSError, RuntimeError) as error:
        return Found(False, f"does not answer ({type(error).__name__})")
    return Found(True, "answers")


CHECKS: Mapping[str, Check] = {"database": _database, "queue": _queue}
