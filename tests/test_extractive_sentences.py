"""Sentences: where they begin and end, and which one speaks to a question."""

import pytest

from retrieval.sentences import content_stems, names, score_sentences, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Smith left at 9 p.m. He paid $3.50.", ["Mr. Smith left at 9 p.m.", "He paid $3.50."]),
        (
            "The U.S. grew 3.4% in 2022. Intel Inc. hires.",
            ["The U.S. grew 3.4% in 2022.", "Intel Inc. hires."],
        ),
        ("Roe v. Wade was decided in 1973. So it was.", ["Roe v. Wade was decided in 1973.", "So it was."]),
        ("A heading\n\nA line\nthat goes on. Done.", ["A heading", "A line\nthat goes on.", "Done."]),
        ("# Title\n## Locks\nIt has nine. So.", ["# Title", "## Locks", "It has nine.", "So."]),
        ("這是一句話。那是另一句。", ["這是一句話。", "那是另一句。"]),
        ("  \n\t ", []),
        ("", []),
    ],
)
def test_text_is_cut_where_sentences_end(text: str, expected: list[str]) -> None:
    """Abbreviations, decimals and wrapped lines do not end a sentence; stops and empty lines do."""
    assert [sentence.text for sentence in split_sentences(text)] == expected


@pytest.mark.parametrize(
    "text", ["Café 😀 one. Two!", "broken \ud800 half. Next.", "a. " * 4000, "word " * 2000]
)
def test_every_sentence_knows_its_place(text: str) -> None:
    """A span points at exactly the sentence, in order, and nothing but white space lies between."""
    found = split_sentences(text)
    assert [text[one.start : one.end] for one in found] == [one.text for one in found]
    assert "".join("".join(one.text.split()) for one in found) == "".join(text.split())


def test_a_long_run_without_stops_is_cut_at_white_space() -> None:
    """A table without full stops becomes pieces one can quote."""
    pieces = split_sentences("cell " * 1000)
    assert len(pieces) > 1
    assert all(piece.text.startswith("cell") and piece.text.endswith("cell") for piece in pieces)


def test_stems_join_what_means_the_same() -> None:
    """Word forms, families and figures meet: wives marry, directors direct, 10,000 is 10000."""
    assert content_stems("director") == content_stems("directed")
    assert content_stems("his wife") == content_stems("they married")
    assert content_stems("10,000 jobs") == content_stems("job 10000")[::-1]
    assert content_stems("the and of was") == []


def test_the_sentence_with_the_rare_words_comes_first() -> None:
    """A word found in one sentence says more than one found in all."""
    text = "The jobs are good. The jobs in Ohio pay well. The jobs are many."
    best = score_sentences("Which jobs are in Ohio?", [text])[0]
    assert best.sentence.text == "The jobs in Ohio pay well."
    assert best.coverage == 1.0


def test_a_title_and_the_sentence_before_lend_their_words() -> None:
    """ "It costs $10" answers for the insulin named just before, and for the title above."""
    passages = ["It costs $10 a vial.", "Insulin is old. It costs $10 a vial."]
    alone, after = sorted(score_sentences("insulin vial cost", passages), key=lambda one: one.passage)[:2]
    assert alone.coverage < 1
    assert max(one.coverage for one in score_sentences("insulin vial cost", passages)) > alone.coverage
    titled = score_sentences("insulin vial cost", passages[:1], ["Insulin prices"])[0]
    assert titled.coverage > score_sentences("insulin vial cost", passages[:1])[0].coverage
    assert after.score


def test_foreign_words_cover_little() -> None:
    """Words that stand nowhere in the text weigh most, so an unrelated question scores low."""
    text = "The deficit fell. Taxes rose. Chips are made in Ohio."
    assert score_sentences("Who directed the film Lone Wolf McQuade?", [text])[0].coverage < 0.1


def test_names_are_capitals_and_figures_but_not_a_first_word() -> None:
    """Any word may open a sentence with a capital."""
    assert names("What did Intel build in Ohio in 2022?") == ["Intel", "Ohio", "2022"]
    assert names("IBM hires") == ["IBM"]


def test_equal_input_gives_equal_order() -> None:
    """Ties are broken by place, so nothing depends on chance."""
    text = "Same words here. " * 5
    first, second = (score_sentences("same words", [text, text]) for _ in range(2))
    assert first == second
    assert [(one.passage, one.place) for one in first[:2]] == [(0, 0), (0, 1)] or first[0].passage == 0
