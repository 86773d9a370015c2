"""What an evaluation found: a row per question, their summary, and both as Markdown and JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from statistics import mean, median

from pydantic import BaseModel, ConfigDict, computed_field

from agent_graph import guardrails
from agent_graph.evals.scorers import FOUND, SHORT_TOKENS, Scores, verbatim
from agent_graph.usage import RoleUsage


class Row(BaseModel):
    """One question, what the agent made of it, and how good that is."""

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    answers: tuple[str, ...] = ()
    """What counts as right."""
    answer: str = ""
    """What the agent said."""
    cited: str = ""
    """The passages and values it cites, each once."""
    error: str = ""
    """Why there is no answer; empty when there is one."""
    scores: Scores | None = None
    """None when there is no answer."""
    planner: str = ""
    """Who wrote the plan: a model, or "extractive mode"."""
    solver: str = ""
    """Who wrote the answer."""
    steps: int = 0
    failed_steps: int = 0
    replans: int = 0
    usage: RoleUsage = RoleUsage()
    """All model calls of the run."""
    seconds: float = 0.0


class Summary(BaseModel):
    """The rows in numbers; a share or mean is None when no row has it. Failed rows count as not found."""

    model_config = ConfigDict(frozen=True)

    questions: int
    errors: int
    answerable: int
    exact: float | None
    """Share of answerable questions answered exactly."""
    f1: float | None
    """Mean token F1."""
    in_evidence: float | None
    """Mean recall of the right answer in all evidence."""
    in_evidence_found: float | None
    """Share of answerable questions where that recall is at least one half; so for the two below."""
    in_cited: float | None
    in_cited_found: float | None
    in_answer: float | None
    in_answer_found: float | None
    short: int
    """Answerable questions with a right answer of at most five tokens."""
    verbatim_cited: float | None
    """Share of these whose right answer stands word for word in what is cited."""
    verbatim_answer: float | None
    abstained: float | None
    """Share of answerable questions not answered: false abstentions."""
    partial: float | None
    """Share of answerable questions answered in part, with a word on what is missing."""
    unanswerable: int
    abstained_rightly: float | None
    """Share of unanswerable questions not answered."""
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None


class EvalReport(BaseModel):
    """Everything an evaluation found."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    """What was asked, for example the file's name."""
    rows: tuple[Row, ...]
    """In the order of the questions."""
    seconds: float = 0.0
    """Wall time of the whole evaluation."""

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def summary(self) -> Summary:
        """The rows in numbers."""
        return summarise(self.rows)

    @property
    def roles(self) -> dict[str, dict[str, int]]:
        """Who planned and who answered, and how many rows each."""
        answered = [row for row in self.rows if not row.error]
        return {
            "planner": dict(Counter(row.planner for row in answered)),
            "solver": dict(Counter(row.solver for row in answered)),
        }


def summarise(rows: Sequence[Row]) -> Summary:
    """Return the rows in numbers."""
    able = [row.scores or Scores(abstained=False, partial=False) for row in rows if row.answers]
    unable = [row.scores for row in rows if not row.answers]
    short = [one for row, one in zip([r for r in rows if r.answers], able, strict=True) if _is_short(row)]
    usage = sum((row.usage for row in rows), RoleUsage())
    return Summary(
        questions=len(rows),
        errors=sum(bool(row.error) for row in rows),
        answerable=len(able),
        exact=_share(one.exact for one in able),
        f1=_mean(one.f1 for one in able),
        in_evidence=_mean(one.in_evidence for one in able),
        in_evidence_found=_found(one.in_evidence for one in able),
        in_cited=_mean(one.in_cited for one in able),
        in_cited_found=_found(one.in_cited for one in able),
        in_answer=_mean(one.in_answer for one in able),
        in_answer_found=_found(one.in_answer for one in able),
        short=len(short),
        verbatim_cited=_share(one.verbatim_cited for one in short),
        verbatim_answer=_share(one.verbatim_answer for one in short),
        abstained=_share(one.abstained for one in able),
        partial=_share(one.partial for one in able),
        unanswerable=len(unable),
        abstained_rightly=_share(one is not None and one.abstained for one in unable),
        calls=usage.calls,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        usd=usage.usd,
    )


def lines(report: EvalReport) -> list[tuple[str, str]]:
    """Return the summary as pairs of what was measured and its value, for any table; what does not apply is left out."""
    one = report.summary
    able, short, unable = f"of {one.answerable}", f"of {one.short}", f"of {one.unanswerable}"
    pairs = [
        ("questions", str(one.questions)),
        ("without an answer because of an error", str(one.errors)),
        ("right answer found in the evidence", _both(one.in_evidence_found, one.in_evidence, able)),
        ("right answer found in the cited passages", _both(one.in_cited_found, one.in_cited, able)),
        ("right answer found in the answer", _both(one.in_answer_found, one.in_answer, able)),
        ("short right answer word for word in the cited passages", _percent(one.verbatim_cited, short)),
        ("short right answer word for word in the answer", _percent(one.verbatim_answer, short)),
        ("exact match", _percent(one.exact, able)),
        ("token F1, mean", "" if one.f1 is None else f"{one.f1:.3f}"),
        ("abstained although there is an answer", _percent(one.abstained, able)),
        ("answered in part", _percent(one.partial, able)),
        ("abstained where there is none", _percent(one.abstained_rightly, unable)),
        ("model calls", str(one.calls)),
        ("tokens in, out", f"{one.input_tokens:,}, {one.output_tokens:,}" if one.calls else ""),
        ("US dollars", "" if one.usd is None else f"{one.usd:.4f}"),
        ("seconds, all; median question", _seconds(report)),
    ]
    return [(what, value) for what, value in pairs if value]


def markdown(report: EvalReport) -> str:
    """Return the report as Markdown: who answered, the summary, how to read it, and what failed."""
    table = [f"| {what} | {value} |" for what, value in lines(report)]
    failed = [f"- `{row.id}` {_cell(row.question)}: {_cell(row.error)}" for row in report.rows if row.error]
    parts = [
        f"# Evaluation: {report.name or 'questions'}",
        "\n".join(f"{role.capitalize()}: {_counted(who)}." for role, who in report.roles.items() if who),
        "\n".join(["| measured | value |", "|---|---|", *table]),
        f"Found: at least {FOUND:.0%} of the right answer's content words (normalised as SQuAD does, without function "
        f"words) occur in the text; the mean recall follows. Short: at most {SHORT_TOKENS} words.",
        *(["## Errors", "\n".join(failed)] if failed else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_report(report: EvalReport, folder: str | Path) -> tuple[Path, Path]:
    """Write `report.md` and `report.json`, every row included, into a folder and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text, rows = folder / "report.md", folder / "report.json"
    text.write_text(markdown(report), encoding="utf-8")
    rows.write_text(json.dumps(report.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    return text, rows


def _is_short(row: Row) -> bool:
    return verbatim("", row.answers) is not None


def _share(hits: Iterable[bool | None]) -> float | None:
    counted = [bool(hit) for hit in hits]
    return round(mean(counted), 4) if counted else None


def _mean(values: Iterable[float | None]) -> float | None:
    counted = [value or 0.0 for value in values]
    return round(mean(counted), 4) if counted else None


def _found(values: Iterable[float | None]) -> float | None:
    return _share((value or 0.0) >= FOUND for value in values)


def _both(found: float | None, recall: float | None, of: str) -> str:
    return "" if found is None else f"{found:.1%} {of} (mean recall {recall:.3f})"


def _percent(share: float | None, of: str) -> str:
    return "" if share is None else f"{share:.1%} {of}"


def _seconds(report: EvalReport) -> str:
    if not report.rows or not report.seconds:
        return ""
    return f"{report.seconds:.1f}; {median(row.seconds for row in report.rows):.2f}"


def _counted(who: dict[str, int]) -> str:
    return ", ".join(f"{name or 'unnamed'} ({count})" for name, count in sorted(who.items()))


def _cell(text: str) -> str:
    return " ".join(guardrails.printable(text).split())[:200].replace("|", "\\|")
