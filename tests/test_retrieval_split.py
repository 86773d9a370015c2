"""Passages are cut where the document has parts, fit the embedding model, and lose no word."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.documents import Document, Kind, Passage, Section
from retrieval.embed import WordLlamaEmbeddings
from retrieval.load import load, read
from retrieval.reading import Reading
from retrieval.split import approximate_tokens, counter, split, stamp_of, version_of

SPEECH = Path(__file__).parent.parent / "agent_graph" / "samples" / "state_of_the_union.txt"
SMALL = Reading(passage_tokens=40, overlap_tokens=8)


def cut(document: Document, reading: Reading = SMALL, count: Any = approximate_tokens) -> list[Passage]:
    return split(document, stamp="0" * 20, count=count, reading=reading)


def sentences(number: int, about: str = "harbour") -> str:
    return " ".join(f"Sentence {n} tells of the {about}." for n in range(number))


WORDS = st.sampled_from(
    ["lamp", "Öl", "油", "a.b", "—", "x" * 90, "1,000", "end.", "Why?", "。", "#", "|", "```"]
)
SPACES = st.sampled_from([" ", "\n", "\n\n", "\n# ", "\t", "  \n \n", "\f", ". "])


@given(
    st.lists(st.tuples(WORDS, SPACES), max_size=250),
    st.sampled_from(["text", "markdown", "pdf", "code", "data", "slides"]),
    st.lists(st.integers(0, 2000), max_size=8),
    st.tuples(st.integers(4, 60), st.integers(0, 50)),
)
@settings(max_examples=150, deadline=None)
def test_every_word_is_in_a_passage_and_every_passage_in_its_place(
    parts: list[tuple[str, str]], kind: Kind, edges: list[int], sizes: tuple[int, int]
) -> None:
    """Whatever the text and its sections: spans are true, nothing is lost, nothing is too long, ids are unique."""
    text = "".join(word + space for word, space in parts)
    starts = sorted({edge for edge in edges if edge < len(text)})
    sections = tuple(Section(start, end, f"part {start}") for start, end in pairwise([*starts, len(text)]))
    tokens, overlap = sizes[0], min(sizes[1], sizes[0] - 1)
    passages = cut(
        Document("a", text, kind=kind, sections=sections),
        Reading(passage_tokens=tokens, overlap_tokens=overlap),
    )
    covered = {at for passage in passages for at in range(passage.start, passage.end)}
    assert all(text[passage.start : passage.end] == passage.text for passage in passages)
    assert not [letter for at, letter in enumerate(text) if not letter.isspace() and at not in covered]
    assert all(approximate_tokens(passage.text) <= tokens + 1 for passage in passages)
    assert len({passage.id for passage in passages}) == len(passages)
    assert [passage.start for passage in passages] == sorted(passage.start for passage in passages)


@pytest.mark.parametrize("name", ["wordllama", "approximate"])
def test_sizes_are_tokens_of_the_embedding_model(name: str) -> None:
    """No passage is longer than asked in the model's own tokens; where it cannot count, in a close estimate."""
    model = counter(WordLlamaEmbeddings())
    document = load(SPEECH, "speech", max_bytes=10**6)
    passages = cut(document, Reading(), model if name == "wordllama" else approximate_tokens)
    sizes = [model(passage.text) for passage in passages]
    assert max(sizes) <= (200 if name == "wordllama" else 240)
    assert sum(sizes) / len(sizes) > 100


def test_other_scripts_are_cut_to_the_same_size() -> None:
    """A page of Chinese has more tokens than letters: it makes more passages, not longer ones."""
    model = counter(WordLlamaEmbeddings())
    document = Document("a", "港口在一八九四年加深了。" * 200)
    assert max(model(passage.text) for passage in cut(document, Reading(), model)) <= 200


def test_a_passage_never_crosses_into_the_next_chapter() -> None:
    """What stands under a new heading is not the tail of what stood before it; a heading alone is no passage."""
    text = f"# Book\n\n## Oil\n\n{sentences(4, 'oil')}\n\n## Gas\n\n{sentences(4, 'gas')}\n"
    passages = cut(read(text.encode(), "book.md", "book.md"))
    assert [passage.location for passage in passages if "oil" in passage.text and "gas" in passage.text] == []
    assert passages[0].text.startswith("# Book\n\n## Oil\n\nSentence 0 tells of the oil.")
    assert {passage.location for passage in passages} == {"Oil", "Gas"}


def test_a_paragraph_stays_whole_and_repeats_nothing() -> None:
    """Paragraphs that fit are passages of their own; overlap is for thoughts that were cut in two."""
    paragraphs = [sentences(3, f"ship {number}") for number in range(6)]
    passages = cut(Document("a", "\n\n".join(paragraphs)))
    assert [passage.text for passage in passages] == paragraphs


def test_small_paragraphs_are_joined() -> None:
    """Lines of a dialogue are not searched one by one."""
    passages = cut(Document("a", "\n\n".join(f"— Aye, number {number}." for number in range(40))))
    assert all(passage.text.count("Aye") >= 3 for passage in passages)


def test_a_long_paragraph_is_cut_between_sentences_and_overlaps_by_whole_ones() -> None:
    """A passage begins and ends with a sentence, and begins with the last one of the passage before."""
    passages = cut(Document("a", sentences(30)), Reading(passage_tokens=40, overlap_tokens=12))
    assert len(passages) > 5
    for before, after in pairwise(passages):
        assert after.text.startswith("Sentence ")
        assert before.text.endswith("harbour.")
        assert before.text.endswith(after.text[: before.end - after.start])
        assert before.end > after.start


def test_a_page_is_named_though_a_sentence_runs_over_its_end() -> None:
    """A passage of a PDF may begin on the page before; two short pages are named together."""
    first, second = sentences(6, "one"), f"{sentences(6, 'two')}"
    pages = [
        Section(0, len(first), "page 1"),
        Section(len(first) + 1, len(first) + 1 + len(second), "page 2"),
    ]
    passages = cut(Document("a", f"{first}\f{second}", kind="pdf", sections=tuple(pages)))
    assert [passage.location for passage in passages][-1] == "page 2"
    assert any("one" in passage.text and "two" in passage.text for passage in passages)
    short = Document(
        "a", "One.\fTwo.", kind="pdf", sections=(Section(0, 4, "page 1"), Section(5, 9, "page 2"))
    )
    assert [(passage.text, passage.location, passage.link) for passage in cut(short)] == [
        ("One.\fTwo.", "pages 1-2", "a#page=1")
    ]


def test_a_function_stays_in_one_piece() -> None:
    """Blank lines within code end nothing; the next definition does."""
    light, tell = "def light(lamp):\n    oil = 1\n\n    lamp.burn(oil)", f"def tell():\n    '{sentences(2)}'"
    passages = cut(read(f"{light}\n\n\n{tell}\n".encode(), "lamp.py", "lamp.py"))
    assert [(passage.text, passage.location) for passage in passages] == [
        (light, "light, line 1"),
        (tell, "tell, line 7"),
    ]


def test_text_without_any_space_is_cut_too() -> None:
    """An endless word cannot make an endless passage."""
    passages = cut(Document("a", "x" * 5000))
    assert len(passages) > 20
    assert passages[-1].end == 5000


def test_a_stamp_changes_with_whatever_makes_the_passages() -> None:
    """Another text, address, model or size is another version; the same is the same on every machine."""
    document = Document("a", "The ferry leaves at nine.")
    stamp = stamp_of("a", version_of(document), embedding="m", reading=Reading())
    others = {
        stamp_of("b", version_of(document), embedding="m", reading=Reading()),
        stamp_of(
            "a", version_of(Document("a", "The ferry leaves at ten.")), embedding="m", reading=Reading()
        ),
        stamp_of("a", version_of(Document("a", document.text, "Ferry")), embedding="m", reading=Reading()),
        stamp_of("a", version_of(document), embedding="n", reading=Reading()),
        stamp_of("a", version_of(document), embedding="m", reading=Reading(passage_tokens=100)),
    }
    assert len(others) == 5
    assert stamp not in others
    assert stamp == stamp_of("a", version_of(Document("a", document.text)), embedding="m", reading=Reading())


def test_tokens_are_estimated_closely_in_prose_and_never_far_too_low() -> None:
    """The estimate is within a fifth of the model's count on a speech."""
    text = SPEECH.read_text()
    counted = counter(WordLlamaEmbeddings())(text)
    assert 0.84 <= approximate_tokens(text) / counted <= 1.2
