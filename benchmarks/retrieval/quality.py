"""What a search finds: by words, by meaning, by both, with links, and reranked, for each embedding that is here.

Each multi-hop set is one collection of all its paragraphs; counted are the paragraphs that the first passages of a
ranking come from. For MuSiQue the gold sub-questions are run as plans as well, five passages a search, the right answers
of earlier steps being filled in by our worker. For the State of the Union speech, one document, counted is the share of the answer's words
(without those of the question) that stand in the first five passages.

    python benchmarks/retrieval/quality.py DATA [--out benchmarks/results]

Measured are the offline embeddings, Chroma's MiniLM where it is on this machine, and what the environment variable
AGENT_GRAPH_BENCH_EMBEDDINGS names ("openai:<model>", asked of OPENAI_BASE_URL). AGENT_GRAPH_BENCH_RERANKER may name
"module:factory" of a LangChain cross-encoder or document compressor; without it the reranker is one that needs no
model: how much of the question the best sentence of a passage covers.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool

sys.path.insert(0, str(Path(__file__).parents[1]))

from folders import folders
from questions import MULTIHOP, NEEDED, Asked, Scores, Set, multihop, scored, speech

from agent_graph import build_agent
from agent_graph.testing import ScriptedModel
from retrieval import Config, Document, Knowledge, embeddings_from, open_knowledge
from retrieval.errors import BadRequest
from retrieval.sentences import content_stems, score_sentences
from tools.documents import make_search_documents

DEEP = 40
"""Hits that a ranking of paragraphs is read from."""
PER_STEP = 5
SPEECH_PASSAGES = 5
_REFERENCE = re.compile(r"#(\d+)")


class Coverage(BaseCrossEncoder):
    """How much of a question the best sentence of a passage covers."""

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """Return a number per pair of question and passage."""
        best = [0.0] * len(text_pairs)
        titles, texts = zip(
            *(text.partition("\n")[::2] if "\n" in text else ("", text) for _, text in text_pairs),
            strict=True,
        )
        for one in score_sentences(text_pairs[0][0], texts, titles):
            best[one.passage] = max(best[one.passage], one.score)
        return best


class Way(NamedTuple):
    """One way to search."""

    name: str
    config: Config
    reranked: bool = False


WAYS = (
    Way("words", Config(dense_weight=0.0, link_weight=0)),
    Way("meaning", Config(dense_weight=1.0, link_weight=0)),
    Way("both", Config(link_weight=0)),
    Way("both + links", Config()),
    Way("both + links, reranked", Config(), reranked=True),
)


class Row(NamedTuple):
    """What one way with one embedding found."""

    embeddings: str
    way: str
    sets: dict[str, Scores]
    steps: float
    """Share of MuSiQue questions whose every paragraph the plans of gold sub-questions brought."""
    speech: float
    """Share of the answers' words in what was found of the speech."""


def main() -> int:
    asked = folders(__doc__, NEEDED)
    sets = [multihop(asked.data, name) for name in MULTIHOP]
    pairs, document = speech(asked.data)
    rows = [row for model in _models() for row in measured(model, sets, pairs, document)]
    asked.out.mkdir(parents=True, exist_ok=True)
    told = [row._asdict() | {"sets": {name: one._asdict() for name, one in row.sets.items()}} for row in rows]
    (asked.out / "retrieval_quality.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (asked.out / "retrieval_quality.md").write_text(report(rows, sets), encoding="utf-8")
    print(report(rows, sets))
    return 0


def measured(
    model: Embeddings, sets: Sequence[Set], pairs: Sequence[tuple[str, str]], document: Document
) -> Iterator[Row]:
    """Measure every way with one embedding; documents are ingested once."""
    reranker = _reranker()
    with tempfile.TemporaryDirectory() as folder:
        for one in sets:
            with open_knowledge(folder, one.name, model) as knowledge:
                knowledge.add(one.documents)
        with open_knowledge(folder, "speech", model) as knowledge:
            knowledge.add([document])
        for way in WAYS:
            opened = _opener(folder, model, way, reranker)
            scores = {one.name: _scores(opened, one) for one in sets}
            musique = next(one for one in sets if one.name == "musique")
            yield Row(_name(model), way.name, scores, _steps(opened, musique), _speech(opened, pairs))


def _scores(opened: Callable[[str], Knowledge], one: Set) -> Scores:
    with opened(one.name) as knowledge:
        found = knowledge.search_many([asked.text for asked in one.questions], k=DEEP)
    return scored([[hit.passage.document for hit in hits] for hits in found], one.questions)


def _steps(opened: Callable[[str], Knowledge], musique: Set) -> float:
    asked = [one for one in musique.questions if one.steps]
    with opened(musique.name) as knowledge:
        gathered = asyncio.run(_gathered(knowledge, asked))
    return round(mean(found >= one.support for found, one in zip(gathered, asked, strict=True)), 4)


async def _gathered(knowledge: Knowledge, questions: Sequence[Asked]) -> list[set[str]]:
    """Return the documents each question's plan brought: searches whose references our worker fills in."""

    @tool
    async def gold(text: str, question: int, step: int) -> str:  # noqa: ARG001 - what a model would read
        """Return the right answer of a step, in the place of a model that reads it out of the text."""
        return questions[question].steps[step].answer

    gold.metadata = {"effects": "reads", "idempotent": True}
    plans = {one.text: _plan(number, one) for number, one in enumerate(questions)}

    def reply(messages: list[BaseMessage]) -> str:
        return plans.get(str(messages[-1].text).rpartition("Question: ")[2], "Done.")

    agent = build_agent(models=ScriptedModel(reply), tools=[make_search_documents(knowledge), gold])
    found = []
    for one in questions:
        ended = (await agent.ainvoke({"task": one.text}))["evidence"].values()
        found.append({source.document for evidence in ended for source in evidence.sources})
    return found


def _plan(number: int, asked: Asked) -> str:
    """Return the gold decomposition as a plan: two steps for each, a search and the answer that it leads to."""
    lines = []
    for at, step in enumerate(asked.steps):
        query = json.dumps(_REFERENCE.sub(lambda match: f"#E{2 * int(match[1])}", step.text))
        lines.append(f"#E{2 * at + 1} = search_documents(query={query}, k={PER_STEP})")
        lines.append(f'#E{2 * at + 2} = gold(text="#E{2 * at + 1}", question={number}, step={at})')
    return "\n".join(lines)


def _speech(opened: Callable[[str], Knowledge], pairs: Sequence[tuple[str, str]]) -> float:
    with opened("speech") as knowledge:
        found = knowledge.search_many([question for question, _ in pairs], k=SPEECH_PASSAGES)
    shares = []
    for (question, answer), hits in zip(pairs, found, strict=True):
        wanted = set(content_stems(answer)) - set(content_stems(question))
        held = {stem for hit in hits for stem in content_stems(hit.passage.text)}
        if wanted:
            shares.append(len(wanted & held) / len(wanted))
    return round(mean(shares), 4)


def _opener(folder: str, model: Embeddings, way: Way, reranker: Any) -> Callable[[str], Knowledge]:
    def opened(collection: str) -> Knowledge:
        return open_knowledge(
            folder, collection, model, config=way.config, reranker=reranker if way.reranked else None
        )

    return opened


def _models() -> Iterator[Embeddings]:
    yield embeddings_from("wordllama")
    with suppress(BadRequest):
        yield embeddings_from("minilm")
    for name in os.environ.get("AGENT_GRAPH_BENCH_EMBEDDINGS", "").split():
        yield embeddings_from(
            name, base_url=os.environ.get("OPENAI_BASE_URL"), api_key=os.environ.get("OPENAI_API_KEY")
        )


def _name(model: Embeddings) -> str:
    from retrieval.embed import name_of

    return name_of(model)


def _reranker() -> Any:
    named = os.environ.get("AGENT_GRAPH_BENCH_RERANKER")
    if not named:
        return Coverage()
    module, _, factory = named.partition(":")
    return getattr(import_module(module), factory)()


def report(rows: Sequence[Row], sets: Sequence[Set]) -> str:
    """Return the tables as Markdown."""
    sizes = "; ".join(
        f"{one.name}: {len(one.questions)} questions, {len(one.documents)} paragraphs" for one in sets
    )
    lines = "\n".join(_line(row) for row in rows)
    names = " | ".join(f"{name} R@5 | R@10 | all@10 | MRR | nDCG@10" for name in MULTIHOP)
    absent = (
        ""
        if len({row.embeddings for row in rows}) > 1
        else " MiniLM was not on the machine that measured this."
    )
    return f"""\
# What a search finds

{sizes}. R: share of the supporting paragraphs found; all@10: questions of which every supporting paragraph is among
the first ten. "steps": MuSiQue, all supporting paragraphs found by the gold sub-questions, run as plans with the right
answers filled into their references by the worker, {PER_STEP} passages each. "speech": share of the answers' words in the first {SPEECH_PASSAGES} passages.
"links": documents that a good passage mentions by their title come forward. The reranker is
{os.environ.get("AGENT_GRAPH_BENCH_RERANKER", "one without a model (how much of the question the best sentence covers)")}.{absent}
Made by `benchmarks/retrieval/quality.py`.

| embeddings | search | {names} | steps | speech |
|---|---|{"---|" * (5 * len(MULTIHOP) + 2)}
{lines}
"""


def _line(row: Row) -> str:
    cells = " | ".join(" | ".join(f"{value:.3f}" for value in row.sets[name]) for name in MULTIHOP)
    return f"| {row.embeddings} | {row.way} | {cells} | {row.steps:.3f} | {row.speech:.3f} |"


if __name__ == "__main__":
    raise SystemExit(main())
