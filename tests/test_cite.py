"""Citations: read as models write them, checked, resolved, and never forged."""

import pytest

from agent_graph.evidence import Evidence, Source
from agent_graph.references import StepId
from agent_graph.solver.cite import check

TREATY = "The Treaty of Ryswick was signed in 1697. It ended a long war."
CITY = "Aachen is a city. The Treaty of Aachen was signed in 1748 there."
EVIDENCE = {
    StepId("E1"): Evidence(
        step=StepId("E1"), tool="search_documents", status="ok", value="...",
        sources=(Source(document="a.txt", title="Ryswick", text=TREATY), Source(document="b.txt", title="Aachen", text=CITY)),
    ),
    StepId("E2"): Evidence(step=StepId("E2"), tool="calculator", status="ok", value=51),
    StepId("E3"): Evidence(step=StepId("E3"), tool="clock", status="failed", error="no clock"),
    StepId("E4"): Evidence(step=StepId("E4"), tool="clock", status="ok", value="noon"),
    StepId("E10"): Evidence(step=StepId("E10"), tool="clock", status="ok", value="ten"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "text", "forged"),
    [
        ("It is so [E1].", "It is so [E1].", []),
        ("It is so [E1.2].", "It is so [E1.2].", []),
        ("It is so [#E1.2].", "It is so [E1.2].", []),
        ("It is so [E1, E2].", "It is so [E1][E2].", []),
        ("It is so [E1; E2.].", "It is so [E1; E2.].", []),
        ("It is so [E1.1, E1.2].", "It is so [E1.1][E1.2].", []),
        ("It is so [E1.1-E1.2].", "It is so [E1.1][E1.2].", []),
        ("It is so [E1 and E4].", "It is so [E1][E4].", []),
        ("It is so [E1–E4].", "It is so [E1][E2][E4].", ["E3"]),
        ("It is so [E1][E2].", "It is so [E1][E2].", []),
        ("It is so (E1).", "It is so [E1].", []),
        ("It is so 【E1】.", "It is so [E1].", []),
        ("It is so [Evidence E1].", "It is so [E1].", []),
        ("It is so [source: E2].", "It is so [E2].", []),
        ("It is so [e2].", "It is so [E2].", []),
        ("It is so [E10].", "It is so [E10].", []),
        ("It is so [E9].", "It is so.", ["E9"]),
        ("It is so [E1.3].", "It is so.", ["E1.3"]),
        ("It is so [E1.0].", "It is so.", ["E1.0"]),
        ("It is so [E2.1].", "It is so.", ["E2.1"]),
        ("It is so [E3].", "It is so.", ["E3"]),
        ("It is so [E1, E9].", "It is so [E1].", ["E9"]),
        ("It is so [E1, E1].", "It is so [E1].", []),
        ("Listed as [E12345].", "Listed as.", ["E12345"]),
        ("Listed as [E1.1234].", "Listed as.", ["E1.1234"]),
        ("It is [E[E9]4].", "It is [E 4].", ["E9"]),
        ("It is [E[E9]12345].", "It is [E 12345].", ["E9"]),
        ("[E9]", "No answer was given.", ["E9"]),
        ("See [1] and [the book].", "See [1] and [the book].", []),
        ("\x1b[31mIt\x1b[0m is\u202e so [E1].", "It is so [E1].", []),
    ],
)
def test_citations_are_read_checked_and_made_canonical(written: str, text: str, forged: list[str]) -> None:
    """Every spelling with one meaning is kept; steps without value and sources that are not there are removed."""
    answer = check(written, EVIDENCE)
    assert answer.text == text
    assert list(answer.forged) == forged


def test_a_citation_resolves_to_the_sentence_that_supports_it() -> None:
    """Without a source number, the source and sentence with the best overlap are found."""
    answer = check("The Treaty of Aachen was signed in 1748 [E1]. They lie 51 years apart [E2].", EVIDENCE)
    first, second = answer.citations
    assert first.source is not None
    assert (first.source.document, first.quote) == ("b.txt", "The Treaty of Aachen was signed in 1748 there.")
    assert first.claim == "The Treaty of Aachen was signed in 1748."
    assert (second.step, second.source, second.quote) == ("E2", None, "51")


def test_a_citation_after_the_full_stop_belongs_to_the_sentence_before() -> None:
    """Models put markers on either side of the full stop."""
    answer = check("Ryswick came first. [E1.1] Aachen came second. [E1.2]", EVIDENCE)
    assert [(one.marker, one.claim) for one in answer.citations] == [
        ("E1.1", "Ryswick came first."),
        ("E1.2", "Aachen came second."),
    ]
    assert answer.unsupported == ()


def test_sentences_without_a_citation_are_listed() -> None:
    """What rests on nothing is said to rest on nothing."""
    answer = check("Ryswick came first [E1]. The moon is made of cheese.", EVIDENCE)
    assert answer.unsupported == ("The moon is made of cheese.",)


def test_a_sentence_whose_only_citation_is_forged_is_unsupported() -> None:
    """Removing a forged citation does not make its claim any truer."""
    assert check("The moon is made of cheese [E9].", EVIDENCE).unsupported == ("The moon is made of cheese.",)
