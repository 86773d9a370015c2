"""Model chains over real HTTP: they end with an answer or a clear error, whatever the server does."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agent_graph.errors import ModelUnavailable, SettingsError
from agent_graph.models import Done, FellBack, Restarted, Text, choose
from agent_graph.models.prices import price
from agent_graph.testing import Fault, OpenAIServer, ScriptedModel, Stall

ASK = [HumanMessage("hello")]


async def pieces(server: OpenAIServer, models: str = "openai:a", timeout_s: float = 20) -> list[Any]:
    chain = choose(models, base_url=server.base_url).planner
    assert chain is not None
    return [piece async for piece in chain.stream(ASK, timeout_s=timeout_s)]


def text_of(received: Sequence[Any]) -> str:
    """Return the text a listener holds at the end, having obeyed every reset."""
    text = ""
    for piece in received:
        text = text + piece.text if isinstance(piece, Text) else "" if not isinstance(piece, Done) else text
    return text


async def test_usage_comes_with_the_stream() -> None:
    """A compatible server's token counts, cached ones included, arrive although the reply is streamed."""
    with OpenAIServer(["Hello there."]) as server:
        received = await pieces(server)
    done = received[-1]
    assert text_of(received) == "Hello there."
    assert (done.model, done.usage.calls) == ("openai:a", 1)
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens > 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(429, retry_after=0),
        Fault.status(500),
        Fault.status(503),
        Fault.drop(5, "Hello nobody."),
        Fault.broken_json(),
        Fault.empty(),
    ],
    ids=["429", "500", "503", "drop", "broken json", "empty"],
)
async def test_a_passing_fault_is_tried_again(fault: Any) -> None:
    """The call is made again, listeners are told to forget what they had, and the answer arrives."""
    with OpenAIServer([fault, "Hello there."]) as server:
        received = await pieces(server)
    (restarted,) = [piece for piece in received if isinstance(piece, Restarted)]
    assert restarted.reason not in ("", "it ended without an outcome")
    assert text_of(received) == "Hello there."


@pytest.mark.parametrize("fault", [Fault.status(401), Fault.status(400), Fault.wrong_content_type()])
async def test_a_lasting_fault_falls_back_at_once(fault: Any) -> None:
    """What trying again cannot mend goes to the next model without a second call."""
    with OpenAIServer({"a": [fault], "b": ["From b."]}) as server:
        received = await pieces(server, "openai:a,openai:b")
        asked = [request.body["model"] for request in server.requests]
    assert asked == ["a", "b"]
    assert [piece.next for piece in received if isinstance(piece, FellBack)] == ["openai:b"]
    assert text_of(received) == "From b."


async def test_a_stalled_stream_falls_back_when_its_time_is_up() -> None:
    """The deadline is for the whole call, so a stall after the first words does not hold the run."""
    with OpenAIServer({"a": [Fault.stall(3, "Hello")], "b": ["From b."]}) as server:
        received = await pieces(server, "openai:a,openai:b", timeout_s=0.5)
    assert [piece.reason for piece in received if isinstance(piece, FellBack)] == [
        "no complete reply within 0.5 s"
    ]
    assert text_of(received) == "From b."


async def test_a_silent_stream_is_restarted() -> None:
    """A stream that goes quiet is asked again long before the call's whole time is up."""
    with OpenAIServer([Fault.stall(3, "Hello"), "Hello there."]) as server:
        chain = choose("openai:a", base_url=server.base_url).planner
        assert chain is not None
        received = [piece async for piece in chain.stream(ASK, timeout_s=60, silence_s=0.3)]
    assert [piece.reason for piece in received if isinstance(piece, Restarted)] == ["nothing came for 0.3 s"]
    assert text_of(received) == "Hello there."


async def test_when_all_models_fail_each_is_named_with_its_reason() -> None:
    """The error tells a person what to look at."""
    replies = {"a": [Fault.status(401)], "b": [Fault.status(400)]}
    with OpenAIServer(replies) as server, pytest.raises(ModelUnavailable) as error:
        await pieces(server, "openai:a,openai:b")
    assert "openai:a: " in str(error.value)
    assert "openai:b: " in str(error.value)


async def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    """Retry-After beyond the deadline falls back instead of sleeping."""
    with OpenAIServer({"a": [Fault.status(429, retry_after=600)], "b": ["From b."]}) as server:
        received = await pieces(server, "openai:a,openai:b", timeout_s=5)
    assert text_of(received) == "From b."


async def test_cancelling_reaches_the_model() -> None:
    """A caller who leaves stops the call."""
    chain = choose(ScriptedModel([Stall("Hello", after=2)])).planner
    assert chain is not None
    stream = chain.stream(ASK, timeout_s=60)
    assert await anext(stream) == Text("He")
    await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("gpt-5", "write it as provider:name"),
        ("nobody:gpt", "cannot be used|needs the package"),
        ({"planer": "openai:a"}, "Unknown role 'planer'"),
        ("openai:a", "has no API key"),
    ],
)
def test_a_wrong_model_is_a_clear_error(spec: Any, said: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(SettingsError, match=said):
        choose(spec)


def test_roles_take_their_own_models() -> None:
    """A role that is not named takes the planner's; "extractive" is no model."""
    big, small = ScriptedModel([], name="scripted:big"), ScriptedModel([], name="scripted:small")
    models = choose({"planner": big, "worker": small, "solver": "extractive"})
    assert models.planner is not None
    assert models.worker is not None
    assert (models.planner.name, models.worker.name, models.solver) == (
        "scripted:big",
        "scripted:small",
        None,
    )
    assert choose(None).mode == "extractive mode"


def test_known_models_have_a_price_and_unknown_ones_have_none() -> None:
    """Money is looked up, never guessed; cached tokens are cheaper."""
    full = price("openai:gpt-4o", 1_000_000, 0)
    cached = price("openai:gpt-4o", 1_000_000, 0, 1_000_000)
    assert full is not None
    assert cached is not None
    assert 0 < cached < full
    assert price("scripted:model", 1, 1) is None
    assert price("openai:no-such-model-at-all", 1, 1) is None
