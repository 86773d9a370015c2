"""A PostgreSQL of a folder's own, as a plain process."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.processes import NotStarted, listens, process


@contextmanager
def postgres(folder: Path, port: int, *, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a PostgreSQL over the data in a folder, made when it is not there; only this machine reaches it.

    Raises NotStarted when there is none, or it refuses to start.
    """
    user = _user()
    if not (folder / "PG_VERSION").exists():
        _set_up(folder, user)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    command = [_program("postgres"), "-D", str(folder), "-p", str(port), *options]
    with process("PostgreSQL", command, lambda: listens(port), log=log, user=user) as started:
        yield started


def _set_up(folder: Path, user: str | None) -> None:
    folder.mkdir(exist_ok=True)
    if user:
        shutil.chown(folder, user)
    made = subprocess.run(  # noqa: S603  # a program of PostgreSQL's own
        [_program("initdb"), "-D", str(folder), "-U", "postgres", "--auth=trust", "--encoding=UTF8"],
        user=user,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    if made.returncode:
        raise NotStarted(f"PostgreSQL could not be set up in {folder}:\n{made.stderr[-1000:]}")


def _user() -> str | None:
    """Return whom PostgreSQL is to run as: it refuses to run as root."""
    if os.geteuid():
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise NotStarted(
            "PostgreSQL does not run as root. Run as another user, or set DATABASE_URL."
        ) from None


def _program(name: str) -> str:
    found = shutil.which(name)
    # Debian keeps them out of PATH.
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if found is None and not installed:
        raise NotStarted(
            "PostgreSQL is not installed. On Debian: apt install postgresql; or set DATABASE_URL."
        )
    return str(installed[-1]) if installed else str(found)
