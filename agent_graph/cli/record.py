"""Runs, plans and hits as JSON for machines: the same names as in Python."""

from collections.abc import Mapping
from typing import Any

from agent_graph.evidence import Answer, Citation, Evidence
from agent_graph.plan import Plan, PlanProblem, Step, waves
from agent_graph.usage import RoleUsage, Usage
from retrieval.documents import Hit
from retrieval.ingest import IngestReport


def run_record(state: Mapping[str, Any], *, mode: str, thread: str | None) -> dict[str, Any]:
    """Return one whole run."""
    usage: Usage = state["usage"]
    return {
        "task": state["task"],
        "mode": mode,
        "thread": thread,
        "plan": plan_record(state["plan"]),
        "evidence": {step: evidence_record(one) for step, one in state["evidence"].items()},
        "answer": answer_record(state["answer"]),
        "replans": [replan.model_dump(mode="json") for replan in state["replans"]],
        "findings": [finding.model_dump(mode="json") for finding in state["findings"]],
        "usage": usage_record(usage),
        "seconds": usage.seconds,
    }


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return a plan with what each step waits for, and its wave: 1 for steps that wait for nothing."""
    wave = {step_id: number for number, wave in enumerate(waves(plan), start=1) for step_id in wave}
    return {
        "strategy": plan.strategy,
        "author": plan.author,
        "tainted": plan.tainted,
        "steps": [{**_step(step), "wave": wave[step.id]} for step in plan.steps],
    }


def problem_record(problem: PlanProblem) -> dict[str, Any]:
    """Return one thing wrong with a plan."""
    return problem.model_dump(mode="json")


def evidence_record(evidence: Evidence) -> dict[str, Any]:
    """Return the evidence of one step, with all its sources."""
    return evidence.model_dump(mode="json", exclude={"step", "fingerprint"})


def answer_record(answer: Answer) -> dict[str, Any]:
    """Return the answer; each citation names its document, its place and the sentence it rests on."""
    return {
        "text": answer.text,
        "citations": [_citation(citation) for citation in answer.citations],
        "unsupported": list(answer.unsupported),
        "unverified_numbers": list(answer.unverified_numbers),
        "forged": list(answer.forged),
        "insufficient": answer.insufficient,
        "author": answer.author,
    }


def usage_record(usage: Usage) -> dict[str, Any]:
    """Return what a run cost: in all, by role, and its tools."""
    total: RoleUsage = usage.total
    return {**usage.model_dump(mode="json"), "total": total.model_dump(mode="json")}


def hit_record(hit: Hit) -> dict[str, Any]:
    """Return one hit with its scores."""
    passage = hit.passage
    return {
        "score": hit.score,
        "dense": hit.dense,
        "lexical": hit.lexical,
        "document": passage.document,
        "title": passage.title,
        "location": passage.location,
        "start": passage.start,
        "end": passage.end,
        "passage": passage.id,
        "text": passage.text,
    }


def ingest_record(report: IngestReport, *, collection: str) -> dict[str, Any]:
    """Return what became of every document."""
    return {
        "collection": collection,
        "counts": {"ingested": 0, "updated": 0, "unchanged": 0, "skipped": 0, **report.counts},
        "passages": report.passages,
        "seconds": round(report.seconds, 3),
        "documents": [
            {
                "document": entry.document,
                "status": entry.status,
                "reason": entry.reason,
                "passages": entry.passages,
            }
            for entry in report.entries
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "tool": step.tool,
        "args": step.args,
        "reason": step.reason,
        "needs": sorted(step.needs, key=lambda need: int(need[1:])),
        "after": list(step.after),
    }


def _citation(citation: Citation) -> dict[str, Any]:
    source = citation.source
    return {
        "marker": citation.marker,
        "step": citation.step,
        "document": source.document if source else None,
        "title": source.title if source else None,
        "location": source.location if source else None,
        "start": source.start if source else None,
        "end": source.end if source else None,
        "quote": citation.quote,
        "claim": citation.claim,
    }
