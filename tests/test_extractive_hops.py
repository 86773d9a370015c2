"""Extractive mode over several hops: what is only described is found first, then asked about by name."""

from pathlib import Path

import pytest

from agent_graph import build_agent
from agent_graph.planner.extractive import write_plan
from retrieval import Document, open_knowledge
from tools.extract import best_value
from tools.question import listing

ALL = ("search_documents", "extract", "calculator", "clock")

PAPERS = {
    "The Salt Road": "The Salt Road is a 1961 drama film written, produced, and directed by Mira Osten and starring Bo Lind.",
    "Mira Osten": "Mira Osten (4 May 1920 - 1 June 1999) was a film maker. She was born in Velburg and died in Karsk.",
    "Karsk": "Karsk is a harbour town. Its mayor since 2010 has been Ilse Brandt.",
    "Night Ferry": "Night Ferry is a 1958 comedy film directed by Otto Grell.",
    "Otto Grell": "Otto Grell (9 March 1931 - 2 July 2003) was a film maker and the son of Hanna Grell.",
    "Velburg": "Velburg is a market town on the Tarn River, known for its cheese.",
}
"""A small made-up world: film, maker, town."""


def asked(task: str) -> list[str]:
    """The questions of a plan in short: searches with "?", extractions with "=", references as they stand."""
    plan = write_plan(task, tools=ALL)
    mark = {"search_documents": "?", "extract": "=", "calculator": "+"}
    return [f"{mark[step.tool]} {next(iter(step.args.values()))}" for step in plan.steps]


@pytest.mark.parametrize(
    ("task", "found", "last"),
    [
        (
            "When did the city where the author of Dracula died become a capital?",
            ["who is the author of Dracula", "what is the name of the city where #E2 died"],
            "When did #E4 become a capital",
        ),
        (
            "What is the birthplace of the wife of the director of Vertigo?",
            ["who is the director of Vertigo", "who is the wife of #E2"],
            "What is the birthplace of #E4",
        ),
        (
            "What is the seat of the county sharing a border with the county in which Ann Bell was born?",
            [
                "what is the name of the county in which Ann Bell was born",
                "what is the name of the county sharing a border with #E2",
            ],
            "What is the seat of #E4",
        ),
        (
            "Who is the maternal grandfather of Ann Bell?",
            ["who is the mother of Ann Bell"],
            "Who is the father of #E2",
        ),
        (
            "Who is Ann Bell's paternal grandfather?",
            ["who is the father of Ann Bell"],
            "Who is #E2's father",
        ),
        (
            "Who was Ann Bell's mother's spouse?",
            ["who is the mother of Ann Bell"],
            "Who was #E2's spouse",
        ),
        (
            "Who is the head of Acme's parent company?",
            ["what is the name of the parent company of Acme"],
            "Who is the head of #E2",
        ),
        (
            "What body of water does the river that Mill Creek flows into flow into?",
            ["what is the name of the river that Mill Creek flows into"],
            "What body of water does #E2 flow into",
        ),
        (
            "The actor playing Zed in Far Shore played who in Night Ferry?",
            ["who is the actor playing Zed in Far Shore"],
            "#E2 played who in Night Ferry",
        ),
        (
            "In Night Ferry, who does the star of Far Shore play?",
            ["who is the star of Far Shore"],
            "who does #E2 play in Night Ferry",
        ),
        (
            "Where was the bridge at which the treaty of Orm was signed built?",
            ["what is the name of the bridge at which the treaty of Orm was signed"],
            "Where was #E2 built",
        ),
        (
            "Who is the spouse of the longest reigning British monarch?",
            ["who is the longest reigning British monarch"],
            "Who is the spouse of #E2",
        ),
        (
            "Which award the director of film Far Shore received?",
            ["who is the director of film Far Shore"],
            "Which award #E2 received",
        ),
    ],
)
def test_descriptions_are_found_innermost_first(task: str, found: list[str], last: str) -> None:
    """Possessives, "of" chains, relative clauses, participles and kinship through a third person."""
    plan = asked(task)
    assert [one[2:] for one in plan if one.startswith("=")] == found
    searches = [one[2:] for one in plan if one.startswith("?")]
    assert searches[len(found)] == last


def test_a_long_chain_keeps_one_search_of_the_whole_question() -> None:
    """A wrong link does not cost what the question itself would have found; two hops need no such rope."""
    chain = "What is the birthplace of the wife of the director of Vertigo"
    assert asked(f"{chain}?")[-1] == f"? {chain}"
    assert asked("Where was the director of Vertigo born?")[-1] == "? Where was #E2 born"


@pytest.mark.parametrize(
    "task",
    [
        "How does the president's plan that lowers costs help seniors?",
        "Where was the place of death of Ann Bell?",
        "Who is the longest reigning British monarch?",
        "The inn is near the road that has how many bends?",
    ],
)
def test_a_description_without_a_question_about_it_is_looked_up(task: str) -> None:
    """No hop is made when nothing would be asked of what it finds."""
    assert [one[0] for one in asked(task)] == ["?"]


@pytest.mark.parametrize(
    ("task", "first", "second"),
    [
        (
            "Do both films Night Ferry and The Salt Road have the directors that share the same nationality?",
            "who is the director of Night Ferry",
            "who is the director of The Salt Road",
        ),
        (
            "Are the directors of films Night Ferry and The Salt Road both from the same country?",
            "who is the director of Night Ferry",
            "who is the director of The Salt Road",
        ),
        (
            "Who was born later, the director of Night Ferry or the director of The Salt Road?",
            "who is the director of Night Ferry",
            "who is the director of The Salt Road",
        ),
        (
            "Is Ann Bell's father older than Bo Cole's father?",
            "who is the father of Ann Bell",
            "who is the father of Bo Cole",
        ),
    ],
)
def test_a_comparison_may_go_through_a_role(task: str, first: str, second: str) -> None:
    """Each side is found before it is compared, and the second hop asks about what the first found."""
    plan = write_plan(task, tools=ALL)
    extracts = [str(step.args["question"]) for step in plan.steps if step.tool == "extract"]
    assert [one for one in extracts if one.startswith("who")] == [first, second]
    assert sum(step.tool == "search_documents" and bool(step.needs) for step in plan.steps) == 2


@pytest.mark.parametrize(
    ("task", "candidates"),
    [
        ("Which river is longest: the Nile, the Rhine or the Po?", ("the Nile", "the Rhine", "the Po")),
        ("Which of Ann Bell, Bo Cole and Cy Dean was born first?", ("Ann Bell", "Bo Cole", "Cy Dean")),
        ("Which metal is the heaviest, gold, silver, or lead?", ("gold", "silver", "lead")),
    ],
)
def test_a_superlative_looks_every_candidate_up(task: str, candidates: tuple[str, ...]) -> None:
    """A search and a value for each of the things listed."""
    found = listing(task)
    assert found is not None
    assert found.candidates == candidates
    assert [one[0] for one in asked(task)] == ["?", "="] * len(candidates)


@pytest.mark.parametrize(
    "task",
    [
        "Which film came out first, Rich, Young And Pretty or Summer And Smoke?",
        "What of the plan for jobs, health and schools is the most costly?",
        "Which band has more members, Blur or Oasis?",
    ],
)
def test_commas_alone_are_no_list_of_candidates(task: str) -> None:
    """A title may hold commas; two candidates are a comparison."""
    assert listing(task) is None


@pytest.mark.parametrize(
    ("question", "text", "value"),
    [
        (
            "who is the director of The Salt Road",
            "The Salt Road is an Urdu drama film starring Bo Lind, written, produced, and directed by Mira Osten.",
            "Mira Osten",
        ),
        (
            "who is the father of Ann Bell",
            "Ann Bell was a poet. She was the eldest daughter of Count Carl Bell and Lady Dora Finch.",
            "Count Carl Bell",
        ),
        (
            "who is the mother of Ann Bell",
            "Ann Bell was a poet and the daughter of Carl Bell by his second wife, Dora Finch.",
            "Dora Finch",
        ),
        (
            "what is the name of the company that bought Lind Motors",
            "In 2004, Osten Works announced it would buy Karsk - based maker Lind Motors.",
            "Osten Works",
        ),
        (
            "what is the name of the river that the Orm clans crossed",
            "The Orm clans from Cape Grell crossed the Tarn River and moved north.",
            "Tarn River",
        ),
        (
            "what is the name of the county where Tom Lake was founded",
            "Tom Lake is a band, founded by Ann Bell in Karsk, Orm County.",
            "Orm County",
        ),
    ],
)
def test_how_a_sentence_says_the_relation_chooses_the_name(question: str, text: str, value: str) -> None:
    """Not the nearest capital wins but the one in the relation: by whom, whose child, who bought, which river."""
    assert best_value(question, text) == value


def test_a_passage_on_the_one_asked_about_wins_over_a_similar_one() -> None:
    """ "Directed by" about another film is no answer; a passage's title is what its "he" speaks of."""
    other = "[1] Night Road: Night Road is a film directed by Otto Grell.\n\n[2] Salt Road: Salt Road is a film by director Mira Osten."
    assert best_value("who is the director of Salt Road", other) == "Mira Osten"
    told = "[1] Paul Brand: Paul Brand is known. He plays Zed in Far Shore and Captain Blood in Iron Sea."
    assert best_value("who is the actor that plays Zed in Far Shore", told) == "Paul Brand"


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("Who is the mayor of the town where the director of The Salt Road died?", "Ilse Brandt"),
        ("Which film has the director who died later, The Salt Road or Night Ferry?", "Night Ferry"),
        ("When was the mother of the director of Night Ferry born?", "Not found"),
    ],
)
def test_hops_run_from_one_passage_to_the_next(tmp_path: Path, task: str, answer: str) -> None:
    """The whole agent over real passages follows a chain, compares over hops, and admits a broken one."""
    with open_knowledge(tmp_path / "index") as knowledge:
        knowledge.add(Document(f"paper/{title}", text, title) for title, text in PAPERS.items())
        agent = build_agent(models="extractive", knowledge=knowledge)
        done = agent.invoke({"task": task})
    assert answer in done["answer"].text
