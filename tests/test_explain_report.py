"""A whole run as one HTML page."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from agent_graph import Agent, build_agent
from agent_graph.evidence import Answer, Citation, Evidence, Source
from agent_graph.explain import report
from agent_graph.plan import Plan, Step
from agent_graph.references import StepId
from retrieval import open_knowledge
from retrieval.documents import Document

HOSTILE = "<script>alert('x')</script> <img src=x onerror=alert(1)> \" ' & \x1b[31m \u202e [E1]"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would see: elements, ids, links, and the words inside chosen elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((tuple(self._open), data))

    def inside(self, tag: str) -> list[str]:
        return [words for open_now, words in self.words if tag in open_now]

    @property
    def text(self) -> str:
        return " ".join(words for open_now, words in self.words if "style" not in open_now)

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def hostile_run() -> dict[str, Any]:
    source = Source(document="javascript:alert(1)", title=HOSTILE, location=HOSTILE, text=HOSTILE)
    one = Evidence(
        step=StepId("E1"),
        tool=HOSTILE,
        args={HOSTILE: HOSTILE},
        status="ok",
        value=HOSTILE,
        sources=(source,),
    )
    two = Evidence(step=StepId("E2"), tool="t", status="failed", error=HOSTILE)
    cited = Citation(marker="E1", step=StepId("E1"), source=source, quote=HOSTILE)
    return {
        "task": HOSTILE,
        "plan": Plan(strategy=HOSTILE, steps=(Step(id=StepId("E1"), tool=HOSTILE, args={"x": HOSTILE}),)),
        "evidence": {"E1": one, "E2": two},
        "replans": [{"reason": HOSTILE, "plan": Plan(strategy=HOSTILE)}],
        "findings": [{"guard": HOSTILE, "where": HOSTILE, "action": HOSTILE}],
        "answer": Answer(
            text=f"{HOSTILE} Said so.",
            citations=(cited,),
            unsupported=("Said so.",),
            forged=(HOSTILE,),
            unverified_numbers=("5,000", HOSTILE),
            insufficient=HOSTILE,
            author=HOSTILE,
        ),
    }


@pytest.fixture
def cited_run(tmp_path: Any) -> dict[str, Any]:
    """A real run of extractive mode over one small document."""
    with open_knowledge(tmp_path) as knowledge:
        words = (
            "The treaty of Ryswick was signed in 1697.\n\nIt was signed in a house that has long been gone."
        )
        knowledge.add([Document(address="treaties.txt", text=words, title="Treaties")])
        agent = build_agent(models="extractive", knowledge=knowledge)
        result: dict[str, Any] = agent.invoke({"task": "When was the treaty of Ryswick signed?"})
        return result


def test_a_citation_leads_to_its_marked_sentence(cited_run: dict[str, Any]) -> None:
    """The link in the answer points at the passage, and the sentence that supports it is marked there."""
    page = Page(report(cited_run))
    assert page.inside("mark") == ["The treaty of Ryswick was signed in 1697."]
    links = [one for one in page.values("href") if one.startswith("#")]
    assert "#source-E1-1" in links
    assert {link.removeprefix("#") for link in links} <= set(page.values("id"))


def test_every_surface_names_extractive_mode(cited_run: dict[str, Any]) -> None:
    """Who reads the report knows that no model wrote the answer."""
    assert "without a model" in Page(report(cited_run)).text


def test_a_report_reads_the_same_from_another_process(cited_run: dict[str, Any]) -> None:
    """Through a server every value arrives as a plain dict; the page does not change, nor from call to call."""
    keys = ("plan", "evidence", "answer", "usage", "task", "replans", "findings")
    plain = json.loads(json.dumps({key: cited_run[key] for key in keys if key in cited_run}, default=_plain))
    assert report(plain) == report(cited_run)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json")


def test_numbers_from_nowhere_are_named() -> None:
    """A figure that no evidence holds and no step calculated is told apart from the rest of the answer."""
    told = Page(report(hostile_run())).text
    assert "Numbers that stand in no evidence and that no step calculated: 5,000, " in told


def test_hostile_text_stays_text() -> None:
    """Wherever a model, a tool or a document wrote it: no script, no handler, no address that runs."""
    html = report(hostile_run())
    page = Page(html)
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "iframe", "object", "form", "link"})
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(link.startswith("#") for link in page.values("href"))
    assert page.text.count("<script>alert('x')</script>") > 10
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_a_report_loads_nothing() -> None:
    """The page forbids itself scripts and the network, and names no address to load from."""
    html = report(hostile_run())
    page = Page(html)
    (policy,) = [
        one["content"] for _, one in page.elements if one.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert page.values("src") == []
    assert "url(" not in html
    assert "@import" not in html


def test_a_document_on_the_web_can_be_opened() -> None:
    """Only http and https addresses are links out of the page."""
    run = hostile_run()
    source = (
        run["evidence"]["E1"].sources[0].model_copy(update={"document": "https://example.org/a?b=1&c=<d>"})
    )
    run["evidence"] = {"E1": run["evidence"]["E1"].model_copy(update={"sources": (source,)})}
    out = [one for one in Page(report(run)).values("href") if not one.startswith("#")]
    assert out == ["https://example.org/a?b=1&c=<d>"]


async def test_failures_and_doubts_are_shown(scripted: Callable[..., tuple[Agent, Any]]) -> None:
    """A failed step with its reason, the one skipped after it, sentences without evidence, forged citations."""
    plan = '#E1 = broken(text="x")\n#E2 = join(text="#E1")\n#E3 = look(name="Ada")'
    agent, _ = scripted(plan, "Her name is Ada [E3]. The moon is made of cheese. So it is said [E9].")
    text = Page(report(await agent.ainvoke({"task": "Who?"}, context={"max_replans": 0}))).text
    assert re.search(r"E1 · broken\s+✕ failed", text)
    assert "E2 · join – skipped" in text
    assert "Sentences that cite no evidence The moon is made of cheese." in text
    assert "Citations the model invented, removed from the text: E9." in text
    assert "3 steps, 2 without a value" in text
    assert re.search(r"planner’s model\s+1\s+\d+", text)


async def test_a_plan_that_was_given_up_is_kept_in_the_report(
    scripted: Callable[..., tuple[Agent, Any]],
) -> None:
    """After a replan the reader sees the first plan, why it was given up, and evidence of both."""
    agent, _ = scripted('#E1 = broken(text="x")', '#E2 = look(name="Ada")', "Ada [E2].")
    text = Page(report(await agent.ainvoke({"task": "Who?"}))).text
    assert "Plan 1, given up: #E1 failed" in text
    assert "E1 · broken" in text
    assert "1 replan" in text


def test_a_run_that_has_not_ended_is_shown_as_far_as_it_came() -> None:
    """A state without an answer, a plan or evidence still gives a page."""
    text = Page(report({"task": "Still thinking?", "plan": None, "answer": None}, title="So far")).text
    assert "So far" in text
    assert "There is no answer yet." in text
