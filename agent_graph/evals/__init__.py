"""Evaluation: questions with known answers put to the real agent, scored in ways that need no judge.

`load_questions` reads them, `evaluate` asks them, and the `EvalReport` it returns keeps a row for each.
"""

from agent_graph.evals.datasets import Question, load_questions
from agent_graph.evals.report import EvalReport, Row, Summary, markdown, write_report
from agent_graph.evals.runner import evaluate, row_of
from agent_graph.evals.scorers import Scores, score

__all__ = [
    "EvalReport",
    "Question",
    "Row",
    "Scores",
    "Summary",
    "evaluate",
    "load_questions",
    "markdown",
    "row_of",
    "score",
    "write_report",
]
