"""Images go to a model that takes them and are named to one that does not."""

import base64
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_openai import ChatOpenAI

from agent_graph.evidence import Evidence
from agent_graph.plan import Plan
from agent_graph.references import StepId
from agent_graph.solver import prompt
from agent_graph.solver.images import MOST, take_images

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 1500).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"\1" * 1500).decode()
URL = f"data:image/png;base64,{PNG}"
BLOCKS = {
    "langchain": {"type": "image", "base64": PNG, "mime_type": "image/png"},
    "langchain 0": {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
    "openai": {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
    "openai responses": {"type": "input_image", "image_url": URL},
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    "mcp": {"type": "image", "data": PNG, "mimeType": "image/png"},
    "data url": URL,
    "bare base64": PNG,
}


def content(value: Any, task: Any = "What is on it?", *, images: bool) -> Any:
    one = Evidence(step=StepId("E1"), tool="camera", status="ok", value=value)
    return prompt.build(task, Plan(), {StepId("E1"): one}, images=images).messages[-1].content


@pytest.mark.parametrize("kind", BLOCKS)
def test_an_image_of_any_kind_is_sent_to_a_model_that_takes_images(kind: str) -> None:
    """The text says which image it is, the image follows it as LangChain's own content block."""
    text, name, image = content([{"type": "text", "text": "Seen:"}, BLOCKS[kind]], images=True)
    assert "(image 1 below: png image, 2 kB)" in text["text"]
    assert PNG not in text["text"]
    assert name == {"type": "text", "text": "image 1:"}
    assert image == {"type": "image", "base64": PNG, "mime_type": "image/png"}


@pytest.mark.parametrize("kind", BLOCKS)
def test_an_image_is_named_to_a_model_that_takes_none(kind: str) -> None:
    """Its bytes never enter the text."""
    text = content({"shot": BLOCKS[kind]}, images=False)
    assert isinstance(text, str)
    assert "(png image, 2 kB, not shown: the model takes none)" in text
    assert PNG[:40] not in text


def test_an_image_of_the_question_is_sent_and_named_too() -> None:
    """A question may be a message's content blocks."""
    task = [{"type": "text", "text": "What is this?"}, {"type": "image", "url": "https://x.y/a.png"}]
    text, _, image = content("nothing", task, images=True)
    assert "Question: What is this?\n(image 1 below: image at https://x.y/a.png)" in text["text"]
    assert image == {"type": "image", "url": "https://x.y/a.png"}
    assert "not shown: the model takes none" in content("nothing", task, images=False)


def test_an_image_inside_a_text_leaves_the_text_around_it() -> None:
    """Fetched pages carry images as data URLs in the middle of a sentence."""
    text, _, image = content(f"Before ![a]({URL}) after, and again {URL}.", images=True)
    assert "Before ![a]((image 1 below: png image, 2 kB)) after, and again (image 1 below:" in text["text"]
    assert image["base64"] == PNG


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"type": "image", "data": JPEG, "mimeType": "image/png"}, "it is not what it says it is"),
        ({"type": "image", "data": "<script>", "mimeType": "image/png"}, "it cannot be read"),
        ({"type": "image", "data": PNG, "mimeType": "image/svg+xml"}, "models do not take this format"),
        ({"type": "image", "data": PNG + "A" * 7_000_000, "mimeType": "image/png"}, "larger than 5.0 MB"),
        ({"type": "image_url", "image_url": "file:///etc/passwd"}, "only web addresses are sent"),
        (f"data:application/pdf;base64,{PNG}", "(application/pdf, 2 kB, not shown)"),
    ],
)
def test_what_is_no_image_that_a_model_can_take_is_named_with_the_reason(value: Any, reason: str) -> None:
    """A tool may claim anything; only what begins like its format is sent."""
    text = content(value, images=True)
    assert isinstance(text, str)
    assert reason in text
    assert len(text) < 500


def test_only_so_many_images_are_sent() -> None:
    """The rest is named; the same image twice counts once."""
    many = [base64.b64encode(b"\x89PNG" + bytes([n]) * 90).decode() for n in range(MOST + 3)]
    parts = content(
        [{"type": "image", "data": one, "mimeType": "image/png"} for one in [*many, *many]], images=True
    )
    assert sum(part["type"] == "image" for part in parts) == MOST
    assert parts[0]["text"].count(f"not shown: only {MOST} images are") == 6


def test_an_image_that_was_cut_with_its_text_is_not_sent() -> None:
    """What the text does not speak of would be an image of nothing."""
    mails = [{"n": n, "text": f"word {n} " * 40} for n in range(60)]
    mails[59]["shot"] = URL
    one = Evidence(step=StepId("E1"), tool="t", status="ok", value=mails)
    made = prompt.build("word 3?", Plan(), {StepId("E1"): one}, evidence_tokens=200, images=True)
    assert isinstance(made.messages[-1].content, str)


def test_a_search_result_about_an_image_is_no_image() -> None:
    """Only content blocks are: {"type": "image"} with other keys is data."""
    found = {"type": "image", "url": "https://x.y/a.png", "title": "A harbour", "width": 100}
    assert '"title": "A harbour"' in content(found, images=True)


def test_the_models_own_profile_says_whether_it_takes_images() -> None:
    """All models of a chain must: the prompt is built once for all of them."""
    sees = ChatOpenAI(model="gpt-4o", api_key="x")
    blind = GenericFakeChatModel(messages=iter(()))
    assert take_images([sees])
    assert not take_images([sees, blind])
    assert not take_images([])


def test_providers_read_the_blocks() -> None:
    """What is built reaches OpenAI's wire format as an image."""
    one = Evidence(step=StepId("E1"), tool="camera", status="ok", value=BLOCKS["mcp"])
    made = prompt.build("What?", Plan(), {StepId("E1"): one}, images=True)
    payload = ChatOpenAI(model="gpt-4o", api_key="x")._get_request_payload(list(made.messages))
    assert payload["messages"][-1]["content"][-1] == {"type": "image_url", "image_url": {"url": URL}}
