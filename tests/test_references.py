"""References: found, typed and filled in one pass."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_graph.references import ReferenceMissing, StepId, as_text, exact, fill, find

VALUES: dict[str, Any] = {
    "E1": "one",
    "E2": {"items": [{"name": "Ann", "n": 3}], "first name": "Bo", "empty": []},
    "E3": [1, 2, 3],
    "E4": 12.0,
    "E10": "ten",
    "E11": '{"year": 1697}',
    "E12": "#E1 and $1 and [E3]",
    "E13": None,
}


def filled(value: Any) -> Any:
    return fill(value, lambda step: VALUES[step])


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("#E1", "one"),
        (" #E1 ", "one"),
        ("#E10", "ten"),
        ("#E1 #E10", "one ten"),
        ("#E3", [1, 2, 3]),
        ("#E3[0]", 1),
        ("#E3[-1]", 3),
        ("#E4", 12.0),
        ("#E4 - #E3[1]", "12 - 2"),
        ("#E2.items[0].name", "Ann"),
        ("#E2.items[0].n", 3),
        ('#E2["first name"]', "Bo"),
        ("#E2['first name']", "Bo"),
        ("#E2.empty", []),
        ("Born: #E2.items[0].name.", "Born: Ann."),
        ("list #E3", "list [1, 2, 3]"),
        ("#E11.year", 1697),
        ("#E13", None),
        ({"a": "#E1", "b": ["#E3", {"c": "x#E1"}]}, {"a": "one", "b": [[1, 2, 3], {"c": "x#E1"}]}),
        ({"a": ["#E4", {"c": "(#E1)"}]}, {"a": [12.0, {"c": "(one)"}]}),
        ("#Eurovision and $2 million", "#Eurovision and $2 million"),
        ("C#E1", "C#E1"),
        ("#E1st", "#E1st"),
        ("&#E1;", "&#E1;"),
        ("#E0", "#E0"),
        (7, 7),
        (None, None),
    ],
)
def test_a_reference_takes_the_value_it_names(argument: Any, expected: Any) -> None:
    """A lone reference keeps its value's type; inside text it is rendered; anything else is text."""
    assert filled(argument) == expected


def test_what_was_filled_in_is_never_scanned_again() -> None:
    """Evidence that contains references or dollar numbers pulls nothing else in."""
    assert filled("see #E12") == "see #E1 and $1 and [E3]"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("#E2.items[4]", "#E2.items[4] leads nowhere: there is no 4 in a list of 1"),
        ("#E2.nobody", "there is no 'nobody' in an object with the keys 'items', 'first name', 'empty'"),
        ("#E1.name", "there is no 'name' in a str"),
        ("#E4[0]", "there is no 0 in a float"),
        ("#E13.x", "there is no 'x' in nothing"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(argument: str, said: str) -> None:
    """The error names the path and what was there instead."""
    with pytest.raises(ReferenceMissing) as error:
        filled(argument)
    assert said in str(error.value)


def test_a_path_cannot_reach_attributes() -> None:
    """Paths walk data, never Python objects."""
    with pytest.raises(ReferenceMissing):
        filled("#E3.__class__")


@given(st.text(max_size=200))
def test_text_without_references_comes_back_unchanged(text: str) -> None:
    """Filling changes nothing but references."""
    if not list(find(text)):
        assert filled(text) == text


@given(st.integers(1, 9999), st.text(max_size=20))
def test_every_step_number_is_found_whole(number: int, around: str) -> None:
    """`#E<n>` never matches a prefix of a longer number."""
    found = [ref.step for ref in find(f"({around.replace('#', '')}) #E{number} .")]
    assert found == [StepId(f"E{number}")]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_a_lone_reference_returns_the_very_value(value: Any) -> None:
    """No conversion happens on the way from evidence to an argument that is one reference."""
    assert fill("#E1", lambda _: value) is value


def test_exact_is_only_the_whole_string() -> None:
    """`exact` tells a typed slot from text around a reference."""
    assert exact("#E1.a") is not None
    assert exact("#E1 a") is None
    assert exact(5) is None


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (3.0, "3"), (0.5, "0.5"), ({"a": "é"}, '{"a": "é"}'), ([1], "[1]")]
)
def test_values_render_as_people_write_them(value: Any, text: str) -> None:
    """Whole floats lose their .0, structures become JSON, text stays as it is."""
    assert as_text(value) == text
