"""Evidence of megabytes does not hold up what else the process does."""

import threading
from typing import Any

import pytest

from agent_graph import build_agent
from agent_graph.solver import prompt
from agent_graph.testing import ScriptedModel


@pytest.mark.parametrize(("rows", "apart"), [(3, False), (5_000, True)])
async def test_much_evidence_is_read_in_a_thread(
    rows: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop stays free while a large value is fitted into the prompt; a small one is not worth a thread."""

    async def table() -> list[dict[str, Any]]:
        """Return a table."""
        return [{"row": row, "name": f"name {row}"} for row in range(rows)]

    threads: list[int] = []
    build = prompt.build

    def watched(*values: Any, **options: Any) -> Any:
        threads.append(threading.get_ident())
        return build(*values, **options)

    monkeypatch.setattr(prompt, "build", watched)
    model = ScriptedModel(["#E1 = table()", "The second is name 2 [E1]."])
    agent = build_agent(models=model, tools=[table], effects={"table": "reads"})
    result = await agent.ainvoke({"task": "What is the name of row 2?"})
    assert [one != threading.get_ident() for one in threads] == [apart]
    assert result["answer"].citations[0].step == "E1"
