"""Arguments: every fault found before the call, and values as the tool will get them."""

from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, tool
from pydantic import BaseModel, Field, create_model, field_validator
from pydantic.v1 import BaseModel as OldModel

from tools.catalog import Catalog, ToolSpec, coerce, validate
from tools.errors import BadArguments
from tools.observation import call


class Place(BaseModel):
    city: str
    zip: str | None = None


@tool
def book(
    name: str,
    nights: Annotated[int, Field(ge=1, le=30)] = 1,
    rate: float = 1.0,
    room: Literal["single", "double"] = "single",
    place: Place | None = None,
    tags: list[str] | None = None,
    user: Annotated[str, InjectedToolArg] = "",
) -> str:
    """Book a room."""
    return f"{name}{nights}{rate}{room}{place}{tags}{user}"


class OldArguments(OldModel):
    name: str
    nights: int = 1


DICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "nights": {"type": "integer", "minimum": 1, "maximum": 30},
        "rate": {"type": "number"},
        "room": {"enum": ["single", "double"]},
        "place": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "open": {"type": "boolean"},
    },
    "required": ["name"],
    "$defs": {
        "Place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def spec_of(listed: BaseTool) -> ToolSpec:
    return Catalog([listed], effects={listed.name: "reads"})[listed.name]


def with_schema(schema: Any) -> ToolSpec:
    def run(**arguments: Any) -> str:
        return str(arguments)

    return spec_of(StructuredTool(name="book", description="Book.", args_schema=schema, func=run))


SPECS = [spec_of(book), with_schema(DICT_SCHEMA)]
both = pytest.mark.parametrize("spec", SPECS, ids=["pydantic", "json-schema"])


@both
@pytest.mark.parametrize(
    ("args", "faults"),
    [
        ({"name": "a"}, []),
        ({"name": "a", "nights": 3, "rate": 2, "room": "double", "tags": ["x"]}, []),
        ({}, [("missing", "name")]),
        ({"name": "a", "nigths": 3}, [("unexpected", "nigths")]),
        ({"name": "a", "nights": "many"}, [("wrong", "nights")]),
        ({"name": "a", "nights": 99}, [("wrong", "nights")]),
        ({"name": "a", "nights": 2.5}, [("wrong", "nights")]),
        ({"name": "a", "room": "suite"}, [("wrong", "room")]),
        ({"name": "a", "tags": "x"}, [("wrong", "tags")]),
        (
            {"nights": 0, "rom": "x", "rate": []},
            ["missing name", "unexpected rom", "wrong nights", "wrong rate"],
        ),
    ],
)
def test_every_fault_is_found_at_once(spec: ToolSpec, args: dict[str, Any], faults: list[Any]) -> None:
    """Missing, unexpected and ill-typed arguments are all reported, for both kinds of schema."""
    found = validate(spec, args)
    expected = [tuple(fault.split()) if isinstance(fault, str) else fault for fault in faults]
    assert sorted((fault.kind, fault.argument) for fault in found) == sorted(expected)


@both
def test_a_fault_says_what_would_be_right(spec: ToolSpec) -> None:
    """The message is enough to mend the plan."""
    near, missing = validate(spec, {"nam": "a"})[::-1]
    assert str(near) == "book takes no argument 'nam'. Did you mean 'name'?"
    assert str(missing) == "The argument 'name' is missing. It takes text."
    assert "single" in str(validate(spec, {"name": "a", "room": "suite"})[0])
    assert "30" in str(validate(spec, {"name": "a", "nights": 99})[0])
    inner = validate(spec, {"name": "a", "place": {"city": None}})
    assert inner[0].argument.startswith("place")


@both
@pytest.mark.parametrize(
    ("given", "received"),
    [
        ({"nights": "3"}, {"nights": 3}),
        ({"nights": " 3 "}, {"nights": 3}),
        ({"nights": 3.0}, {"nights": 3}),
        ({"rate": "1,234.5"}, {"rate": 1234.5}),
        ({"rate": "-2e3"}, {"rate": -2000}),
        ({"name": 1697}, {"name": "1697"}),
        ({"name": 1697.0}, {"name": "1697"}),
        ({"name": True}, {"name": "true"}),
        ({"name": {"a": [1, "é"]}}, {"name": '{"a": [1, "é"]}'}),
        ({"tags": '["a", "b"]'}, {"tags": ["a", "b"]}),
        ({"tags": [1, {"b": 2}]}, {"tags": ["1", '{"b": 2}']}),
        ({"place": '{"city": 75001}'}, {"place": {"city": "75001"}}),
    ],
)
def test_values_are_brought_to_the_declared_type(
    spec: ToolSpec, given: dict[str, Any], received: dict[str, Any]
) -> None:
    """A filled reference may be of another type than the parameter; one reading only is taken."""
    coerced = coerce(spec, {"name": "a", **given})
    assert coerced == {"name": "a", **received}
    assert isinstance(coerced["name"], str)
    assert isinstance(coerced.get("nights", 1), int)
    assert validate(spec, {"name": "a", **given}) == []


@both
@pytest.mark.parametrize(
    "text", ["1,23", "12,34", "three", "3 nights", "NaN", "inf", "1e999", "0x3", "", "#E1"]
)
def test_what_is_no_number_is_not_made_one(spec: ToolSpec, text: str) -> None:
    """A number is read from a text only when it can be nothing else."""
    with pytest.raises(BadArguments, match="rate") as refused:
        coerce(spec, {"name": "a", "rate": text})
    assert str(refused.value).startswith("book cannot take these arguments")


@both
def test_references_not_known_yet_are_not_type_checked(spec: ToolSpec) -> None:
    """What an argument will hold is checked when it is filled; its name is checked now."""
    args = {"name": "a", "nights": "#E1", "place": {"city": "#E2"}, "rooom": "#E3"}
    found = validate(spec, args, skip={"nights", "place", "rooom"})
    assert [(fault.kind, fault.argument) for fault in found] == [("unexpected", "rooom")]


def test_a_plan_cannot_give_injected_arguments() -> None:
    """What the runtime fills in is not the plan's to say."""
    fault = validate(SPECS[0], {"name": "a", "user": "root"})[0]
    assert str(fault) == "The argument 'user' is filled in by the runtime. Leave it out."
    with pytest.raises(BadArguments):
        coerce(SPECS[0], {"name": "a", "user": "root"})


KEYED: list[Any] = [
    {
        "type": "object",
        "properties": {"amount": {"type": "number"}, "key": {"type": "string"}},
        "required": ["amount", "key"],
        "additionalProperties": False,
    },
    create_model("Keyed", amount=(float, ...), key=(str, ...)),
]


@pytest.mark.parametrize("schema", KEYED, ids=["json-schema", "pydantic"])
async def test_only_the_caller_gives_the_idempotency_key(schema: Any) -> None:
    """A plan that gives one is refused; the caller adds it to the checked arguments, and the tool receives it."""

    def run(**arguments: Any) -> Any:
        return arguments

    pay = StructuredTool(
        name="pay",
        description="Pay.",
        args_schema=schema,
        func=run,
        metadata={"effects": "writes", "idempotency_key": "key"},
    )
    spec = spec_of(pay)
    assert [str(fault) for fault in validate(spec, {"amount": 1, "key": "mine"})] == [
        "The argument 'key' is filled in by the runtime. Leave it out."
    ]
    args = coerce(spec, {"amount": "2"})
    assert spec.key_argument == "key"
    assert (await call(pay, {**args, "key": "run-1/E3"})).value == {"amount": 2, "key": "run-1/E3"}


def test_schemas_of_pydantic_v1_are_checked_too() -> None:
    """An old tool's arguments are checked against the schema it shows."""
    spec = with_schema(OldArguments)
    assert coerce(spec, {"name": "a", "nights": "2"}) == {"name": "a", "nights": 2}
    assert [fault.kind for fault in validate(spec, {"nights": "x"})] == ["missing", "wrong"]


def test_a_schema_that_allows_more_takes_more() -> None:
    """Extra arguments are welcome only where the schema says so."""
    spec = with_schema({**DICT_SCHEMA, "additionalProperties": True})
    assert validate(spec, {"name": "a", "else": 1}) == []


def test_a_validator_that_breaks_is_a_fault_and_sees_no_references() -> None:
    """A tool author's own check is run on known values only, and its accident is reported."""
    seen: list[Any] = []

    class Checked(BaseModel):
        code: str

        @field_validator("code")
        @classmethod
        def look(cls, value: str) -> str:
            seen.append(value)
            raise LookupError("no table")

    spec = with_schema(Checked)
    assert str(validate(spec, {"code": "x"})[0]) == "book cannot check its arguments: no table."
    assert validate(spec, {"code": "#E1"}, skip={"code"}) == []
    assert seen == ["x"]
