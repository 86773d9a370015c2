"""A real terminal for the command line under test: a pseudo terminal, read until something stands on it."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

COMMAND = (sys.executable, "-m", "agent_graph")


class Terminal:
    """A running command and the terminal that a person would sit at."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process, self._screen, self.seen = process, screen, b""

    def until(self, pattern: str) -> str:
        """Read until the pattern stands after what was waited for before, and return what was read."""
        begun = len(self.seen)
        while not re.search(pattern.encode(), self.seen[begun:]):
            if not self._read():
                raise AssertionError(f"{pattern!r} never came; the terminal shows:\n{self.seen.decode()}")
        return self.seen[begun:].decode()

    def type(self, text: str) -> None:
        """Type as a person would, Enter included."""
        os.write(self._screen, text.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C, again when nothing happened, and return the exit code.

        A signal that lands just before the interpreter blocks on reading a line is only seen with the next one.
        """
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)
        return self.ended()

    def ended(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=60)

    def _read(self) -> bool:
        try:
            read = os.read(self._screen, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.seen += read
        return bool(read)


@contextmanager
def terminal(arguments: Sequence[str], **environment: str) -> Iterator[Terminal]:
    """Start the command at a terminal of its own."""
    screen, side = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "50", **environment},
    )
    os.close(side)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(screen)


def piped(arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a pipe, as a script would."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
    )
