"""What is written into the queues and what comes out of them: plain, bounded, without a secret."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_graph.evals import Question, Row
from agent_graph.evidence import Answer, Citation

Kind = Literal["ask", "eval", "ingest"]
"""What a job does."""

Outcome = Literal["answered", "needs approval", "failed"]
"""How a question ended: with an answer; waiting for a person on its thread; with a sentence that says why not."""

MOST_ANSWER = 100_000
MOST_QUOTE = 2_000
MOST_CITED = 50_000
"""Characters that are kept of an answer, of a quote, and of the passages of a scored answer."""


class Assignment(BaseModel):
    """One question of a job, with what a worker must know to answer it; models, keys and addresses are the worker's."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    """As the file names it; empty when it does not."""
    question: str
    answers: tuple[str, ...] | None = None
    """What counts as right, when the answer is to be scored."""
    context: dict[str, Any] = {}
    """The knobs of the run that differ from the usual."""
    collection: str | None = None
    """What is searched; None: what the worker's settings say."""
    user: str = ""
    """Whose documents are searched, where every user has their own."""

    @property
    def scored(self) -> Question | None:
        """The question as evaluation knows it."""
        if self.answers is None:
            return None
        return Question(id=self.id, question=self.question, answers=self.answers)


class Ending(BaseModel):
    """How one question ended."""

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    outcome: Outcome
    answer: str = ""
    citations: tuple[dict[str, Any], ...] = ()
    insufficient: str = ""
    """What is missing, when the evidence does not answer the question."""
    error: str = ""
    """Why there is no answer."""
    thread: str = ""
    """The LangGraph thread that holds the whole run."""
    author: str = ""
    """The model that wrote the answer, or "extractive mode"."""
    tokens: int = 0
    seconds: float = 0.0
    row: Row | None = None
    """The scores, for evaluation."""


class IngestOrder(BaseModel):
    """What is to be ingested; the paths are the worker's."""

    model_config = ConfigDict(frozen=True)

    paths: tuple[str, ...]
    collection: str | None = None
    prune: bool = False
    force: bool = False
    urls: bool = False
    redact: bool = False


def answered(assignment: Assignment, thread: str, values: Mapping[str, Any], row: Row | None) -> Ending:
    """Return the ending of a run that came to its answer."""
    answer, usage = Answer.model_validate(values["answer"]), values["usage"]
    total = usage.total
    return Ending(
        id=assignment.id,
        question=assignment.question,
        outcome="answered",
        answer=answer.text[:MOST_ANSWER],
        citations=_cited(answer.citations),
        insufficient=answer.insufficient[:MOST_QUOTE],
        thread=thread,
        author=answer.author,
        tokens=total.input_tokens + total.output_tokens,
        seconds=usage.seconds,
        row=row
        and row.model_copy(update={"cited": row.cited[:MOST_CITED], "answer": row.answer[:MOST_ANSWER]}),
    )


def _cited(citations: Sequence[Citation]) -> tuple[dict[str, Any], ...]:
    """Return each place that is cited once, whatever number of sentences rests on it."""
    places = {(one.marker, one.quote): one.source for one in citations}
    return tuple(
        {
            "marker": marker,
            "document": source.document if source else None,
            "location": source.location if source else None,
            "quote": quote[:MOST_QUOTE],
        }
        for (marker, quote), source in places.items()
    )
