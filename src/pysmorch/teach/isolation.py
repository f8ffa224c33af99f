"""Grading a file: its code runs in a sandboxed subprocess, with limits of time and memory; it is judged in this process.

What a student's file does by mistake (loop without end, end the program, crash, fill the memory, print without end, write
files, read input, start processes) is a failed test here, and the other tests get their results all the same.

The process of the file is told which method to call, and with which arrays; it returns arrays. The expected values, the plan and the
results are in this process only, so that a file finds nothing to read or to replace in its own.

It is no sandbox. The file runs with the rights of whoever grades it: it may read and write files, use the network, and start
processes that leave their group. Who grades files of strangers runs the grader in a container without a network.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pysmorch.teach.attempt import explain_raised
from pysmorch.teach.checks import Trial
from pysmorch.teach.exercises import drawn_from
from pysmorch.teach.flags import forbidden_imports, looks_numerical
from pysmorch.teach.grade_report import FileReport, GradeReport, Result, clean, shorten
from pysmorch.teach.grading import calm, check_known, run_trial, waiting
from pysmorch.teach.process import Process
from pysmorch.teach.reading import text_of
from pysmorch.teach.remote import GARBAGE, Lost
from pysmorch.teach.rules import USUAL, Rules
from pysmorch.teach.trials import trials_of

MEMORY = 2 * 2**30
TIMEOUT = 60.0

SHARE_OF_READING = 0.5
"""Part of the time for a file in which the file itself has to be read."""

SHARE_OF_A_TRIAL = 0.1
"""Part of the time for a file that one test may take."""

LOST_BEFORE_GIVING_UP = 2
"""After this many tests of a class that time out, its other tests are not run."""


UNKNOWN = tuple(int(word) for word in secrets.token_bytes(8))
"""Secret of the numbers on which a test that was passed is run once more: no file can have the answers from elsewhere."""


class GradingError(RuntimeError):
    """The grader itself could not do its work; no fault of the file that is graded."""


def grade_file(
    path: str | Path,
    only: Sequence[str] | None = None,
    timeout: float = TIMEOUT,
    memory: int = MEMORY,
    *,
    with_files: Sequence[str | Path] = (),
    pieces: Sequence[tuple[str, str]] | None = None,
    rules: Rules = USUAL,
) -> FileReport:
    """Grade the classes in a file; its code runs in a sandboxed subprocess, in an empty folder.

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
    with_files : sequence of str or Path, default=()
        Files that are put beside it in its folder, which it may import or read.
    pieces : sequence of (str, str), default=None
        Names and texts of the pieces of the file, such as the cells of a notebook, which are run in place of its text; one that does not
        compile costs only itself.
    rules : Rules, default=teach.Rules()
        From which numbers the tests are drawn, with which tolerance, what is flagged, and a teacher's own exercises. What the classes are
        worth is another matter: `Rules.weighed` gives a report those points.

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
    for file in (path, *map(Path, with_files)):
        if not file.is_file():
            raise FileNotFoundError(2, "no such file", str(file))
    for name in only or ():
        if name not in rules.known:
            check_known(name)
    if pieces is None:
        pieces = [(path.name, path.read_text("utf-8-sig", "replace"))]
    grading = _Grading(path, list(only) if only is not None else None, timeout, memory, list(pieces), with_files, rules)
    with drawn_from(rules.secret(text for _, text in pieces)):
        while grading.run_process():
            pass
    return grading.report()


class _Grading:
    """What is known so far of a file: the tests that there are, and their results."""

    def __init__(
        self,
        path: Path,
        only: list[str] | None = None,
        timeout: float = TIMEOUT,
        memory: int = MEMORY,
        pieces: Sequence[tuple[str, str]] = (),
        with_files: Sequence[str | Path] = (),
        rules: Rules = USUAL,
    ) -> None:
        self.path, self.only, self.timeout, self.memory = path, only, timeout, memory
        self.pieces, self.with_files, self.rules = list(pieces), with_files, rules
        self.left = timeout
        self.planned: dict[str, list[Trial]] | None = None
        self.results: dict[tuple[str, str], Result] = {}
        self.printed: dict[str, str] = {}
        self.lost: Counter[str] = Counter()
        self.problem = self.printed_by_file = ""
        self.notes: list[str] = []
        self.flags: list[str] = []
        self.looked: set[str] = set()
        self.odd_arrays: set[str] = set()
        self.imported: list[str] = []

    def run_process(self) -> bool:
        """Let a process do the tests that have no result yet; return whether another one has to go on after it."""
        with Process(self.memory, self.timeout) as process:
            try:
                self._start(process)
                classes = self._load(process)
                for name, trials in (self.planned or {}).items():
                    for trial in trials:
                        if (name, trial.name) not in self.results:
                            self._try(process, classes, name, trial)
                    self._look_at_gradients(process, classes, name)
            except Lost as lost:
                return self._lose(None, lost.reason)
            except _LostIn as lost:
                return self._lose(lost.running, lost.reason)
            finally:
                self.odd_arrays |= process.connection.odd_arrays
                self.printed_by_file = self.printed_by_file or process.output()
        return False

    def _start(self, process: Process) -> None:
        try:
            limited = process.started()
        except Lost as lost:
            raise GradingError(
                f"the process for {self.path.name} did not start: {process.output() or lost.reason}"
            ) from lost
        if not limited and not self.notes:
            self.notes.append("the memory is not limited on this system")

    def _load(self, process: Process) -> dict[str, Any]:
        """Let the file be read; return what stands for its classes."""
        for file in self.with_files:
            shutil.copy(file, process.folder.name)
        with self._timed(process, SHARE_OF_READING):
            loaded = process.connection.service(dict, do="load", folder=process.folder.name, pieces=self.pieces)
        try:
            return self._take_over(**loaded)
        except (TypeError, AttributeError, KeyError, ValueError) as error:  # forged by the file
            raise Lost(GARBAGE) from error

    def _take_over(self, found: dict[str, Any], problem: Any, printed: str, imported: list[str]) -> dict[str, Any]:
        """Make the plan, from the classes that a file defines; return those that are graded."""
        classes = {
            name: cls for name, cls in found.items() if name in (self.rules.known if self.only is None else self.only)
        }
        for name, cls in classes.items():
            vars(cls)["source_text"] = text_of(name, [text for _, text in self.pieces])
        self.imported += [str(name) for name in imported]
        if self.planned is None:
            self.planned = {name: self._trials_of(name, cls) for name, cls in classes.items()}
            self.problem = _explain(problem) if problem else ""
            self.printed_by_file = shorten(clean(printed))
        return classes

    def _trials_of(self, name: str, cls: Any) -> list[Trial]:
        return trials_of(name, cls, exercises=self.rules.table)

    def _try(self, process: Process, classes: dict[str, Any], name: str, trial: Trial) -> None:
        if name not in classes:
            self.results[name, trial.name] = _failed(trial, "Not run: the file could not be read a second time.")
            return
        before = [result for (of, _), result in self.results.items() if of == name]
        if waits := waiting(trial, before):
            self.results[name, trial.name] = waits
            return
        try:
            with self._timed(process, SHARE_OF_A_TRIAL):
                process.connection.begin()
                result, printed = run_trial(trial, classes[name])
                if result.passed and trial.part in ("forward", "backward"):
                    result = self._with_other_numbers(process, trial, name, classes[name]) or result
        except Lost as lost:
            raise _LostIn((name, trial.name), lost.reason) from lost
        self.results[name, trial.name] = result
        self.printed.setdefault(name, printed)

    def _with_other_numbers(self, process: Process, trial: Trial, name: str, cls: Any) -> Result | None:
        """Return why a class fails a test on numbers that nobody knew before; None where it passes it again."""
        with drawn_from(UNKNOWN):
            process.connection.begin()
            result, _ = run_trial(trial, cls)
        if result.passed:
            return None
        self.flags.append(f"{name}: answers do not depend on the input, or are recorded: {trial.name}.")
        return replace(result, cause=f"With other numbers than the usual ones: {result.cause}")

    def _look_at_gradients(self, process: Process, classes: dict[str, Any], name: str) -> None:
        """Flag gradients that look numerical, in a class that passed a test of the backward pass."""
        right = [r for (of, _), r in self.results.items() if of == name and r.part == "backward" and r.passed]
        if name in self.looked or name not in self.rules.table or name not in classes or not right:
            return
        self.looked.add(name)
        with self._timed(process, SHARE_OF_A_TRIAL), calm():
            process.connection.begin()
            flag = looks_numerical(self.rules.table[name], classes[name])
        self.flags += [flag] if flag else []

    @contextlib.contextmanager
    def _timed(self, process: Process, share: float) -> Iterator[None]:
        """Give the process a share of the time for the file, or what is left of it."""
        allowed = min(share * self.timeout, self.left)
        process.connection.allow(allowed)
        try:
            yield
        finally:
            self.left = max(self.left - (allowed - process.connection.left), 0.0)

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
                reports.append(GradeReport(name, [_failed(trial, cause) for trial in self._trials_of(name, None)]))
        problem = self.problem
        if not reports and not problem:
            problem = "The file defines no class whose name is known."
        texts = [text for _, text in self.pieces]
        flags = forbidden_imports(texts, self.imported, self.rules.forbidden) + self.flags
        flags += [
            f"It returns arrays of a class of its own, {clean(name)}; they are taken as numbers."
            for name in sorted(self.odd_arrays)
        ]
        return FileReport(
            str(self.path),
            reports,
            problem,
            self.printed_by_file,
            self.notes,
            flags,
        )


class _LostIn(Exception):
    """A process was lost while a test was running."""

    def __init__(self, running: tuple[str, str], reason: str) -> None:
        super().__init__(reason)
        self.running, self.reason = running, reason


def _failed(trial: Trial, cause: str) -> Result:
    return Result(trial.name, trial.part, False, 0, trial.points, cause)


def _explain(raised: dict[str, Any]) -> str:
    """Say what a file raised first while it was read."""
    cause, hint = explain_raised("The file", raised)
    if raised["missing"]:
        missing = clean(str(raised["missing"]))
        hint = f"Install {missing}, name a file of that name with --with, or leave the line out."
    went_on = (
        " The rest was run all the same." if raised.get("last") is False and "Exception" in raised["bases"] else ""
    )
    return f"{cause} {hint}".strip() + went_on
