"""Why a run on a server failed, in the sentence that the agent had for it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError


async def why(client: LangGraphClient, thread: str, run: str, told: Any) -> str:
    """Return why a run failed; `told` is what its stream said of it.

    Aegra's stream names the kind of error only, and keeps the sentence with the run.
    """
    kept: Mapping[str, Any] = {}
    with suppress(APIStatusError):
        kept = {**await client.runs.get(thread, run)}
    heard = told.get("message") if isinstance(told, Mapping) else told
    return str(kept.get("error_message") or heard or "it does not say why")
