"""Read files in other processes, several at once, each within bounds of time and memory."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Self

from retrieval.documents import Document
from retrieval.load import read
from retrieval.loaders.extract import Unreadable
from retrieval.loaders.worker import OUT_OF_MEMORY, as_document, write
from retrieval.reading import Reading

_FILES_PER_PROCESS = 500
"""After so many files a process is replaced: what its libraries never gave back is gone with it."""
_START = "import sys; sys.path[:] = sys.argv[1:]; from retrieval.loaders.worker import serve; serve()"


class Readers:
    """Processes that read files; each starts when it is first needed. Safe to use from several threads."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._started: list[_Process] = []
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for process in self._started:
            process.end()

    def read(self, raw: bytes, name: str, address: str) -> Document:
        """Read the bytes of a file into a document; raises Unreadable when that cannot be done within bounds."""
        if not self._reading.processes or not sys.executable:
            return read(raw, name, address, loaders=self._reading.loaders)
        try:
            return self._read(raw, name, address, fresh=False)
        except _BrokeDown:
            # an earlier file may have left too little memory
            return self._read(raw, name, address, fresh=True)

    def stop(self) -> None:
        """Break off whatever is being read; nothing is read afterwards."""
        with self._lock:
            self._stopped = True
            for process in self._started:
                process.kill()

    def _read(self, raw: bytes, name: str, address: str, *, fresh: bool) -> Document:
        process = self._new() if fresh else self._taken()
        try:
            return process.read(raw, name, address, last_try=fresh)
        finally:
            if process.worn:
                process.end()
            else:
                self._idle.put(process)

    def _taken(self) -> "_Process":
        with suppress(Empty):
            return self._idle.get_nowait()
        return self._new()

    def _new(self) -> "_Process":
        process = _Process(self._reading)
        with self._lock:
            self._started = [*(one for one in self._started if not one.ended), process]
            if self._stopped:
                process.kill()
        return process


class _BrokeDown(Exception):
    pass


class _Process:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        # `python -c` and not multiprocessing: that would run the caller's own script again
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUTF8": "1"},
        )
        self._late = False
        self._files = 0
        self.ended = False

    @property
    def worn(self) -> bool:
        """Whether no more files are given to it."""
        return self._late or self._files >= _FILES_PER_PROCESS or self._process.poll() is not None

    def read(self, raw: bytes, name: str, address: str, *, last_try: bool) -> Document:
        self._files += 1
        watch = threading.Timer(self._reading.timeout_s, self._expire)
        watch.daemon = True
        watch.start()
        try:
            answer = self._asked(raw, name, address)
        finally:
            watch.cancel()
        if answer is not None:
            return as_document(answer)
        self.end()
        if not self._late and not last_try:
            raise _BrokeDown
        raise Unreadable(self._fate())

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self.ended = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not sent is not missed
                pipe.close()  # type: ignore[union-attr]

    def _asked(self, raw: bytes, name: str, address: str) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        request = {
            "name": name,
            "address": address,
            "size": len(raw),
            "memory_bytes": self._reading.memory_bytes,
            "loaders": dict(self._reading.loaders),
        }
        try:
            write(stdin, request, raw)
            line = stdout.readline()
            return json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    def _fate(self) -> str:
        if self._late:
            return f"reading it takes longer than {self._reading.timeout_s:g} s"
        code = self._process.returncode
        if code == OUT_OF_MEMORY:
            return f"reading it needs more than {self._reading.memory_bytes // 2**20:,} MiB of memory"
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        return f"its reader broke down ({how}); the file may be damaged, or need more than the allowed memory"
