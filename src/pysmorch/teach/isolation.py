"""Grading a file in a sandboxed subprocess, with limits of time and memory.

What a student's file does by mistake (loop without end, end the program, crash, fill the memory, print without end, write
files, read input, start processes) is a failed test here, and the other tests get their results all the same. Reports
come through a pipe of their own and carry a word that is not in the file's reach by ordinary means; a file that replaces
functions of the grader or of NumPy is refused.

It is no sandbox. The file runs with the rights of whoever grades it: it may read and write files, use the network, start
processes that leave their group, and, if it is written to that end, find the word and the pipe in the memory of its own
process. Who grades files of strangers runs the grader in a container without a network, and looks at the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pysmorch.teach.child import PIPE_CLOSED
from pysmorch.teach.grade_report import FileReport, GradeReport, Result, clean, shorten
from pysmorch.teach.grading import check_known
from pysmorch.teach.trials import trials_of

MEMORY = 2 * 2**30
TIMEOUT = 60.0

SHARE_OF_READING = 0.5
"""Part of the time for a file in which the file itself has to be read."""

SHARE_OF_A_TRIAL = 0.1
"""Part of the time for a file that one test may take."""

LOST_BEFORE_GIVING_UP = 2
"""After this many tests of a class that time out, its other tests are not run."""

START = 60.0
"""Seconds for the interpreter to start, which are not counted."""

KEPT_OUTPUT = 20_000
LONGEST_MESSAGE = 2**20

PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONHOME")
"""Environment variables that a student's file gets; others may hold secrets."""


CLOSED = "it closed the pipe through which results are reported."


class GradingError(RuntimeError):
    """The grader itself could not do its work; no fault of the file that is graded."""


def grade_file(
    path: str | Path, only: Sequence[str] | None = None, timeout: float = TIMEOUT, memory: int = MEMORY
) -> FileReport:
    """Grade the classes in a file, in a sandboxed subprocess.

    Parameters
    ----------
    path : str or Path
        A Python file; classes that are named like one of the library's, and a function check_gradient, are graded.
    only : sequence of str, default=None
        These names alone, of `KNOWN`; one that the file lacks gets no points.
    timeout : float, default=60.0
        Seconds that the file may take in all. Reading it may take half of them, a test a tenth.
    memory : int, default=2 * 2**30
        Bytes of address space that the process may use, where the system can limit them.

    Returns
    -------
    FileReport
        The results of each class; also for a file that cannot be read as Python.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        For names that are not known.
    GradingError
        When the grader itself could not do its work.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    for name in only or ():
        check_known(name)
    grading = _Grading(path, list(only) if only is not None else None, timeout, memory)
    while grading.run_process():
        pass
    return grading.report()


class _Grading:
    """What is known so far of a file: the tests that there are, and their results."""

    def __init__(self, path: Path, only: list[str] | None, timeout: float, memory: int) -> None:
        self.path, self.only, self.timeout, self.memory = path, only, timeout, memory
        self.left = timeout
        self.planned: dict[str, list[Result]] | None = None
        self.results: dict[tuple[str, str], Result] = {}
        self.printed: dict[str, str] = {}
        self.lost: Counter[str] = Counter()
        self.problem = self.printed_by_file = ""
        self.notes: list[str] = []

    def run_process(self) -> bool:
        """Let a process do the tests that have no result yet; return whether another one has to go on after it."""
        job = {
            "path": str(self.path),
            "only": self.only,
            "memory": self.memory,
            "timeout": self.timeout,
            "done": list(self.results),
        }
        with _Child(job) as child:
            self._start(child)
            running: tuple[str, str] | None = None
            allowed = SHARE_OF_READING * self.timeout
            while True:
                began = time.monotonic()
                message = child.listen(min(allowed, self.left))
                self.left = max(self.left - (time.monotonic() - began), 0.0)
                event = message["event"]
                if event == "lost":
                    break
                if event == "end":
                    self._fail_the_rest("Its result did not arrive.")
                    return False
                allowed = SHARE_OF_A_TRIAL * self.timeout
                if event == "tampered":
                    return self._refuse(message["what"])
                if event == "loaded":
                    self._take_plan(message)
                elif event == "begin":
                    running = (message["cls"], message["trial"])
                elif event == "result":
                    self._take_result(message)
                    running = None
            self.printed_by_file = self.printed_by_file or child.output()
        return self._lose(running, message["reason"])

    def _start(self, child: _Child) -> None:
        message = child.listen(START)
        if message["event"] != "ready":
            raise GradingError(f"the process for {self.path.name} did not start: {child.output() or message['reason']}")
        if not message["limited"] and not self.notes:
            self.notes.append("the memory is not limited on this system")

    def _take_plan(self, message: dict[str, Any]) -> None:
        if self.planned is None:
            self.planned = {
                name: [Result(trial, part, False, 0, points) for trial, part, points in trials]
                for name, trials in message["planned"].items()
            }
            self.problem, self.printed_by_file = message["problem"], message["printed"]

    def _take_result(self, message: dict[str, Any]) -> None:
        """Take over a result; how many points it is worth is known here already."""
        name, found = message["cls"], message["result"]
        for trial in (self.planned or {}).get(name, []):
            if trial.name == found["name"]:
                passed = bool(found["passed"])
                self.results[name, trial.name] = Result(
                    trial.name,
                    trial.part,
                    passed,
                    trial.max_points if passed else 0,
                    trial.max_points,
                    found["cause"],
                    found["example"],
                    found["hint"],
                )
        self.printed.setdefault(name, message["printed"])

    def _lose(self, running: tuple[str, str] | None, reason: str) -> bool:
        """Take note of what was running when a process was lost; return whether tests remain that may be run."""
        if self.planned is None:
            self.problem = f"Reading the file: {reason}"
            return False
        if running is None:
            self._fail_the_rest("Not run: the file could not be read a second time.")
            return False
        name = running[0]
        trial = next(trial for trial in self.planned[name] if trial.name == running[1])
        self.results[running] = _failed(trial, reason[0].upper() + reason[1:])
        self.lost[name] += 1
        if self.lost[name] >= LOST_BEFORE_GIVING_UP:
            self._fail_the_rest(
                f"Not run: {LOST_BEFORE_GIVING_UP} tests of this class before did not come to an end.", name
            )
        if self.left <= 0:
            self._fail_the_rest(f"Not run: the file has used up its {self.timeout:g} seconds.")
        return any((name, trial.name) not in self.results for name, row in self.planned.items() for trial in row)

    def _refuse(self, what: str) -> bool:
        self.problem = (
            f"The file replaces {what}, a part of the grader, of NumPy or of Python; nothing that it reports is taken."
        )
        self.results.clear()
        self._fail_the_rest("Not counted.")
        return False

    def _fail_the_rest(self, cause: str, only: str | None = None) -> None:
        for name, trials in (self.planned or {}).items():
            for trial in trials:
                if only in (None, name):
                    self.results.setdefault((name, trial.name), _failed(trial, cause))

    def report(self) -> FileReport:
        """Return what was found, with no points for what the file should have and lacks."""
        planned = self.planned or {}
        reports = [
            GradeReport(name, [self.results[name, trial.name] for trial in trials], self.printed.get(name, ""))
            for name, trials in planned.items()
        ]
        for name in self.only or ():
            if name not in planned:
                cause = f"The file has no {'function' if name == 'check_gradient' else 'class'} {name}."
                trials = trials_of(name, None)
                reports.append(GradeReport(name, [Result(t.name, t.part, False, 0, t.points, cause) for t in trials]))
        problem = self.problem
        if not reports and not problem:
            problem = "The file defines no class whose name is known."
        return FileReport(str(self.path), reports, problem, self.printed_by_file, self.notes)


def _failed(trial: Result, cause: str) -> Result:
    return Result(trial.name, trial.part, False, 0, trial.max_points, cause)


class _Child:
    """The process in which a file runs, in a folder of its own and with its own group of processes."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.token = secrets.token_hex(16)
        self.folder = tempfile.TemporaryDirectory(prefix="pysmorch-grade-", ignore_cleanup_errors=True)
        paths = [os.path.abspath(p) for p in sys.path]
        code = f"import sys; sys.path[:] = {paths!r}; from pysmorch.teach.child import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder.name,
            env=self._environment(),
            start_new_session=True,
        )
        self.messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.text = b""
        self.pipes: list[Any] = [self.process.stdout, self.process.stderr]
        self.readers = [
            threading.Thread(target=read, args=[pipe], daemon=True)
            for read, pipe in zip((self._read_messages, self._read_text), self.pipes, strict=True)
        ]
        for reader in self.readers:
            reader.start()
        stdin: Any = self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # where it ended at once, listen says so
            stdin.write(json.dumps({**job, "token": self.token}).encode() + b"\n")
            stdin.close()

    def _environment(self) -> dict[str, str]:
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            **threads,
            "HOME": self.folder.name,
            "TMPDIR": self.folder.name,
            "MPLBACKEND": "Agg",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8:replace",
        }

    def _read_messages(self, pipe: Any) -> None:
        while line := pipe.readline(LONGEST_MESSAGE):
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):  # not one of ours
                message = json.loads(line)
                if message["token"] == self.token:
                    self.messages.put(message)
        self.messages.put(None)

    def _read_text(self, pipe: Any) -> None:
        while part := pipe.read1(2**16):
            self.text += part[: KEPT_OUTPUT - len(self.text)]

    def listen(self, seconds: float) -> dict[str, Any]:
        """Return the next message; the event "lost", with the reason, when none comes."""
        until = time.monotonic() + seconds
        while True:
            try:
                message = self.messages.get(timeout=min(max(until - time.monotonic(), 0), 0.05))
            except queue.Empty:
                if self._has_ended():
                    return self._next_or_lost()
                if time.monotonic() >= until:
                    return _lost(f"it did not come to an end within {seconds:.3g} seconds (an endless loop?).")
                continue
            return message if message is not None else _lost(self._how_it_ended())

    def _next_or_lost(self) -> dict[str, Any]:
        """Return what an ended process had still sent; copies of it may keep the pipe open."""
        try:
            message = self.messages.get(timeout=0.2)
        except queue.Empty:
            message = None
        return message if message is not None else _lost(self._how_it_ended())

    def _has_ended(self) -> bool:
        """Whether the process has ended; it is not reaped yet, so that its process id is not reused."""
        if not hasattr(os, "waitid"):
            return self.process.poll() is not None
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _how_it_ended(self) -> str:
        until = time.monotonic() + 1
        while not self._has_ended():
            if time.monotonic() >= until:
                return CLOSED
            time.sleep(0.01)
        self._kill_group()
        code = self.process.wait()
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

    def _kill_group(self) -> None:
        """End the process and what it has started."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing may be left of it
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self.process.poll() is None:
            self.process.kill()

    def output(self) -> str:
        """Return the first lines of what was printed past Python's own standard output."""
        return shorten(clean(self.text.decode("utf-8", "replace")))

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self._kill_group()
            self.process.wait()
        for reader in self.readers:
            reader.join(timeout=1)
        for reader, pipe in zip(self.readers, self.pipes, strict=True):
            if not reader.is_alive():
                pipe.close()
        self.folder.cleanup()


def _lost(reason: str) -> dict[str, Any]:
    return {"event": "lost", "reason": reason}
