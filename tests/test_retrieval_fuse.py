"""Fusion and word queries are pure."""

import pytest

from retrieval.ranking.fuse import convex, normalised
from retrieval.terms import query_terms


def test_scores_are_stretched_between_zero_and_one() -> None:
    """The best becomes 1, the worst 0; equal scores are all best."""
    assert normalised({"a": 3.0, "b": 1.0, "c": 2.0}) == {"a": 1.0, "b": 0.0, "c": 0.5}
    assert normalised({"a": -2.0, "b": -2.0}) == {"a": 1.0, "b": 1.0}
    assert normalised({}) == {}


def test_a_convex_combination_weighs_both_sides() -> None:
    """What one side lacks counts nothing there; equal scores come in order of id."""
    fused = convex({"a": 1.0, "b": 0.0}, {"b": 9.0, "c": 1.0}, dense_weight=0.25)
    assert fused == {"b": 0.75, "a": 0.25, "c": 0.0}
    assert list(fused) == ["b", "a", "c"]
    assert list(convex({"z": 1.0, "y": 1.0}, {}, dense_weight=1.0)) == ["y", "z"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Who founded the harbour?", ["found", "harbour"]),
        ("the of", ["the", "of"]),
        ('a "b" AND c*', ["b", "c"]),
        ("bees Bees BEES", ["bee"]),
        ("Café naïve", ["cafe", "naiv"]),
        ("?! -", []),
    ],
)
def test_a_query_becomes_its_telling_terms(query: str, found: list[str]) -> None:
    """Stop words go unless nothing else is there; operators, accents and endings are no part of a term."""
    assert query_terms(query) == found
