"""Extractive mode leads with the value a question asks for, then quotes the sentences it rests on, each cited."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_graph import Agent, Answer, build_agent
from agent_graph.settings import Settings
from agent_graph.solver.extractive import NOT_FOUND
from retrieval import Document, open_knowledge

WORLD = {
    "The Salt Road": "The Salt Road is a 1961 drama film directed by Mira Osten and starring Bo Lind. It sold 2.5 million tickets.",
    "Night Ferry": "Night Ferry is a 1958 comedy film directed by Otto Grell. Its music was composed by Ada Kolm.",
    "Winter Oats": "Winter Oats is a drama film that was released on 3 May 1961.",
    "Mira Osten": "Mira Osten (4 May 1920 – 1 June 1999) was a Norwegian film director. She was born in Velburg, Bavaria, "
    'and died in Karsk. She was nicknamed "The Lantern" by her crew.',
    "Otto Grell": "Otto Grell (Brandal, 9 March 1931 – Oslo, 2 July 2003) was a Norwegian-Danish film director.",
    "Ada Kolm": "Ada Kolm (born 12 December 1940) is a Danish composer and pianist.",
    "Karsk": "Karsk is a harbour town on the Tarn River. Its mayor since 2010 has been Ilse Brandt. Karsk has 41,200 inhabitants.",
    "Velburg": "# Velburg\n\nVelburg is a market town in Bavaria. Velburg has 9,300 inhabitants.",
    "Oblast Rowing Club": "Oblast Rowing Club is a rowing club based in Karsk that won the river cup in 1974.",
    "Tarn Rowing Club": "Tarn Rowing Club is a rowing club that was founded in 1951 by Jan Holm.",
    "Dawn Larks": "Dawn Larks is a folk band from Karsk. Dawn Larks released five studio albums.",
    "Reed Wrens": "Reed Wrens is a folk band from Karsk. Reed Wrens has three members.",
    "Lesser kestrel": "The lesser kestrel is a small falcon that breeds in colonies.",
    "Barn swallow": "The barn swallow is a small songbird that nests in barns.",
    "Merlin": "The merlin is a small falcon that breeds on moors.",
}
"""A small made-up world: films, makers, towns, clubs, birds."""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """The whole agent without a model, over that world."""
    home: Path = tmp_path_factory.mktemp("world")
    with open_knowledge(home / "index") as knowledge:
        knowledge.add(Document(f"world/{title}", text, title) for title, text in WORLD.items())
        settings = Settings(_env_file=None, web="off")  # type: ignore[call-arg]
        yield build_agent(models="extractive", knowledge=knowledge, settings=settings)


def ask(agent: Agent, question: str) -> Answer:
    """Return the checked answer."""
    answer: Answer = agent.invoke({"task": question})["answer"]
    return answer


@pytest.mark.parametrize(
    ("question", "lead"),
    [
        ("Who directed The Salt Road?", "Mira Osten"),
        ("Who is the mayor of Karsk?", "Ilse Brandt"),
        ("When was Mira Osten born?", "4 May 1920"),
        ("When did Mira Osten die?", "1 June 1999"),
        ("In what year did Otto Grell die?", "2003"),
        ("When was Ada Kolm born?", "12 December 1940"),
        ("Where was Mira Osten born?", "Velburg, Bavaria"),
        ("Where did Mira Osten die?", "Karsk"),
        ("Where was Otto Grell born?", "Brandal"),
        ("Where did Otto Grell die?", "Oslo"),
        ("What nationality is Mira Osten?", "Norwegian"),
        ("How many tickets did The Salt Road sell?", "2.5 million"),
        ("How many inhabitants does Karsk have?", "41,200"),
        ("What was the nickname of Mira Osten?", "The Lantern"),
        ("What rowing club won the river cup?", "Oblast Rowing Club"),
        ("Where was the director of Night Ferry born?", "Brandal"),
        ("What nationality is the composer of Night Ferry?", "Danish"),
        ("Which film came out first, The Salt Road or Night Ferry?", "Night Ferry"),
        ("Which town has more inhabitants, Karsk or Velburg?", "Karsk"),
        ("Who was born first: Mira Osten, Otto Grell or Ada Kolm?", "Mira Osten"),
        ("Who lived longer, Mira Osten or Otto Grell?", "Mira Osten"),
        ("Which film has the director who was born later, The Salt Road or Night Ferry?", "Night Ferry"),
        ("Was Mira Osten born before Otto Grell?", "Yes"),
        ("Is Otto Grell older than Mira Osten?", "No"),
        ("Are Mira Osten and Otto Grell from the same country?", "Yes"),
        ("Are Mira Osten and Ada Kolm from the same country?", "No"),
        ("Are the directors of films The Salt Road and Night Ferry both from the same country?", "Yes"),
        ("Are the lesser kestrel and the merlin both falcons?", "Yes"),
        ("Are the Lesser Kestrel and the Barn Swallow both falcons?", "No"),
        ("What do the Lesser Kestrel and the Merlin have in common?", "small falcon"),
        ("Are Karsk and Velburg both towns?", "Yes"),
        ("Is Karsk a harbour town?", "Yes"),
        ("Does the merlin breed on moors?", "Yes"),
        ("Which bird breeds in colonies, the lesser kestrel or the barn swallow?", "the lesser kestrel"),
    ],
)
def test_the_answer_leads_with_the_value_that_is_asked_for(agent: Agent, question: str, lead: str) -> None:
    """The value stands first, nothing of the answer is without support, and nothing is said to be missing."""
    answer = ask(agent, question)
    assert answer.text.split(" — ")[0].split(" [E")[0] == lead, answer.text
    assert answer.citations
    assert (answer.unsupported, answer.forged, answer.insufficient) == ((), (), "")


def test_a_no_is_not_read_off_silence(agent: Agent) -> None:
    """That no sentence affirms something does not deny it: what there is gets quoted, and no word for it."""
    said = [
        ask(agent, question).text for question in ("Was Mira Osten born in Karsk?", "Is Karsk a market town?")
    ]
    assert not any(text.startswith(("Yes", "No")) for text in said)


def test_a_second_question_of_one_word_is_asked_about_the_first(agent: Agent) -> None:
    """ "And when?" asks for the date of what was asked before."""
    answer = ask(agent, "Who founded the Tarn Rowing Club and when?")
    first, second = answer.text.splitlines()
    assert first.startswith("Jan Holm [E1.1].")
    assert second.startswith("1951 [E2.1].")


def test_a_number_of_something_else_is_not_taken(agent: Agent) -> None:
    """Five albums are not five members."""
    answer = ask(agent, "Which band has more members, Dawn Larks or Reed Wrens?")
    assert answer.text.startswith("Reed Wrens: three [E")
    assert "found for Dawn Larks" in answer.insufficient


def test_a_value_found_over_two_hops_is_followed_by_the_sentences_in_the_order_of_reasoning(
    agent: Agent,
) -> None:
    """First who it is, then what is asked about them, each with its own passage."""
    answer = ask(agent, "Where was the director of Night Ferry born?")
    first, then = answer.text.index("directed by Otto Grell"), answer.text.index("Brandal, 9 March 1931")
    assert 0 < first < then
    cited = {one.source.document for one in answer.citations if one.source}
    assert cited == {"world/Night Ferry", "world/Otto Grell"}


@pytest.mark.parametrize(
    "question",
    [
        "Who directed The Iron Bridge?",
        "When was Bela Kun Ross born?",
        "Where was the director of The Iron Bridge born?",
        "Who is younger, Bela Kun Ross or Maria Tolt Ivory?",
        "Are Bela Kun Ross and Maria Tolt Ivory from the same country?",
        "What did Bela Kun Ross say about falcons?",
        "How many inhabitants does the town of Upper Grobnik have?",
    ],
)
def test_whom_no_document_mentions_nothing_is_said_about(agent: Agent, question: str) -> None:
    """A value of the right type about someone else is no answer."""
    answer = ask(agent, question)
    assert answer.text == NOT_FOUND
    assert question.rstrip("?") in answer.insufficient
    assert answer.citations == ()


def test_a_comparison_with_one_side_unknown_says_what_it_knows(agent: Agent) -> None:
    """The known value is kept and cited, the unknown side is named, and no winner is."""
    answer = ask(agent, "Which film came out first, The Salt Road or The Iron Bridge?")
    assert answer.text.startswith("The Salt Road: 1961 [E")
    assert NOT_FOUND[:-1] in answer.text
    assert "found for The Iron Bridge" in answer.insufficient


def test_dates_that_cannot_be_told_apart_make_no_winner(agent: Agent) -> None:
    """A year alone may be any day of that year: both are said, and nobody is first."""
    answer = ask(agent, "Which film was released first, The Salt Road or Winter Oats?")
    assert "The Salt Road: 1961 [E" in answer.text
    assert "Winter Oats: 3 May 1961 [E" in answer.text
    assert "cannot be told apart" in answer.insufficient


def test_what_someone_did_is_not_denied_by_silence(agent: Agent) -> None:
    """Of what things are, a definition can say no; of what became of them, only yes."""
    assert not ask(agent, "Were Mira Osten and Otto Grell both born in Karsk?").text.startswith("No [E")


def test_another_person_of_the_same_first_name_is_not_taken(agent: Agent) -> None:
    """Mira Ostendorf is not Mira Osten, however close the names are."""
    assert ask(agent, "When was Mira Ostendorf born?").text == NOT_FOUND
