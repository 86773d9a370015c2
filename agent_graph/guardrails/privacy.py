"""Secrets and personal data in text that leaves the run: logs, error messages, reports."""

import re

_SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("password", re.compile(r"(?i)(?<=://)[^/\s:@]{1,100}:[^/\s@]{1,100}(?=@)")),
    ("api key", re.compile(r"\b(?:sk|pk|rk|ghp|gho|xox[abp]|AKIA|AIza|lsv2)[-_A-Za-z0-9]{12,}\b")),
    ("token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
    ("bearer", re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}")),
)


def redact(text: str) -> str:
    """Return the text with keys, tokens and passwords in addresses replaced by what they are."""
    for kind, pattern in _SECRETS:
        text = pattern.sub(f"[{kind}]", text)
    return text


redact.version = "1"  # type: ignore[attr-defined]  # an ingest reads files again when this changes
