"""Each citation resolves to the sentence that supports it; what nothing supports is listed."""

from typing import Any

import pytest

from agent_graph.evidence import Evidence, Source
from agent_graph.references import StepId
from agent_graph.solver.cite import check

RYSWICK = (
    "The Peace of Ryswick ended a war of nine years. It was signed in 1697 in a small Dutch town. "
    "The king of France gave back most of what he had taken, but he kept the city of Strasbourg."
)
AACHEN = (
    "The Treaty of Aachen was signed in 1748. It followed a congress that lasted for half a year. "
    "Maria Theresa was recognised, while Silesia stayed with Prussia and 1,234 prisoners went home."
)
SOURCES = (
    Source(document="a.txt", title="Ryswick", location="p. 1", text=RYSWICK),
    Source(document="b.txt", title="Aachen", location="p. 2", text=AACHEN),
)


def ok(step: str, value: Any, **fields: Any) -> dict[StepId, Evidence]:
    return {StepId(step): Evidence(step=StepId(step), tool="search", status="ok", value=value, **fields)}


EVIDENCE = (
    ok("E1", f"{RYSWICK} {AACHEN}", sources=SOURCES)
    | ok("E2", 51)
    | ok("E3", True)
    | ok("E4", f"{RYSWICK} {AACHEN}")
)


@pytest.mark.parametrize(
    ("claim", "title", "quote"),
    [
        ("France kept Strasbourg [E1].", "Ryswick", "The king of France gave back"),
        ("Prussia held on to Silesia [E1].", "Aachen", "Maria Theresa was recognised"),
        ("In the year 1748 a peace was made [E1].", "Aachen", "The Treaty of Aachen was signed in 1748."),
        ("It brought 1234 people home [E1].", "Aachen", "Maria Theresa was recognised"),
        ("Nine years it had lasted, until 1697 [E1].", "Ryswick", "It was signed in 1697"),
        ("Strasbourg [E1.1].", "Ryswick", "The king of France gave back"),
        ("Strasbourg [E1.2].", "Aachen", ""),
    ],
)
def test_a_claim_finds_its_passage_and_sentence_by_words_and_figures(
    claim: str, title: str, quote: str
) -> None:
    """The source's number decides when it is given; otherwise the best of the step's sources does."""
    (citation,) = check(claim, EVIDENCE).citations
    assert citation.source is not None
    assert (citation.source.title, citation.quote.startswith(quote)) == (title, True)
    assert citation.quote in citation.source.text


def test_a_long_value_is_quoted_by_its_best_sentence_and_a_short_one_whole() -> None:
    """A computed value has no passage: the value itself is the quote."""
    first, second = check("Silesia was Prussian [E4]. They lie 51 years apart [E2].", EVIDENCE).citations
    assert first.quote.startswith("Maria Theresa was recognised")
    assert (second.source, second.quote) == (None, "51")


def test_of_a_structure_the_entry_that_speaks_of_the_claim_is_quoted() -> None:
    """Tools return lists of records; the record is what a person wants to see."""
    mails = [{"id": n, "subject": f"news {n}", "text": "all is well here " * 3} for n in range(40)]
    mails[17]["subject"] = "the harbour of Aalborg"
    (citation,) = check(
        "One mail is about the harbour of Aalborg [E1].", ok("E1", {"mails": mails})
    ).citations
    assert '"id": 17' in citation.quote


@pytest.mark.parametrize(
    "claim",
    [
        "France kept Strasbourg in the Peace of Ryswick [E1].",
        "Prussia kept Silesia, which Maria Theresa had lost [E1.2].",
        "They lie 51 years apart [E2].",
        "They lie fifty-one years apart [E2].",
        "Ryswick in 1697 and Aachen in 1748 lie 51 years apart [E2].",
        "Yes, Ryswick was signed before the other one [E3].",
        "Straßburg blieb bei Frankreich, so stand es im Frieden von Ryswick [E1].",
        "条约于1697年签署，斯特拉斯堡留在法国 [E1].",
        "Yes [E1].",
    ],
)
def test_a_cited_sentence_that_shares_words_or_figures_is_supported(claim: str) -> None:
    """False alarms are dear: short answers, other scripts and bare results are not judged by their words."""
    assert check(claim, EVIDENCE).unsupported == ()


@pytest.mark.parametrize(
    "claim",
    [
        "Penguins breed on the southern coast of Antarctica [E1].",
        "Penguins breed on the southern coast of Antarctica [E1.1][E4].",
        "They lie 52 years apart [E2].",
        "The moon is made of cheese.",
    ],
)
def test_a_sentence_that_shares_nothing_with_what_it_cites_is_unsupported(claim: str) -> None:
    """A marker does not make a sentence true."""
    bare = claim.split(" [")[0].rstrip(".") + "."
    assert check(claim, EVIDENCE).unsupported == (bare,)


def test_a_list_of_sources_at_the_end_supports_the_sentences_that_rest_on_it() -> None:
    """Some models name their sources once, at the end; it does not cover what none of them says."""
    text = "The Peace of Ryswick was signed in 1697. The moon is made of green cheese.\n\nSources: E1.1, E2"
    answer = check(text, EVIDENCE)
    assert answer.unsupported == ("The moon is made of green cheese.",)
    first, second = answer.citations
    assert (first.marker, first.claim) == ("E1.1", "The Peace of Ryswick was signed in 1697.")
    assert second.marker == "E2"


def test_headings_and_sentences_that_open_a_list_make_no_claim() -> None:
    """What follows them is judged."""
    text = "## The two treaties\nThe two treaties in question are:\n- Ryswick in 1697 [E1.1]\n- Aachen in 1748 [E1.2]"
    assert check(text, EVIDENCE).unsupported == ()


def test_every_marker_has_its_citation_in_the_order_of_the_text() -> None:
    """Whoever draws links takes the n-th citation of a marker for its n-th place."""
    answer = check("Ryswick [E1.1][E2]. Aachen [E1.2]. Ryswick again [E1.1].", EVIDENCE)
    assert [one.marker for one in answer.citations] == ["E1.1", "E2", "E1.2", "E1.1"]
    assert answer.citations[3].claim == "Ryswick again."


def test_an_answer_that_says_what_is_missing_is_not_judged_by_sentence() -> None:
    """An abstention cites nothing because there is nothing."""
    answer = check("The evidence does not say who signed it.", EVIDENCE, insufficient="who signed it")
    assert (answer.unsupported, answer.insufficient) == ((), "who signed it")
