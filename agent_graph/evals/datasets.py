"""Questions with the answers that count as right, read from files people already have."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_graph.errors import UserError


class Question(BaseModel):
    """One question and what a right answer is."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Unique in its file; the row's number when the file names none."""
    question: str
    answers: tuple[str, ...] = ()
    """Any of them is right; none means that the documents do not hold it and abstaining is right."""

    @property
    def answerable(self) -> bool:
        """Whether there is an answer to find."""
        return bool(self.answers)


def load_questions(path: str | Path, *, limit: int | None = None) -> list[Question]:
    """Read the first `limit` questions of a file: .csv with a header, or .jsonl with one object a line.

    Columns: `question`; `answer` (a text) or `answers` (a list, in .jsonl), empty when the documents hold none;
    `id`, optional. Raises UserError naming the file, the line and what is wrong there.
    """
    path = Path(path)
    read = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}.get(path.suffix.lower())
    if read is None:
        raise UserError(f"{path.name!r} is neither .csv nor .jsonl; save the questions as one of them.")
    questions: dict[str, Question] = {}
    try:
        for number, (where, record) in enumerate(read(path), 1):
            if limit is not None and number > limit:
                break
            one = _question(record, number, f"{path.name}, line {where}")
            if one.id in questions:
                raise UserError(
                    f"{path.name}, line {where}: the id {one.id!r} is there twice; make ids unique."
                )
            questions[one.id] = one
    except FileNotFoundError as error:
        raise UserError(f"There is no file {str(path)!r}; check the path.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name!r} cannot be read as UTF-8 text: {error}.") from error
    if not questions:
        raise UserError(f"{path.name!r} holds no questions.")
    return list(questions.values())


def _csv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            yield rows.line_num, row


def _jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _object(line, f"{path.name}, line {number}")


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is no JSON: {error}.") from error
    if not isinstance(record, Mapping):
        raise UserError(f"{where} is no JSON object; write one object with a question on each line.")
    return record


def _question(record: Mapping[str, Any], number: int, where: str) -> Question:
    question = record.get("question")
    if not isinstance(question, str) or not question.strip():
        raise UserError(f"{where} has no `question`; the columns are question, answer and, if you like, id.")
    if "answer" not in record and "answers" not in record:
        raise UserError(f"{where} has no `answer`; leave it empty when the documents do not hold one.")
    given = record.get("answers", record.get("answer"))
    listed = given if isinstance(given, list) else [given]
    if not all(one is None or isinstance(one, str | int | float) for one in listed):
        raise UserError(f"{where}: the answer must be a text, or in .jsonl a list of texts.")
    answers = tuple(text for one in listed if one is not None and (text := str(one).strip()))
    return Question(id=str(record.get("id") or number), question=question.strip(), answers=answers)
