"""Values: what a question asks for, and the one value of a text that answers it."""

import pytest
from langchain_core.tools import ToolException

from tools.extract import answer_type, best_value, make_extract
from tools.question import comparison, parts, strip_lead
from tools.values import dates, names, numbers, when

SPEECH = """Buy American has been the law of the land since 1933. But for too long, past administrations found ways around it.

Outside of Columbus, Ohio, Intel is building semiconductor factories on a thousand acres. That’ll create 10,000 jobs. 7,000 construction jobs. 3,000 jobs once the factories are finished.

We capped the cost of insulin at $35 a month for seniors on Medicare. In the last two years, my administration cut the deficit by more than $1.7 trillion. Unemployment rate at 3.4%, a 50-year low.

I start tonight by congratulating the new Speaker of the House, Kevin McCarthy. I also want to congratulate the new leader of the House Democrats, Hakeem Jeffries."""


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many jobs did Intel create?", "number"),
        ("How much was the deficit cut?", "money"),
        ("What percentage of Eritrea is Muslim?", "percent"),
        ("What is the unemployment rate?", "percent"),
        ("When was the treaty signed?", "date"),
        ("In what year was it signed?", "year"),
        ("year of signing", "year"),
        ("Who directed Vertigo?", "person"),
        ("director of Vertigo", "person"),
        ("Where was she born?", "place"),
        ("What is the place of birth of the director?", "place"),
        ("What is the name of the bridge?", "name"),
        ("Which team won the cup?", "name"),
        ("Is Biden supportive of electric vehicles?", "yes_no"),
        ("Which film came first, Vertigo or Psycho?", "choice"),
        ("Why did car prices rise?", "reason"),
        ("What actions did they take?", "list"),
        ("What is the PRO Act?", "text"),
        ("Based on the speech: Who is the Speaker?", "person"),
        ("What city was the author of When We Talk born in?", "place"),
        ("", "text"),
    ],
)
def test_a_question_says_what_kind_of_value_it_asks_for(question: str, kind: str) -> None:
    """The wording gives the type away."""
    assert answer_type(question) == kind


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("How many construction jobs will Intel create?", 7000),
        ("How many jobs once the factories are finished?", 3000),
        ("How much was the deficit cut?", 1_700_000_000_000),
        ("What is the unemployment rate?", 3.4),
        ("What is the cost of insulin a month?", 35),
        ("what year was the Buy American law", 1933),
        ("Who is the Speaker of the House?", "Kevin McCarthy"),
        ("Who leads the House Democrats?", "Hakeem Jeffries"),
    ],
)
def test_the_value_of_the_asked_kind_next_to_the_words_of_the_question_is_taken(
    question: str, value: int | float | str
) -> None:
    """Numbers come back bare and in plain units, names as written."""
    found = best_value(question, SPEECH)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "question", ["How many jobs did Tesla create?", "Who founded the Mars colony?", "When did Rome fall?"]
)
def test_what_the_text_does_not_hold_is_refused(question: str) -> None:
    """A value of the right type about something else is no answer."""
    assert best_value(question, SPEECH) is None
    with pytest.raises(ToolException, match="does not say"):
        make_extract().invoke({"question": question, "text": SPEECH})


def test_marks_and_titles_of_a_search_are_no_part_of_the_text() -> None:
    """The 2 of "[2]" is not a number found, and a title tells whom "he" means."""
    found = "[1] Carl Boese (line 3): Carl Boese (26 August 1887 – 6 July 1958) was a director.\n\n[2] Mary Smith: She was born in 1901."
    assert best_value("When did Carl Boese die?", found) == "6 July 1958"
    assert best_value("When was Carl Boese born?", found) == "26 August 1887"
    assert best_value("what year was Mary Smith born", found) == 1901


def test_a_reason_is_what_follows_because() -> None:
    """Why-questions take the clause, not the whole sentence."""
    text = "Automakers built few cars in 2021 because there were too few chips."
    assert best_value("Why did automakers build few cars?", text) == "there were too few chips"


@pytest.mark.parametrize(
    ("said", "question", "value"),
    [
        ("$1.7 trillion", "How much was the deficit cut?", 1_700_000_000_000),
        ("1933.", "what year was the law", 1933),
        ('"Kevin McCarthy"', "Who is the Speaker?", "Kevin McCarthy"),
        ("12 million jobs", "How many jobs?", 12_000_000),
    ],
)
async def test_a_models_words_get_the_same_types(said: str, question: str, value: int | str) -> None:
    """With a model the value is read by it, and typed by us."""
    prompts: list[str] = []

    async def ask(prompt: str) -> str:
        prompts.append(prompt)
        return said

    assert await make_extract(ask).ainvoke({"question": question, "text": "some text"}) == value
    assert "some text" in prompts[0]
    assert question in prompts[0]


async def test_a_model_may_say_that_the_text_does_not_say() -> None:
    """The agreed words become a failed step, not a value."""

    async def ask(_: str) -> str:
        return "NOT FOUND"

    with pytest.raises(ToolException, match="does not say"):
        await make_extract(ask).ainvoke({"question": "Who?", "text": "text"})


def test_the_tool_says_that_it_only_reads() -> None:
    """So it may start early and be tried again."""
    tool = make_extract(name="read_value")
    assert tool.name == "read_value"
    assert tool.metadata == {"effects": "reads", "idempotent": True, "returns": "text"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1.7 trillion", [1_700_000_000_000]),
        ("12 million and 800,000", [12_000_000, 800_000]),
        ("3.4% or 50 percent", [3.4, 50]),
        ("twenty-one of seven", [21, 7]),
        ("a thousand acres", [1000]),
        ("the 118th, #13, 1990s, v2, No-1, 5m wide", [5]),
        ("signed on 5 June 1994", []),
        ("€2bn", [2_000_000_000]),
        ("one of us", []),
    ],
)
def test_numbers_are_read_with_their_scale(text: str, expected: list[int | float]) -> None:
    """Ordinals, decades, dates and parts of words are not numbers."""
    assert [value.value for value in numbers(text)] == expected


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("26 August 1887", (1887, 8, 26)),
        ("on September 23, 1935", (1935, 9, 23)),
        ("in May 2012", (2012, 5, 0)),
        ("2013-04-05", (2013, 4, 5)),
        ("since 1933.", (1933, 0, 0)),
        ("no date", None),
    ],
)
def test_dates_can_be_put_in_order(text: str, moment: tuple[int, int, int] | None) -> None:
    """However a date is written it becomes year, month, day."""
    assert when(text) == moment
    assert bool(list(dates(text))) == (moment is not None)


def test_names_are_runs_of_capitals_with_their_small_words() -> None:
    """Particles and initials belong, sentence openings and possessives do not."""
    text = "The film was made by J. R. R. Tolkien and Ludwig van Beethoven. In Ohio’s heart he met Mr. Smith."
    assert [name.text for name in names(text)] == [
        "J. R. R. Tolkien",
        "Ludwig van Beethoven",
        "Ohio",
        "Mr. Smith",
    ]


@pytest.mark.parametrize(
    ("question", "candidates", "order", "yes_no"),
    [
        ("Which film came first, Vertigo or Psycho?", ("Vertigo", "Psycho"), "least", False),
        ("Who is younger, Ann Bell or Bo Cole?", ("Ann Bell", "Bo Cole"), "most", False),
        ("Was Ann Bell or Bo Cole born first?", ("Ann Bell", "Bo Cole"), "least", False),
        ("Is Berlin larger than Paris?", ("Berlin", "Paris"), "most", True),
        ("Which band has more members, A or B?", ("A", "B"), "most", False),
        ("Are Ohio and Utah in the same country?", ("Ohio", "Utah"), None, True),
    ],
)
def test_a_comparison_is_read_with_its_direction(
    question: str, candidates: tuple[str, str], order: str | None, yes_no: bool
) -> None:
    """Who is compared, and which end wins."""
    found = comparison(question)
    assert found is not None
    assert (found.candidates, found.order, found.yes_no) == (candidates, order, yes_no)


@pytest.mark.parametrize(
    "question", ["Is the Speaker older than last year?", "Who is the Speaker?", "tea or coffee", ""]
)
def test_other_questions_compare_nothing(question: str) -> None:
    """An "or" or a "than" alone is no comparison of two things."""
    assert comparison(question) is None


def test_several_questions_come_apart() -> None:
    """At question marks, and where "and" begins another question."""
    assert parts("Who is she and what is she known for?") == ["Who is she", "what is she known for"]
    assert parts("When was it? Did he sign it?") == ["When was it", "Did he sign it"]
    assert parts("What do France and Spain share?") == ["What do France and Spain share"]


def test_boilerplate_before_the_question_is_dropped() -> None:
    """What the asker's template says is not part of the question; a wording that opens with "in" is."""
    assert (
        strip_lead("Based on State of the Union Address 2023: What is the PRO Act?") == "What is the PRO Act"
    )
    assert strip_lead("In what year: the ban") == "In what year: the ban"
    assert strip_lead("What happened in the U.S.?") == "What happened in the U.S."
