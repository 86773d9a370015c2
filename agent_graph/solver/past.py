"""What earlier answers of a conversation rested on: kept small, under ids of its own, to be cited again."""

from collections.abc import Mapping

from agent_graph.evidence import Answer, Evidence
from agent_graph.references import StepId

FIRST = 9001
"""Number of the first id; no step of a plan comes so far."""
KEPT = 6
"""Most pieces that are kept, the newest."""
QUOTE_CHARACTERS = 500


def remember(
    past: Mapping[StepId, Evidence], answer: Answer, evidence: Mapping[StepId, Evidence]
) -> dict[StepId, Evidence]:
    """Return what to keep after an answer: the sentences it cited, and of earlier ones as many as fit."""
    pieces = {_key(one): one for one in past.values()}
    for citation in answer.citations:
        cited = past.get(citation.step) or evidence.get(citation.step)
        text = citation.quote[:QUOTE_CHARACTERS]
        if cited is None or not text:
            continue
        source = citation.source
        sources = (source.model_copy(update={"text": text}),) if source is not None else ()
        piece = Evidence(
            step=citation.step,
            tool=cited.tool,
            status="ok",
            value=None if sources else text,
            sources=sources,
        )
        pieces.pop(_key(piece), None)
        pieces[_key(piece)] = piece
    newest = list(pieces.values())[-KEPT:]
    ids = (StepId(f"E{FIRST + place}") for place in range(KEPT))
    return {
        step_id: one.model_copy(update={"step": step_id}) for step_id, one in zip(ids, newest, strict=False)
    }


def _key(one: Evidence) -> str:
    return one.sources[0].text if one.sources else f"{one.tool}: {one.text}"
