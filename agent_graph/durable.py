"""LangGraph tasks as futures: their results are kept with the run and returned at once when it resumes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from langgraph.func import task

T = TypeVar("T")


def begin(work: Callable[[], Awaitable[T]], name: str) -> asyncio.Future[T]:
    """Start a task of the current node and return its future.

    LangGraph finds a stored result again by the task's name and by how many tasks the node had created
    before it. So a node creates its tasks in an order that never changes, and puts what a result depends
    on into the name.
    """
    as_task: Any = task(name=name)
    return cast("asyncio.Future[T]", as_task(work)())
