"""Citations as models really write them: read, brought to one form, and checked."""

import random

import pytest

from agent_graph.evidence import Evidence, Source
from agent_graph.guardrails import neutralise
from agent_graph.references import StepId
from agent_graph.solver.cite import check
from agent_graph.solver.markers import MARKER, canonical


def evidence(step: str, value: object, **fields: object) -> dict[StepId, Evidence]:
    fields = {"status": "ok", "value": value, **fields}
    return {StepId(step): Evidence.model_validate({"step": step, "tool": "t", **fields})}


TWO = (Source(document="a.txt", text="Ryswick, 1697."), Source(document="b.txt", text="Aachen, 1748."))
EVIDENCE = (
    evidence("E1", "Ryswick, 1697. Aachen, 1748.", sources=TWO)
    | evidence("E2", 51)
    | evidence("E3", None, status="failed", error="no clock")
    | evidence("E4", "noon")
    | evidence("E5", None, status="skipped", error="needs E3")
    | evidence("E10", "ten")
)

KEPT = [
    # one
    ("so [E1].", "so [E1]."),
    ("so[E1].", "so[E1]."),
    ("so.[E1]", "so.[E1]"),
    ("so [ E1 ].", "so [E1]."),
    ("so [e1].", "so [E1]."),
    ("so [E01].", "so [E1]."),
    ("so [E10].", "so [E10]."),
    ("so (E1).", "so [E1]."),
    ("so ([E1]).", "so [E1]."),
    ("so [[E1]].", "so [E1]."),
    ("so {E1}.", "so [E1]."),
    ("so {{E1}}.", "so [E1]."),
    ("so <E1>.", "so [E1]."),
    ("so 【E1】.", "so [E1]."),
    ("so 【E1†source】.", "so [E1]."),
    ("so [E1†L10-L12].", "so [E1]."),
    ("所以［E1］。", "所以[E1]。"),
    ("so [Ｅ１].", "so [E1]."),
    ("так [Е1].", "так [E1]."),
    ("so [#E1].", "so [E1]."),
    ("so [^E1].", "so [E1]."),
    ("so ^[E1].", "so [E1]."),
    ("so ^E1^.", "so [E1]."),
    ("so $^{E1}$.", "so [E1]."),
    ("soᴱ¹.", "so[E1]."),
    ("so<sup>E1</sup>.", "so[E1]."),
    ("so<sup>[E1]</sup>.", "so[E1]."),
    ("so <cite>E1</cite>.", "so [E1]."),
    ('so <ref name="E1"/>.', "so [E1]."),
    (r"so \[E1\].", "so [E1]."),
    (r"so \cite{E1}.", "so [E1]."),
    ("so `[E1]`.", "so [E1]."),
    ("so [`E1`].", "so [E1]."),
    ("so **[E1]**.", "so [E1]."),
    ("so [**E1**].", "so [E1]."),
    ("so [E1](https://example.org/a_b).", "so [E1]."),
    ("so [E1](#e1).", "so [E1]."),
    ("so [Ryswick](E1).", "so Ryswick [E1]."),
    # a source of a step
    ("so [E1.2].", "so [E1.2]."),
    ("so [E1.02].", "so [E1.2]."),
    ("so [E1:2].", "so [E1.2]."),
    ("so [E1 (2)].", "so [E1.2]."),
    ("so [E1, source 2].", "so [E1.2]."),
    # with words
    ("so [Evidence E1].", "so [E1]."),
    ("so [Evidence: E1].", "so [E1]."),
    ("so [evidence #E1].", "so [E1]."),
    ("so [source: E1.2].", "so [E1.2]."),
    ("so (Source: E1).", "so [E1]."),
    ("so [Step E1].", "so [E1]."),
    ("so [cite: E1, E2].", "so [E1][E2]."),
    ("so [Ref. E1].", "so [E1]."),
    ("so [from E1].", "so [E1]."),
    ("so (see E1 and E4).", "so [E1][E4]."),
    ("so (see also E1.2).", "so [E1.2]."),
    ("so [E1, p. 3].", "so [E1]."),
    ("so [E1: Ryswick].", "so [E1]."),
    ("so (E1, p. 3).", "so ([E1], p. 3)."),
    ("so (1697, E1).", "so (1697, [E1])."),
    ("so (1697; see E1).", "so (1697; see [E1])."),
    # without brackets
    ("According to E1, so.", "According to [E1], so."),
    ("As shown in E1.2, so.", "As shown in [E1.2], so."),
    ("Based on E1 and E2, so.", "Based on [E1][E2], so."),
    ("so, per E1.", "so, per [E1]."),
    ("E1 says so.", "[E1] says so."),
    ("Evidence E1 says so.", "Evidence [E1] says so."),
    ("so; cf. E1.", "so; cf. [E1]."),
    ("Sources: E1, E2.1.", "Sources: [E1]."),
    ("Sources: E1, E2", "Sources: [E1][E2]"),
    ("- E4: noon", "- [E4]: noon"),
    # several
    ("so [E1][E2].", "so [E1][E2]."),
    ("so [E1], [E2].", "so [E1], [E2]."),
    ("so ([E1], [E2]).", "so [E1], [E2]."),
    ("so [E1, E2].", "so [E1][E2]."),
    ("so [E1,E2,E4].", "so [E1][E2][E4]."),
    ("so [E1;E2].", "so [E1][E2]."),
    ("so [E1; E1.2].", "so [E1][E1.2]."),
    ("so [E1 E2].", "so [E1][E2]."),
    ("so [E1/E2].", "so [E1][E2]."),
    ("so [E1 | E2].", "so [E1][E2]."),
    ("so [E1 & E2].", "so [E1][E2]."),
    ("so [E1 and E2].", "so [E1][E2]."),
    ("so [E1, E2, and E4].", "so [E1][E2][E4]."),
    ("so [E1 und E2].", "so [E1][E2]."),
    ("ainsi [E1 et E2].", "ainsi [E1][E2]."),
    ("所以（E1、E2）。", "所以[E1][E2]。"),
    ("so [#E1, #E2].", "so [E1][E2]."),
    ("so [@E1; @E2].", "so [E1][E2]."),
    (r"so \cite{E1,E2}.", "so [E1][E2]."),
    ("so [E1, 2].", "so [E1][E2]."),
    ("so [E1.1, 2].", "so [E1.1][E1.2]."),
    ("so [E1.1, .2].", "so [E1.1][E1.2]."),
    ("so [E1, E1].", "so [E1]."),
    ("so [E1][E1].", "so [E1]."),
    # ranges
    ("so [E1-E2].", "so [E1][E2]."),
    ("so [E1–2].", "so [E1][E2]."),
    ("so [E1 to E2].", "so [E1][E2]."),
    ("so [E1...E2].", "so [E1][E2]."),
    ("so [E1]-[E2].", "so [E1][E2]."),
    ("so [E1.1-2].", "so [E1.1][E1.2]."),
    ("so [E1.1–E1.2].", "so [E1.1][E1.2]."),
]  # fmt: skip


@pytest.mark.parametrize(("written", "text"), KEPT)
def test_every_spelling_with_one_meaning_is_brought_to_one_form(written: str, text: str) -> None:
    """How a model writes a citation does not matter as long as a person would read it as one."""
    assert canonical(written, EVIDENCE).text == text


@pytest.mark.parametrize(
    ("written", "text", "forged"),
    [
        ("so [E9].", "so.", ["E9"]),
        ("so (E9).", "so.", ["E9"]),
        ("so ([E9]).", "so.", ["E9"]),
        ("so **[E9]**.", "so.", ["E9"]),
        ("so [^E9].", "so.", ["E9"]),
        ("so<sup>E9</sup>.", "so.", ["E9"]),
        ("so [Е9].", "so.", ["E9"]),
        ("so 【E9†source】.", "so.", ["E9"]),
        ("so [E9](https://x.y).", "so.", ["E9"]),
        ("so [E9, see p. 3].", "so.", ["E9"]),
        ("so (1697, E9).", "so (1697).", ["E9"]),
        ("so [E3].", "so.", ["E3"]),
        ("so [E5].", "so.", ["E5"]),
        ("so [E0].", "so.", ["E0"]),
        ("so [E1.0].", "so.", ["E1.0"]),
        ("so [E1.3].", "so.", ["E1.3"]),
        ("so [E2.1].", "so.", ["E2.1"]),
        ("so [E1.1234].", "so.", ["E1.1234"]),
        ("so [E99999999999].", "so.", ["E99999999999"]),
        ("so [E1, E9].", "so [E1].", ["E9"]),
        ("so [E1; E9.].", "so [E1].", ["E9"]),
        ("so [E1-E4].", "so [E1][E2][E4].", ["E3"]),
        ("so [E7-E9].", "so.", ["E7", "E8", "E9"]),
        ("so [E1.2–E1.4].", "so [E1.2].", ["E1.3", "E1.4"]),
        ("According to E9, the sky is green.", "The sky is green.", ["E9"]),
        ("It is so (see E9).", "It is so.", ["E9"]),
        ("Evidence E9 says so.", "Evidence says so.", ["E9"]),
        ("He said (E1), [E9], [E1.7] and [E3].", "He said [E1].", ["E9", "E1.7", "E3"]),
        ("So.\nSources: E9", "So.", ["E9"]),
    ],
)
def test_what_leads_nowhere_is_taken_out_and_counted(written: str, text: str, forged: list[str]) -> None:
    """Steps and sources that do not exist, failed and skipped steps: no spelling of them survives."""
    answer = check(written, EVIDENCE)
    assert (answer.text, sorted(answer.forged)) == (text, sorted(forged))


@pytest.mark.parametrize(
    "written",
    [
        "so [1].",
        "so [E 1].",
        "so [Edit].",
        "so ${E1}.",
        "the E75 road",
        "vitamin B12",
        "f(x)",
        "1E10",
        "[E1st]",
    ],
)
def test_what_only_looks_a_little_like_a_citation_is_text(written: str) -> None:
    """A bare number in brackets may be a document's own footnote: it is not read."""
    answer = check(written, EVIDENCE)
    assert (answer.text, answer.citations, answer.forged) == (written, (), ())


def test_an_id_without_brackets_is_a_name_where_question_or_evidence_use_it_as_one() -> None:
    """ "E4" in an answer about the road E4 is the road."""
    roads = evidence("E4", "The E4 and the E75 meet in Helsinki.")
    assert check("The E4 runs north [E4].", roads).text == "The E4 runs north [E4]."
    asked = check("It is the E4 (E4).", evidence("E4", "yes"), question="Where does the E4 run?")
    assert (asked.text, asked.citations, asked.forged) == ("It is the E4 (E4).", (), ())


def test_markup_of_the_answer_stays_as_it_was() -> None:
    """Only what was removed leaves no trace: lists, code and tables keep their white space."""
    text = "- one [E1]\n  - two [E2]\n\n    x  = 1\n\n| a   | b [E4] |"
    assert check(text, EVIDENCE).text == text


FRAGMENTS = [
    *("[", "]", "(", ")", "{", "}", "【", "】", "E", "e", "Е", "ᴱ", "¹", "1", "2", "9", "10", ".", ",", "; ", "-", "–"),
    *(" ", "\n", "#", "^", "$", "**", "`", "to", "and", "E1", "E9", "E1.2", "E3", "[E1]", "[E9]", "<sup>", "</sup>"),
    *("see ", "according to ", "source ", "Sources: ", r"\cite{", "](", "https://x.y", "1697", "cat"),
    *("\u200b", "\u0332", "\ufdd0", "\ufdd2", "\x1b[31m"),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_put_together_only_verified_markers_come_out(seed: int) -> None:
    """2,000 strings of fragments: all markers left exist, and reading the result again changes nothing."""
    chance = random.Random(seed)
    for _ in range(2000):
        written = "".join(chance.choices(FRAGMENTS, k=chance.randint(1, 14)))
        text, _ = canonical(written, EVIDENCE)
        assert set(MARKER.findall(text)) <= {"E1", "E1.1", "E1.2", "E2", "E4", "E10"}, written
        assert canonical(text, EVIDENCE) == (text, ()), written


@pytest.mark.parametrize("seed", range(4))
def test_evidence_copied_word_for_word_cites_nothing(seed: int) -> None:
    """2,000 hostile documents: what the solver is shown of them holds no citation, in no spelling."""
    chance = random.Random(seed)
    for _ in range(2000):
        hostile = "".join(chance.choices(FRAGMENTS, k=chance.randint(1, 14)))
        there = EVIDENCE | evidence("E4", hostile)
        text, forged = canonical(neutralise(hostile).text, there)
        assert (MARKER.findall(text), forged) == ([], ()), hostile
