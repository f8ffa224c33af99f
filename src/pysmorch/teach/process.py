"""The process in which a student's file runs: how it starts, how its end is told, and that nothing is left of it."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import select
import signal
import tempfile
import threading
import time
from typing import Any

from pysmorch.teach.child import PIPE_CLOSED
from pysmorch.teach.grade_report import clean, shorten
from pysmorch.teach.launching import launch
from pysmorch.teach.remote import Connection, Lost

START = 60.0
"""Seconds for the interpreter to start, which are not counted."""

KEPT_OUTPUT = 20_000

CLOSED = "it closed the pipe through which results are reported."


class Process:
    """The process in which a file runs, in a folder of its own and with its own group of processes."""

    def __init__(self, memory: int, timeout: float) -> None:
        token = secrets.token_bytes(16)
        self.folder = tempfile.TemporaryDirectory(prefix="pysmorch-grade-", ignore_cleanup_errors=True)
        seconds = int(timeout) + 10  # should the grader be killed, the system ends an endless loop
        self.process = launch(self.folder.name, (token.hex(), memory, seconds))
        self.is_reaped = False
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        if os.name == "posix":  # a process that reads nothing must not hold up the grader
            os.set_blocking(self.stdin.fileno(), False)
        self.parts = _Parts(self.stdout)
        self.connection = Connection(self._write, self._read, token)
        self.text = b""
        self.reader = threading.Thread(target=self._read_text, args=[self.process.stderr], daemon=True)
        self.reader.start()

    def started(self) -> bool:
        """Wait for the process to start; return whether its memory is limited."""
        self.connection.allow(START)
        return bool(self.connection.read()["value"])

    def _read_text(self, pipe: Any) -> None:
        while part := pipe.read(2**16):
            self.text += part[: KEPT_OUTPUT - len(self.text)]

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                try:
                    left = left[os.write(self.stdin.fileno(), left) :]
                except BlockingIOError:
                    if not select.select([], [self.stdin], [], self.connection.left)[1]:
                        raise Lost(self._out_of_time()) from None
        except OSError as error:
            raise Lost(self._how_it_ended()) from error

    def _out_of_time(self) -> str:
        return f"it did not come to an end within {self.connection.allowed:.3g} seconds (an endless loop?)."

    def _read(self, seconds: float) -> bytes:
        """Return what comes through the pipe; raise Lost, with the reason, when nothing comes."""
        until = time.monotonic() + seconds
        while True:
            part = self.parts.next(min(max(until - time.monotonic(), 0), 0.05))
            if part:
                return part
            if part is None:
                if not self.process.has_ended():
                    if time.monotonic() >= until:
                        raise Lost(self._out_of_time())
                    continue
                part = self.parts.next(0.2)  # what it had still sent; copies of it may keep the pipe open
            if not part:
                raise Lost(self._how_it_ended())
            return part

    def _how_it_ended(self) -> str:
        until = time.monotonic() + 1
        while not self.process.has_ended():
            if time.monotonic() >= until:
                return CLOSED
            time.sleep(0.01)
        code = self._end()
        if code == PIPE_CLOSED:
            return CLOSED
        if code >= 0:
            return f"it ended the whole program with exit code {code}, as os._exit does."
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        said = {
            "SIGSEGV": "a segmentation fault",
            "SIGKILL": "killed, perhaps for lack of memory",
            "SIGXCPU": "too much time",
        }
        return f"it crashed the whole program ({name}{f', {said[name]}' if name in said else ''})."

    def _end(self) -> int:
        """End the process and what it has started; return its exit code."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing may be left of it
                os.killpg(self.process.pid, signal.SIGKILL)
        elif not self.process.has_ended():
            os.kill(self.process.pid, signal.SIGTERM)
        self.is_reaped = True
        return self.process.wait()

    def output(self) -> str:
        """Return the first lines of what was printed past Python's own standard output."""
        return shorten(clean(self.text.decode("utf-8", "replace")))

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.is_reaped:
            self._end()
        with contextlib.suppress(OSError):  # what could not be written any more
            self.stdin.close()
        self.reader.join(timeout=1)
        if not self.reader.is_alive():
            self.process.stderr.close()
        self.parts.close()
        self.folder.cleanup()


class _Parts:
    """What comes through a pipe, with a limit of time for each part; a thread waits where the system cannot."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        if hasattr(select, "poll"):
            self.poll = select.poll()
            self.poll.register(pipe, select.POLLIN)
        else:
            self.parts: queue.Queue[bytes] = queue.Queue()
            self.thread = threading.Thread(target=self._read, daemon=True)
            self.thread.start()

    def _read(self) -> None:
        part = b"-"
        while part:
            part = self.pipe.read(2**16)
            self.parts.put(part)

    def next(self, seconds: float) -> bytes | None:
        """Return the next part; b"" at the end of the pipe, None when nothing comes in time."""
        if not hasattr(self, "thread"):
            return os.read(self.pipe.fileno(), 2**16) if self.poll.poll(1000 * seconds) else None
        try:
            return self.parts.get(timeout=seconds)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Close the pipe, but for one that a thread still reads, which copies of a process keep open."""
        if not hasattr(self, "thread") or not self.thread.is_alive():
            self.pipe.close()
