"""What a run writes beside its checkpoint: marks of steps about to act, and values too large for the state.

Both are kept by the run's own checkpointer, as writes of the checkpoint that the node started from. LangGraph
passes over writes that belong to none of its tasks, and hands them back with the checkpoint.

A mark is read back before the step acts: LangGraph stores the results of tasks in the background, and a
process killed in that moment would otherwise act twice.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.config import get_config
from langgraph.runtime import get_runtime
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from agent_graph.evidence import Evidence, Whole
from agent_graph.references import StepId

MARKS = "agent_graph:marks"
VALUES = "agent_graph:values"
"""The channels of our writes."""

INLINE_CHARACTERS = 32_000
"""Values up to about this size stay in the state itself."""
PATIENCE_S = 10.0
"""How long a mark may take to reach the checkpointer."""

STARTED, PAUSED = "started", "paused"


class Journal(NamedTuple):
    """The journal of one node of one run."""

    saver: BaseCheckpointSaver[Any] | None
    """None without a checkpointer: then nothing outlives the process, and nothing is written."""
    config: RunnableConfig
    """Of the checkpoint that the node started from."""
    immediate: bool = True
    """Whether checkpoints are stored as the run goes, not only at its end."""

    @classmethod
    def here(cls) -> "Journal":
        """Return the journal of the node that is running."""
        configurable = get_config().get("configurable", {})
        saver = configurable.get("__pregel_checkpointer")
        info = get_runtime().execution_info
        if not isinstance(saver, BaseCheckpointSaver) or info is None or not info.thread_id:
            return cls(None, {})
        graph_ns = info.checkpoint_ns.rpartition("|")[0]
        immediate = configurable.get("__pregel_durability") != "exit"
        return cls(saver, _config(info.thread_id, graph_ns, info.checkpoint_id), immediate)

    async def claim(self, step: str) -> bool:
        """Mark a step as about to act; False when it may have acted in an earlier life of this run.

        `step` is a digest of the step. Raises JournalLost when the mark was not kept.
        """
        if self.saver is None:
            return True
        marks = _marks(await self.saver.aget_tuple(self.config), step)
        if marks.count(STARTED) > marks.count(PAUSED):
            return False
        await self._put(self.saver, step, STARTED, len(marks))
        return True

    async def pause(self, step: str) -> None:
        """Mark that the step's tool asks a person, and runs again with the answer; its claim is taken back."""
        if self.saver is not None:
            marks = _marks(await self.saver.aget_tuple(self.config), step)
            await self._put(self.saver, step, PAUSED, len(marks))

    async def paused(self) -> frozenset[str]:
        """Return the steps whose tools asked a person in earlier lives of this run."""
        if self.saver is None or not get_config().get("configurable", {}).get("__pregel_resuming"):
            return frozenset()
        kept = await self.saver.aget_tuple(self.config)
        writes = (kept.pending_writes or ()) if kept else ()
        return frozenset(value[0] for _, channel, value in writes if channel == MARKS and value[1] == PAUSED)

    async def keep(self, step: str, value: Any) -> Whole | None:
        """Store a value apart from the state and return where; None when there is nowhere to store it."""
        if self.saver is None:
            return None
        await self.saver.aput_writes(self.config, [(VALUES, value)], _task_id(VALUES, step))
        where = self.config["configurable"]
        return Whole(
            thread=where["thread_id"],
            namespace=where["checkpoint_ns"],
            checkpoint=where["checkpoint_id"],
            key=step,
        )

    async def fetch(self, evidence: Mapping[StepId, Evidence]) -> dict[StepId, Evidence]:
        """Return the evidence with its large values put back in, but for those that are lost."""
        return {step_id: await self._whole(one) for step_id, one in evidence.items()}

    async def _whole(self, evidence: Evidence) -> Evidence:
        if evidence.whole is None or evidence.value is not None:
            return evidence
        try:
            return evidence.model_copy(update={"value": await load(self.saver, evidence.whole)})
        except JournalLost:
            return evidence

    def key(self, step: str) -> str:
        """Return a key that is the same in every life of this run, and no other step's."""
        where = self.config.get("configurable", {})
        parts = (where.get("thread_id"), where.get("checkpoint_ns"), where.get("checkpoint_id"), step)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    async def _put(self, saver: BaseCheckpointSaver[Any], step: str, mark: str, number: int) -> None:
        await saver.aput_writes(self.config, [(MARKS, [step, mark])], _task_id(MARKS, step, mark, number))
        if not self.immediate:
            return
        waiting = AsyncRetrying(
            retry=retry_if_result(lambda kept: kept <= number),
            stop=stop_after_delay(PATIENCE_S),
            wait=wait_fixed(0.01),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else 0,
        )
        kept: int = await waiting(self._count, saver, step)
        if kept <= number:
            raise JournalLost("the checkpointer did not keep the mark that it is about to act")

    async def _count(self, saver: BaseCheckpointSaver[Any], step: str) -> int:
        return len(_marks(await saver.aget_tuple(self.config), step))


class JournalLost(RuntimeError):
    """The checkpointer did not keep what was written."""


async def load(saver: BaseCheckpointSaver[Any] | None, whole: Whole) -> Any:
    """Return a value that was stored apart from the state.

    Raises JournalLost when it is not there any more.
    """
    config = _config(whole.thread, whole.namespace, whole.checkpoint)
    kept = await saver.aget_tuple(config) if saver is not None else None
    wanted = _task_id(VALUES, whole.key)
    for task_id, channel, value in (kept.pending_writes or ()) if kept else ():
        if channel == VALUES and task_id == wanted:
            return value
    raise JournalLost("a large value is not in the checkpointer any more; were old checkpoints deleted?")


def is_large(value: Any, limit: int = INLINE_CHARACTERS) -> bool:
    """Whether a JSON-like value has more than about `limit` characters; stops counting there."""
    left, rest = limit, [value]
    while rest and left >= 0:
        one = rest.pop()
        left -= len(one) if isinstance(one, str) else 2
        if isinstance(one, Mapping):
            left -= sum(len(str(key)) + 4 for key in one) if len(one) <= limit else limit
            rest.extend(one.values())
        elif isinstance(one, list):
            rest.extend(one)
    return left < 0


def _config(thread: str, namespace: str, checkpoint: str | None) -> RunnableConfig:
    where = {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": checkpoint}
    return {"configurable": where}


def _marks(kept: CheckpointTuple | None, step: str) -> list[str]:
    writes = (kept.pending_writes or ()) if kept else ()
    return [value[1] for _, channel, value in writes if channel == MARKS and value[0] == step]


def _task_id(*parts: object) -> str:
    return ":".join(map(str, parts))
