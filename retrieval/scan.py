"""Find the files that paths, folders and globs lead to, and tell which documents lie within them."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path

from retrieval.errors import DocumentMissing

Paths = str | Path | Iterable[str | Path]
"""Files, folders (searched in depth, hidden names and linked folders left out), globs, and web addresses if allowed."""

_WEB = ("http://", "https://")
_LINKED = "a link to another folder; name that folder to have it ingested"


@dataclass(frozen=True, slots=True)
class Found:
    """One file or web page to read."""

    address: str
    path: Path | None = None
    """None for a web address."""
    reason: str = ""
    """Why it cannot even be opened."""


@dataclass(frozen=True, slots=True)
class Area:
    """A folder, or the part of it that a glob leads to."""

    folder: Path
    pattern: tuple[str, ...] = ()
    """Parts of the glob below the folder; none means everything."""

    def files(self) -> Iterator[tuple[Path, str]]:
        """Yield every file, and every folder that is not looked into with the reason."""
        refused: list[OSError] = []
        for place, folders, names in os.walk(self.folder, onerror=refused.append):
            inside = Path(place).relative_to(self.folder).parts
            folders[:] = sorted(name for name in folders if self._leads((*inside, name)))
            yield from ((Path(place, name), _LINKED) for name in folders if self._outside(Path(place, name)))
            for name in sorted(names):
                if not name.startswith(".") and _fits((*inside, name), self.pattern):
                    yield Path(place, name), ""
        for error in refused:
            yield Path(error.filename), f"unreadable: {error.strerror}"

    def covers(self, path: str) -> bool:
        """Whether a file with this path belongs to the area."""
        start = f"{_text(self.folder).rstrip('/')}/"
        return path.startswith(start) and _fits(tuple(path[len(start) :].split("/")), self.pattern)

    def _outside(self, folder: Path) -> bool:
        return folder.is_symlink() and not folder.resolve().is_relative_to(self.folder)

    def _leads(self, parts: tuple[str, ...]) -> bool:
        pattern = self.pattern[: len(parts)]
        return not parts[-1].startswith(".") and ("**" in pattern or _fits(parts, pattern))


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found, in order, each file once."""

    found: tuple[Found, ...]
    asked: tuple[str, ...]
    """What was asked for."""
    areas: tuple[Area, ...] = ()
    root: str = ""

    def covers(self, address: str) -> bool:
        """Whether a file with this address would have been found if it were there."""
        path = self._path(address)
        return any(area.covers(path) for area in self.areas)

    def gone(self, address: str) -> bool:
        """Whether a file that this scan covers is not there any more."""
        return self.covers(address) and not os.path.lexists(self._path(address))

    def _path(self, address: str) -> str:
        return f"{self.root}/{address}" if self.root and not address.startswith("/") else address


def is_web(path: str | Path) -> bool:
    """Whether a path is a web address."""
    return isinstance(path, str) and path.startswith(_WEB)


def scan(paths: Paths, *, root: Path | None = None, avoid: Path | None = None, urls: bool = False) -> Scan:
    """Return what paths lead to; what lies in the folder `avoid` is left out.

    With `root`, files below it are addressed relative to it. Raises DocumentMissing for a path that leads nowhere,
    and for a web address without `urls`.
    """
    asked = [paths] if isinstance(paths, str | Path) else list(paths)
    base = root.resolve() if root is not None else None
    found: dict[str, Found] = {}
    areas: list[Area] = []
    for path in asked:
        if is_web(path):
            _allow(str(path), urls=urls)
            found[str(path)] = Found(str(path))
            continue
        area = _area(path)
        areas += [area] if area else []
        one, none = Path(path).expanduser(), True
        for file, reason in area.files() if area else [(one, "")]:
            none = False
            kept = _found(file, reason, base)
            if avoid is None or kept.path is None or not kept.path.is_relative_to(avoid):
                found.setdefault(kept.address, kept)
        if none and area and area.pattern:
            raise DocumentMissing(
                f"No file matches {str(path)!r}. Check the pattern and the working directory."
            )
    return Scan(tuple(found.values()), tuple(map(str, asked)), tuple(areas), base.as_posix() if base else "")


def _allow(address: str, *, urls: bool) -> None:
    if not urls:
        raise DocumentMissing(
            f"{address!r} is a web address, and none are fetched unless asked for: pass urls=True, or --urls."
        )


def _found(file: Path, reason: str, root: Path | None) -> Found:
    real = file
    try:
        real = file.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a link to itself is a RuntimeError
        real = file.parent.resolve() / file.name
        reason = reason or ("a link that leads nowhere" if file.is_symlink() else f"unreadable: {error}")
    if root is not None and real.is_relative_to(root):
        return Found(_text(real.relative_to(root)), real, reason)
    return Found(_text(real), real, reason)


def _text(path: Path) -> str:
    # a file name may hold bytes that are no text; addresses are text
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def _area(path: str | Path) -> Area | None:
    """Return the area of a folder or a glob; None for a file."""
    start = Path(path).expanduser()
    if start.is_dir():
        return Area(start.resolve())
    if os.path.lexists(start):
        return None
    if not glob.has_magic(str(path)):
        raise DocumentMissing(
            f"There is no file or folder {str(path)!r}. Check the spelling and the working directory."
        )
    plain = [*takewhile(lambda part: not glob.has_magic(part), start.parts)]
    return Area(Path(*plain).resolve(), start.parts[len(plain) :])


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path, or a folder that it lies in, matches a glob."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_fits(parts[at:], pattern[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
