"""A process that reads files for another one, so that a file can hang, crash or eat memory without harm.

It takes one line of JSON and the bytes of the file, and answers with one line of JSON; when its input ends, it ends.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from typing import IO, Any

from retrieval.documents import Document, Section
from retrieval.loaders.extract import OutOfMemory, Unreadable

OUT_OF_MEMORY = 77
"""Exit code of a process that ran out of memory."""

_DEEPEST_RECURSION = 20_000


def serve() -> None:
    """Read files until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    sys.setrecursionlimit(_DEEPEST_RECURSION)
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    while head := asked.readline():
        request = json.loads(head)
        _bound(request["memory_bytes"])
        raw = asked.read(request["size"])
        write(answers, _answer(raw, request))


def write(stream: IO[bytes], message: Any, content: bytes = b"") -> None:
    """Write one message and what follows it."""
    stream.write(json.dumps(message).encode() + b"\n" + content)
    stream.flush()


def as_document(message: dict[str, Any]) -> Document:
    """Return the document in an answer; raises Unreadable when the answer is a reason."""
    if "reason" in message:
        raise Unreadable(message["reason"])
    sections = tuple(Section(*section) for section in message.pop("sections"))
    return Document(**message, sections=sections)


def _answer(raw: bytes, request: dict[str, Any]) -> dict[str, Any]:
    from retrieval.load import read

    try:
        document = read(raw, request["name"], request["address"], loaders=request["loaders"])
    except OutOfMemory:
        os._exit(OUT_OF_MEMORY)  # an earlier file may have used it up
    except Unreadable as error:
        return {"reason": str(error)}
    return {
        "address": document.address,
        "text": document.text,
        "title": document.title,
        "kind": document.kind,
        "sections": [(section.start, section.end, section.location) for section in document.sections],
        "version": document.version,
    }


def _bound(memory_bytes: int) -> None:
    if sys.platform == "linux":
        import resource

        with suppress(ValueError, OSError):  # the system may allow less already
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
