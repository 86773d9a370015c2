"""`agent-graph search`: look into a collection without planning or answering."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent_graph.cli.options import AsJson, Collection

if TYPE_CHECKING:
    from rich.table import Table

    from retrieval.documents import Hit


def command(
    query: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Hits to show.")] = 6,
    collection: Collection = None,
    as_json: AsJson = False,
) -> None:
    """Search the ingested documents by meaning and by words; scores included."""
    from rich.text import Text

    from agent_graph.cli import console, record
    from agent_graph.cli.knowledge import NOTHING_INGESTED, opened, remark
    from agent_graph.errors import UserError
    from agent_graph.settings import read_settings

    settings = read_settings()
    with opened(settings, collection) as knowledge:
        if knowledge is None:
            raise UserError(NOTHING_INGESTED)
        if not collection and (told := remark(settings, knowledge)):
            console.err().print(Text(told), soft_wrap=True)
        hits = knowledge.search(query, k=k)
        name = knowledge.name
    if as_json:
        hits_told = [record.hit_record(hit) for hit in hits]
        console.print_json({"query": query, "collection": name, "hits": hits_told})
    else:
        console.out().print(_table(hits))


def _table(hits: "list[Hit]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from agent_graph.cli.console import QUIET, line

    table = Table(box=None, pad_edge=False, header_style=QUIET, padding=(0, 2, 0, 0), expand=True)
    for heading in ("fused", "dense", "lexical"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("passage", ratio=1)
    for number, hit in enumerate(hits):
        passage = hit.passage
        where = ", ".join(filter(None, [line(passage.title or passage.document), line(passage.location)]))
        told = Text.assemble((where, "bold"), "\n", line(passage.text, most=240))
        table.add_row(*map(_score, (hit.score, hit.dense, hit.lexical)), told)
        if number + 1 < len(hits):
            table.add_row()
    return table


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.3f}"
