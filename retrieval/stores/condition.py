"""The condition of a Chroma folder: which collections can be relied on after the last owner let go of it.

An owner that closes leaves a note with the sizes and times of the files. Where the note is missing or the files have
changed, somebody was killed, or a server or a backup has been here: then every index is tried before it is used.
"""

import json
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

_log = logging.getLogger("retrieval.stores.condition")

_NOTE = "closed.json"
_PROBE_S = 600.0
_DATABASE = "chroma.sqlite3"


@dataclass
class Condition:
    """What is known about the collections of a folder, by name."""

    damaged: dict[str, str] = field(default_factory=dict)
    """Collections whose index is broken, with what was found."""
    in_step: set[str] = field(default_factory=set)
    """Chroma's ids of the collections whose mirror holds what they hold."""
    unsure: bool = False
    """Whether something went wrong that asks for a trial of everything at the next opening."""


def taken(folder: Path) -> Condition:
    """Return the condition of a folder that was just locked, and take away the note until the owner closes.

    Tries the indexes in a process of its own unless the last owner closed well; the segment folders of damaged ones
    are moved aside, so that opening the folder cannot crash.
    """
    note = _read(folder)
    with suppress(OSError):
        (folder / _NOTE).unlink(missing_ok=True)
    if note is not None:
        return Condition(in_step=note)
    if not (folder / _DATABASE).is_file():
        return Condition()
    condition = Condition(damaged=dict(probed(folder)))
    for name, fault in condition.damaged.items():
        _log.warning(
            "The index of the collection %r in %s is damaged (%s); it will be rebuilt.", name, folder, fault
        )
        _set_aside(folder, name)
    return condition


def kept(folder: Path, condition: Condition) -> None:
    """Leave the note of an owner that closes; called when all files are closed."""
    if condition.unsure or condition.damaged:
        return
    with suppress(OSError):
        files = {name: [size, changed] for name, size, changed in _files(folder)}
        text = json.dumps({"files": files, "in_step": sorted(condition.in_step)})
        (folder / _NOTE).write_text(text, encoding="utf-8")


def probed(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the collections whose index is damaged, with what was found."""
    tried: set[str] = set()
    while True:
        told, died = _trial(folder, tried)
        for name, fault in told.items():
            if fault:
                yield name, fault
        fresh = told.keys() - tried
        tried |= told.keys()
        if not died or not fresh:
            return


def _trial(folder: Path, tried: set[str]) -> tuple[dict[str, str], bool]:
    """Return what a probe found per collection it began, and whether it died before the last."""
    names = [name for name in _names(folder) if name not in tried]
    if not names:
        return {}, False
    # -P: the folder of the script would hide other packages behind the names of our files
    command = [sys.executable, "-P", str(Path(__file__).with_name("probe.py")), str(folder), *names]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_S, check=False)  # noqa: S603
        lines, code = ran.stdout, ran.returncode
    except subprocess.TimeoutExpired as late:
        lines, code = _text(late.stdout), -1
    except OSError as error:
        _log.warning(
            "No process can be started to try the indexes of %s (%s); they are used as they are.",
            folder,
            error,
        )
        return {}, False
    told: dict[str, str] = {}
    for line in lines.splitlines():
        said = json.loads(line)
        if "done" in said:
            return told, False
        told[said["collection"]] = said.get("fault", f"the process that tried it ended with {code}")
    return told, True


def _names(folder: Path) -> list[str]:
    with suppress(sqlite3.Error), closing(_database(folder)) as db:
        return [row[0] for row in db.execute("SELECT name FROM collections ORDER BY name")]
    return []


def _set_aside(folder: Path, name: str) -> None:
    asked = "SELECT s.id FROM segments s JOIN collections c ON s.collection = c.id WHERE s.scope = 'VECTOR' AND c.name = ?"
    with suppress(sqlite3.Error), closing(_database(folder)) as db:
        for (segment,) in db.execute(asked, [name]):
            with suppress(OSError):
                (folder / segment).rename(folder / f"damaged-{segment}")


def _database(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(folder / _DATABASE).absolute().as_uri()}?mode=ro", uri=True)


def _read(folder: Path) -> set[str] | None:
    try:
        said = json.loads((folder / _NOTE).read_text("utf-8"))
        files = {name: [size, changed] for name, size, changed in _files(folder)}
        return set(said["in_step"]) if said["files"] == files else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of change of every file of Chroma's and of our mirrors."""
    for pattern in (f"{_DATABASE}*", "lexical-*.sqlite3*", "*/*.bin", "*/*.pickle"):
        for file in sorted(folder.glob(pattern)):
            about = file.stat()
            yield file.relative_to(folder).as_posix(), about.st_size, about.st_mtime_ns


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
