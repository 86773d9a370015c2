"""Remember what could not be read, so that it is not read again: a cache by content, which may be lost at any time."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from retrieval.load import READERS
from retrieval.reading import Reading

_FILE = "unreadable.json"
_MOST = 100_000
_LASTING = (
    "empty",
    "binary",
    "protected",
    "no text",
    "not a readable",
    "not valid",
    "an archive",
    "an image",
)
"""How reasons begin that lie in the content itself; a lack of time or memory may pass."""


class Verdicts:
    """Contents that could not be read, with the reason; kept in a folder when there is one."""

    def __init__(self, folder: Path | None, reading: Reading) -> None:
        self._file = folder / _FILE if folder else None
        self._version = hashlib.sha256(f"{READERS}{sorted(reading.loaders.items())}".encode()).hexdigest()
        self._new = False
        self._reasons: dict[str, str] = {}
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            kept = json.loads(self._file.read_text("utf-8")) if self._file else {}
            if kept.get("version") == self._version:
                self._reasons = {str(key): str(reason) for key, reason in kept["reasons"].items()}

    def of(self, content: str) -> str:
        """Return why a content with this fingerprint cannot be read; empty when that is not known."""
        return self._reasons.get(content, "")

    def add(self, content: str, reason: str) -> None:
        """Remember a reason, if reading the same content again cannot end otherwise."""
        if reason.startswith(_LASTING) and len(self._reasons) < _MOST:
            self._reasons[content] = reason
            self._new = True

    def keep(self) -> None:
        """Write down what was added; that it cannot be written is no loss."""
        if self._file is None or not self._new:
            return
        beside = self._file.with_suffix(f".{os.getpid()}.new")
        with suppress(OSError):
            text = json.dumps({"version": self._version, "reasons": self._reasons}, ensure_ascii=False)
            beside.write_text(text, "utf-8")
            beside.replace(self._file)
