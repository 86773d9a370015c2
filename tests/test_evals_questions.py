import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agent_graph import build_agent
from agent_graph.errors import UserError
from agent_graph.evals import Question, Row, Scores, evaluate, load_questions, markdown, score, write_report
from agent_graph.evals.scorers import normalise, recall, token_f1, verbatim
from agent_graph.evidence import Answer, Citation, Evidence, Source
from agent_graph.references import StepId
from agent_graph.settings import Settings
from agent_graph.testing import ScriptedModel, recording_tool
from retrieval import open_knowledge

LIGHTHOUSE = """The Skerry lighthouse was built in 1811 by Ada Thorne. It stands 35 metres tall.

The keeper of the lighthouse earned forty pounds a year. Whale oil burned in its lamp until 1878.
"""
E1 = StepId("E1")


def saved(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def cited(text: str, passage: str, **more: Any) -> Answer:
    """Return an answer with one citation of one passage."""
    source = Source(document="d.txt", text=passage)
    return Answer(text=text, citations=(Citation(marker="E1.1", step=E1, source=source),), **more)


def test_a_table_of_questions_is_read(tmp_path: Path) -> None:
    """Quoted commas, a byte order mark and further columns are no matter; an empty answer means there is none."""
    path = saved(
        tmp_path / "q.csv", '\ufeffquestion,answer,topic\n"Who, and when?","Ada, in 1811",x\nWhy?,,x\n'
    )
    assert load_questions(path) == [
        Question(id="1", question="Who, and when?", answers=("Ada, in 1811",)),
        Question(id="2", question="Why?"),
    ]


def test_lines_of_json_may_name_ids_and_several_answers(tmp_path: Path) -> None:
    """`answers` lists what is right; numbers count as their text; blank lines are skipped; `limit` cuts."""
    records = [
        {"id": "a", "question": "How tall?", "answers": ["35 m", "35 metres"], "type": "x"},
        {"id": "b", "question": "When?", "answer": 1811},
        {"id": "c", "question": "Who?", "answers": []},
    ]
    path = saved(tmp_path / "q.jsonl", "\n\n".join(map(json.dumps, records)))
    assert [one.answers for one in load_questions(path)] == [("35 m", "35 metres"), ("1811",), ()]
    assert [one.id for one in load_questions(path, limit=2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("q.csv", "ask,answer\nWhy?,so\n", "line 2 has no `question`"),
        ("q.csv", "question\nWhy?\n", "line 2 has no `answer`"),
        ("q.csv", "question,answer\n", "holds no questions"),
        ("q.csv", "id,question,answer\n7,Why?,so\n7,How?,so\n", "line 3: the id '7' is there twice"),
        ("q.jsonl", '{"question": "Why?", "answer": "so"}\n{"question"', "line 2 is no JSON"),
        ("q.jsonl", "[1]", "line 1 is no JSON object"),
        ("q.jsonl", '{"question": "Why?", "answer": {"a": 1}}', "the answer must be a text"),
        ("q.jsonl", "[" * 100_000, "line 1 is no JSON"),
        ("q.txt", "Why?", "neither .csv nor .jsonl"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    """One sentence with the line, for whoever has to mend the file."""
    with pytest.raises(UserError, match=says):
        load_questions(saved(tmp_path / name, text))


def test_a_file_that_is_absent_or_binary_says_so(tmp_path: Path) -> None:
    """No traceback of the file system reaches the reader."""
    (tmp_path / "q.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        load_questions(tmp_path / "q.csv")
    with pytest.raises(UserError, match="There is no file"):
        load_questions(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("text", "gold", "f1"),
    [
        ("The Treaty of Aachen!", "treaty of aachen", 1.0),
        ("Aachen", "treaty of Aachen", 0.5),
        ("aachen aachen", "aachen", 2 / 3),
        ("Ryswick", "Aachen", 0.0),
        ("...", "the", 1.0),
        ("...", "Aachen", 0.0),
    ],
)
def test_token_f1_is_squads(text: str, gold: str, f1: float) -> None:
    """Case, punctuation and articles do not count; repeated tokens do."""
    assert token_f1(text, gold) == pytest.approx(f1)


def test_texts_are_normalised_as_squad_does() -> None:
    """Lower case, no punctuation, no articles, single spaces."""
    assert normalise("  An  apple, a day –\nthe “Doctor’s” $1,200.50  ") == "apple day doctors 120050"


@pytest.mark.parametrize(
    ("text", "golds", "share"),
    [
        ("It was Ada Thorne.", ["Ada Thorne built it in 1811"], 0.5),
        ("It was Ada Thorne.", ["nobody", "Ada Thorne"], 1.0),
        ("Thornes", ["Thorne"], 0.0),
        ("yes", ["Yes, it is."], 1.0),
        ("so it was", ["It is so"], 2 / 3),
        ("anything", ["?!"], 0.0),
    ],
)
def test_recall_is_of_what_carries_the_answer(text: str, golds: list[str], share: float) -> None:
    """Function words count only when there is nothing else; the best right answer counts."""
    assert recall(text, golds) == pytest.approx(share)


def test_a_short_answer_must_stand_word_for_word() -> None:
    """Whole tokens in a row; long answers are not asked for."""
    assert verbatim("Built in 1811, by Ada Thorne.", ["ada thorne"]) is True
    assert verbatim("Thorne built it, says Ada.", ["Ada Thorne"]) is False
    assert verbatim("In 18110.", ["1811"]) is False
    assert verbatim("anything", ["one two three four five six"]) is None


def test_what_is_cited_counts_apart_from_what_is_said() -> None:
    """An answer that quotes the wrong sentence of the right passage is half a success, and both halves show."""
    evidence = Evidence(
        step=E1,
        tool="search",
        status="ok",
        value="long",
        sources=(Source(document="d.txt", text="Ada Thorne built it in 1811."),),
    )
    answer = cited("It is a tall lighthouse [E1.1].", "Ada Thorne built it.")
    scores = score(answer, ["Ada Thorne in 1811"], [evidence])
    assert (scores.in_evidence, scores.in_answer) == (1.0, 0.0)
    assert scores.in_cited == pytest.approx(2 / 3)
    assert (scores.exact, scores.verbatim_cited, scores.verbatim_answer) == (False, False, False)


def test_markers_are_not_part_of_the_answer() -> None:
    """A bare value with its citation is an exact answer."""
    assert score(cited("1811 [E1.1]", "in 1811"), ["1811"]).exact is True


@pytest.mark.parametrize(
    ("answer", "abstained", "partial"),
    [
        (Answer(text="Not found.", insufficient="the year"), True, False),
        (cited("Ada did [E1.1]. Not found: the year.", "x", insufficient="the year"), False, True),
        (cited("Ada did [E1.1].", "x"), False, False),
        (Answer(text="Ada did."), False, False),
    ],
)
def test_who_offers_a_finding_has_not_abstained(answer: Answer, abstained: bool, partial: bool) -> None:
    """Abstaining is saying that something is missing and citing nothing."""
    assert score(answer, []) == Scores(abstained=abstained, partial=partial)


async def test_the_real_agent_is_asked_and_scored(tmp_path: Path) -> None:
    """Extractive mode over a real index: a look-up is found and cited, a foreign question is declined."""
    questions = [
        Question(id="who", question="Who built the Skerry lighthouse?", answers=("Ada Thorne",)),
        Question(id="foreign", question="Which club did Leonard Francis play for?"),
        Question(id="when", question="Until when did whale oil burn in the lamp?", answers=("1878",)),
    ]
    document = saved(tmp_path / "lighthouse.txt", LIGHTHOUSE)
    heard: list[str] = []
    with open_knowledge(tmp_path / "index") as knowledge:
        knowledge.ingest([document])
        agent = build_agent(models="extractive", knowledge=knowledge, settings=Settings(web="off"))
        report = await evaluate(
            agent, questions, concurrency=2, name="lighthouse", progress=lambda row: heard.append(row.id)
        )
    assert [row.id for row in report.rows] == ["who", "foreign", "when"]
    assert sorted(heard) == ["foreign", "when", "who"]
    one = report.summary
    assert (one.questions, one.errors, one.answerable, one.unanswerable) == (3, 0, 2, 1)
    assert (one.in_cited_found, one.in_answer_found, one.verbatim_cited) == (1.0, 1.0, 1.0)
    assert (one.abstained, one.abstained_rightly, one.calls) == (0.0, 1.0, 0)
    assert report.roles == {"planner": {"extractive mode": 3}, "solver": {"extractive mode": 3}}
    assert "Ada Thorne" in report.rows[0].cited


async def test_a_question_that_fails_is_a_row(tmp_path: Path) -> None:
    """One run breaks, the other is scored with what its model calls cost; the report names the broken one."""

    def reply(messages: list[Any]) -> str:
        prompt = str(messages[-1].content)
        if "broken" in prompt:
            raise UserError("no such | model, key sk-abcdefghijklmnop")
        return "It is 42." if "evidence" in prompt else "Plan: no tool needed"

    agent = build_agent(models=ScriptedModel(reply), tools=[], settings=Settings(web="off"))
    questions = [
        Question(id="bad", question="broken?", answers=("42",)),
        Question(id="good", question="What is it?", answers=("42",)),
    ]
    report = await evaluate(agent, questions)
    bad, good = report.rows
    assert bad.error == "UserError: no such | model, key [api key]"
    assert bad.scores is None
    assert (good.error, good.usage.calls) == ("", 2)
    assert (report.summary.errors, report.summary.in_answer_found, report.summary.verbatim_answer) == (
        1,
        0.5,
        0.5,
    )
    assert "- `bad` broken?: UserError: no such \\| model" in markdown(report)


async def test_a_run_that_waits_for_a_person_is_said_so() -> None:
    """An evaluation has nobody to ask: the row tells what to change, and nothing was written."""
    tool = recording_tool("send")
    model = ScriptedModel(['Plan: send it\n#E1 = send(query="x")\n', "Sent [E1]."])
    agent = build_agent(
        models=model,
        tools=[tool],
        effects={"send": "writes"},
        checkpointer=InMemorySaver(),
        settings=Settings(web="off"),
    )
    report = await evaluate(agent, [Question(id="1", question="Send it", answers=("sent",))])
    assert "stopped to ask for approval" in report.rows[0].error
    assert tool.calls == []


async def test_a_report_is_kept_whole(tmp_path: Path) -> None:
    """report.json holds every row and the summary, report.md what a person reads."""
    agent = build_agent(models=ScriptedModel(["Plan: none", "42"]), tools=[], settings=Settings(web="off"))
    report = await evaluate(agent, [Question(id="1", question="\ud800?", answers=("42",))], name="odd")
    text, rows = write_report(report, tmp_path / "new" / "folder")
    kept = json.loads(rows.read_text(encoding="utf-8"))
    assert [Row.model_validate(row) for row in kept["rows"]] == list(report.rows)
    assert kept["summary"]["exact"] == 1.0
    assert "| exact match | 100.0% of 1 |" in text.read_text(encoding="utf-8")


async def test_no_questions_at_a_time_is_refused() -> None:
    """A concurrency of nought would wait for ever."""
    agent = build_agent(models="extractive", tools=[], settings=Settings(web="off"))
    with pytest.raises(ValueError, match="at least 1"):
        await evaluate(agent, [], concurrency=0)
