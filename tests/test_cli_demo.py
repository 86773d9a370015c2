"""The demo: what a stranger sees after two minutes."""

import json

from cli_terminal import piped

from agent_graph.testing import OpenAIServer

QUESTIONS = 3


def test_the_demo_tells_its_story_in_a_pipe() -> None:
    """Three questions with plan, steps and cited answers, in plain text, and what to do next."""
    ended = piped(["demo"])
    assert ended.returncode == 0, ended.stderr
    shown = ended.stdout
    assert "\x1b" not in shown
    assert "extractive mode: no language model is configured; answers are quoted sentences" in shown
    assert "a record 10 million Americans applied" in shown
    assert "calculator(12000000 - 800000) = 11200000" in shown
    assert "Not found in the documents." in shown
    assert shown.count("#E1 ok") == QUESTIONS
    assert "export OPENAI_API_KEY" in shown


def test_the_demo_needs_the_agent() -> None:
    """The second question needs two searches, two extractions and a sum; the third has no answer; twice is the same."""
    first, again = (json.loads(piped(["demo", "--json"]).stdout) for _ in range(2))
    lookup, sum_, missing = first["runs"]
    tools = [step["tool"] for step in sum_["plan"]["steps"]]
    assert sorted(tools) == ["calculator", "extract", "extract", "search_documents", "search_documents"]
    assert max(step["wave"] for step in sum_["plan"]["steps"]) == 3
    assert sum_["evidence"]["E5"]["value"] == 11_200_000
    assert "10 million" in lookup["answer"]["citations"][0]["quote"]
    assert missing["answer"]["insufficient"]
    assert not missing["answer"]["citations"]
    assert [run["answer"] for run in again["runs"]] == [run["answer"] for run in first["runs"]]
    assert again["document"]["counts"]["unchanged"] == 1


def test_its_runs_can_be_explained() -> None:
    """The demo names `explain --thread demo-2` as a next step, and that works."""
    assert "agent-graph explain --thread demo-2" in piped(["demo"]).stdout
    assert "11200000" in piped(["explain", "--thread", "demo-2"]).stdout


def test_a_configured_model_is_used() -> None:
    """With a model configured the same command plans and answers with it, and no longer advertises one."""
    replies = {
        "The plan that was run": "Ten million [E1.1].",
        "Question: ": 'Plan: look.\n#E1 = search_documents(query="small business")\n',
    }
    with OpenAIServer(replies, models=["gpt-5-mini"]) as model:
        ended = piped(["demo"], OPENAI_BASE_URL=model.base_url)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("Ten million [E1.1].") == QUESTIONS
    assert "extractive mode" not in ended.stdout
    assert "export OPENAI_API_KEY" not in ended.stdout
