"""What tests send to actors: readers that kill who asks, hooks that tell where they run, awkward embeddings."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from retrieval import embeddings_from


def once(raw: bytes, name: str) -> str:
    """Kill who asked, unless that was done before; the file names the place where this is noted."""
    note = Path(raw.decode())
    try:
        note.touch(exist_ok=False)
    except FileExistsError:
        return f"{name} was read at the second try."
    os.kill(os.getppid(), signal.SIGKILL)
    return ""


def always(raw: bytes, name: str) -> str:
    """Kill who asked."""
    os.kill(os.getppid(), signal.SIGKILL)
    return ""


def unversioned(text: str) -> str:
    """Tell where it runs."""
    return f"{text} ({os.getpid()})"


class Versioned:
    """A hook that tells where it runs, and promises to do nothing else."""

    version = "1"

    def __call__(self, text: str) -> str:
        return unversioned(text)


class Small(Embeddings):
    """Embeddings that cost nothing."""

    name = "small"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Locked(Small):
    """Embeddings that hold what cannot be sent."""

    name = "locked"

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Deadly(Small):
    """Embeddings that kill every process but the one where they were made."""

    name = "deadly"

    def __init__(self) -> None:
        self.home = os.getpid()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if os.getpid() != self.home:
            os._exit(1)
        return super().embed_documents(texts)


class Wrong(Deadly):
    """Embeddings that return too few vectors everywhere but where they were made."""

    name = "wrong"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return Small().embed_documents(texts if os.getpid() == self.home else texts[1:])


class Unmakeable(Small):
    """Embeddings that can be sent, and cannot be made where they arrive."""

    name = "unmakeable"

    def __reduce__(self) -> Any:
        return embeddings_from, ("a model that only the sender has",)
