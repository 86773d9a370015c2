"""Nothing is printed twice in the solver's prompt, and nothing new is taken for a repeat."""

from typing import Any

from agent_graph.evidence import Evidence, Source
from agent_graph.plan import Plan
from agent_graph.references import StepId
from agent_graph.solver import prompt

HARBOUR = (
    "The harbour of Aalborg was deepened in 1894 by order of the council, which had voted on it twice before "
    "and had both times refused to pay for the work that the fishermen had asked for since the great storm."
)
PAGE = f"{HARBOUR} The lighthouse was built later. It is closed to the public on Sundays and all through the winter."


def ok(step: str, value: Any, *texts: str, document: str = "a.txt", **fields: Any) -> dict[StepId, Evidence]:
    sources = tuple(Source(document=document, title="Aalborg", text=text, **fields) for text in texts)
    return {StepId(step): Evidence(step=StepId(step), tool="t", status="ok", value=value, sources=sources)}


def built(evidence: dict[StepId, Evidence], budget: int = 6000) -> str:
    return str(prompt.build("Who?", Plan(), evidence, evidence_tokens=budget).messages[-1].content)


def test_a_passage_that_two_steps_found_is_printed_once_and_named() -> None:
    """The second one says where the text stands."""
    text = built(ok("E1", "x", HARBOUR) | ok("E2", "y", HARBOUR))
    assert text.count(HARBOUR) == 1
    assert "[E2.1] (the same passage as E1.1)" in text


def test_a_passage_that_differs_in_white_space_case_or_signs_is_the_same() -> None:
    """Two loaders hand over the same paragraph with other line breaks."""
    text = built(
        ok("E1", "x", HARBOUR) | ok("E2", "y", HARBOUR.replace(" ", "\n").replace(",", " -").upper())
    )
    assert "[E2.1] (the same passage as E1.1)" in text


def test_a_passage_inside_another_is_not_printed_again() -> None:
    """A smaller chunk of the same page adds nothing."""
    assert built(ok("E1", "x", PAGE) | ok("E2", "y", HARBOUR)).count("deepened in 1894") == 1


def test_a_passage_with_another_figure_or_name_is_another_passage() -> None:
    """Reports are written from one template: what differs is what is asked for."""
    for other in (HARBOUR.replace("1894", "1895"), HARBOUR.replace("Aalborg", "Esbjerg")):
        text = built(ok("E1", "x", HARBOUR) | ok("E2", "y", other))
        assert HARBOUR in text
        assert other in text


def test_passages_that_overlap_are_printed_without_the_overlap() -> None:
    """Splitters repeat the end of one chunk at the beginning of the next."""
    first, second = PAGE[:230], PAGE[100:]
    text = built(ok("E1", "x", first, second))
    assert text.count("had both times refused") == 1
    assert "(goes on from E1.1)" in text
    joined = text.replace("[E1.2] Aalborg: (goes on from E1.1)", "")
    assert "".join(PAGE.split()) in "".join(joined.split())


def test_an_overlap_across_documents_is_no_overlap() -> None:
    """Only passages of one document go on in each other."""
    evidence = ok("E1", "x", PAGE[:230]) | ok("E2", "y", PAGE[100:], document="b.txt")
    assert "goes on" not in built(evidence)


def test_a_value_made_of_its_passages_is_not_printed_beside_them() -> None:
    """Search tools return the passages as text too; an answer of their own is printed."""
    found = ok("E1", f"[1] Aalborg: {HARBOUR}", HARBOUR)
    assert built(found).count(HARBOUR) == 1
    assert "[E1] " not in built(found)
    assert "[E1] in 1894\n[E1.1] Aalborg: " in built(ok("E1", "in 1894", HARBOUR))


def test_an_echo_of_an_earlier_value_is_named() -> None:
    """A step that hands on what it was given adds only what is new in it."""
    text = built(
        ok("E1", PAGE) | ok("E2", f"Title: Aalborg. {PAGE} The end.") | ok("E3", {"url": "u", "body": PAGE})
    )
    assert text.count(PAGE) == 1
    assert "[E2] Title: Aalborg. (the text of E1) The end." in text
    assert '[E3] {"url": "u", "body": "(stands in E1)"}' in text


def test_the_same_structure_twice_is_printed_once() -> None:
    """Two equal calls."""
    rows = [{"name": f"harbour {n}", "depth": n} for n in range(20)]
    text = built(ok("E1", rows) | ok("E2", rows))
    assert text.count("harbour 7") == 1
    assert "[E2] (the same as E1)" in text


def test_short_values_may_repeat() -> None:
    """Two steps that both return 42 are printed both."""
    text = built(ok("E1", 42) | ok("E2", 42))
    assert "[E1] 42\n[E2] 42" in text


def test_when_not_everything_fits_no_sentence_of_an_overlap_is_printed_twice() -> None:
    """Cut passages do not rely on each other: the sentence stays in one of them."""
    chunks = [PAGE, f"{PAGE[len(HARBOUR) + 1 :]} And more: {'fish ' * 400}"]
    text = built(ok("E1", "x", *chunks), budget=200)
    assert text.count("closed to the public") == 1
