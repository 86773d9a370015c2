"""Files of questions: read whole, with everything that is wrong in them said at once."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent_graph.background.assignment import Assignment
from agent_graph.errors import UserError
from agent_graph.evals import Question

MOST_QUESTIONS = 10_000
MOST_CHARACTERS = 20_000
"""Of one question."""
MOST_BYTES = 50_000_000
_MOST_NAMED = 20
"""Problems that are named one by one; of more the number is said."""


def read_questions(path: Path) -> list[Assignment]:
    """Read a .jsonl file: one object a line with a `question` and, if you like, an `id`. Repeated lines count once.

    Raises UserError that names every bad line.
    """
    if path.suffix.lower() not in (".jsonl", ".ndjson"):
        raise UserError(f"{path.name!r} is no .jsonl; write one JSON object with a question on each line.")
    problems: list[str] = []
    found: dict[str, Assignment] = {}
    named: dict[str, str] = {}
    for number, line in _lines(path):
        read = _assignment(line)
        if (
            isinstance(read, Assignment)
            and read.id
            and named.setdefault(read.id, digest(read)) != digest(read)
        ):
            read = f"the id {read.id!r} is there before, with another question"
        if isinstance(read, str):
            problems.append(f"line {number}: {read}")
        else:
            found[digest(read)] = read
    if len(found) > MOST_QUESTIONS:
        problems.append(f"there are {len(found):,} questions, and {MOST_QUESTIONS:,} is the most of one job")
    if problems:
        more = [f"and {len(problems) - _MOST_NAMED:,} more"] if len(problems) > _MOST_NAMED else []
        listed = "\n".join(f"  {one}" for one in [*problems[:_MOST_NAMED], *more])
        raise UserError(f"Nothing was enqueued; correct {path.name!r}:\n{listed}")
    if not found:
        raise UserError(f"{path.name!r} holds no questions.")
    return list(found.values())


def scored(questions: list[Question]) -> list[Assignment]:
    """Return the questions of an evaluation as assignments.

    Raises UserError for more, or longer ones, than a job may have.
    """
    for one in questions:
        size = len(one.question) + sum(map(len, one.answers))
        if size > MOST_CHARACTERS:
            raise UserError(
                f"The question {one.id!r} has {size:,} characters with its answers, and {MOST_CHARACTERS:,} is the most."
            )
    if len(questions) > MOST_QUESTIONS:
        raise UserError(
            f"There are {len(questions):,} questions, and {MOST_QUESTIONS:,} is the most of one job."
        )
    return [Assignment(id=one.id, question=one.question, answers=one.answers) for one in questions]


def digest(assignment: Assignment) -> str:
    """Return what makes a line the same line: its words, not the knobs it is asked with."""
    words = [assignment.id, assignment.question, assignment.answers]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path.name!r} is larger than {MOST_BYTES:,} bytes; divide it.")
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"There is no file {str(path)!r}; check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name!r} cannot be read as UTF-8 text: {error}.") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line


def _assignment(line: str) -> Assignment | str:
    """Return what a line says, or what is wrong with it."""
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    if not isinstance(record, dict):
        return "no JSON object"
    question, name = record.get("question"), record.get("id")
    if not isinstance(question, str) or not question.strip():
        return "no `question`"
    if len(question) > MOST_CHARACTERS:
        return f"the question has {len(question):,} characters, and {MOST_CHARACTERS:,} is the most"
    if name is not None and (not isinstance(name, str | int) or not 0 < len(str(name)) <= 200):
        return "the `id` is neither a number nor a text of at most 200 characters"
    if not _whole(question) or not _whole(str(name)):
        return "there is half a character (a lone surrogate) in it"
    return Assignment(id="" if name is None else str(name), question=question.strip())


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
