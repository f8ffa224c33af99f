"""Grading a class in this process."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from typing import Any

import numpy as np

from pysmorch.layers.randomness import global_state_restored
from pysmorch.teach.attempt import Failure, explain_error, is_theirs
from pysmorch.teach.checks import Trial
from pysmorch.teach.child import Printed
from pysmorch.teach.exercise_table import EXERCISES
from pysmorch.teach.grade_report import WAITS, GradeReport, Result, clean, shorten
from pysmorch.teach.pieces import PIECES
from pysmorch.teach.remote import Lost
from pysmorch.teach.trials import trials_of

KNOWN = ("Data", *EXERCISES, "check_gradient", *PIECES)
"""Names that can be graded."""


def grade(cls: Any, name: str | None = None, *, parts: Sequence[str] | str | None = None) -> GradeReport:
    """Grade a class that is named like one of the library's, or a function check_gradient.

    Parameters
    ----------
    cls : type or callable
        A class with forward and backward of its own that call `self.in_layer`, a `Layer` with compute and pull_back, or a function
        check_gradient.
    name : str, default=None
        One of `KNOWN`, if that is not its own name.
    parts : sequence of str, or str, default=None
        Only the tests of these parts: "constructor", "forward" (values), "backward" (gradients) and "care" (batches of other sizes,
        repeated passes, arrays of others, large numbers); None for all.

    Returns
    -------
    GradeReport
        True when all tests passed; text for a terminal, a table in a notebook.

    Raises
    ------
    TypeError
        When cls is neither a class nor a function.
    ValueError
        When the name is not one that is known, or a part is not.

    See Also
    --------
    grade_file : Grades the classes of a file in a process of its own.

    Notes
    -----
    The class runs in this process, without limits: an endless loop does not end. `grade_file` and `pysmorch grade` run it in a process
    of its own.

    Examples
    --------
    >>> import pysmorch
    >>> grade(pysmorch.Linear).passed
    True
    >>> grade(pysmorch.check_gradient).passed
    True
    """
    name = name or str(getattr(cls, "__name__", ""))
    check_known(name)
    if not callable(cls):
        raise TypeError(f"grade: cls must be a class, but is a {type(cls).__name__}")
    report = GradeReport(name)
    for trial in trials_of(name, cls, parts):
        result, printed = waiting(trial, report.results), ""
        if result is None:
            result, printed = run_trial(trial, cls)
        report.results.append(result)
        report.printed = report.printed or printed
    return report


def waiting(trial: Trial, results: Iterable[Result]) -> Result | None:
    """Return the result of a test that is not run because all those that it waits for have failed; None for any other."""
    awaited = [result for result in results if result.name in trial.waits_for]
    if not awaited or any(result.passed for result in awaited):
        return None
    cause = f"{WAITS} {', or '.join(result.name for result in awaited)}."
    return Result(trial.name, trial.part, False, 0, trial.points, cause)


def check_known(name: str) -> None:
    """Raise ValueError, with the names that are known, for any other."""
    if name in KNOWN:
        return
    close = get_close_matches(name, KNOWN, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"there are no tests for a class named {name!r}{hint} Known are {', '.join(KNOWN)}")


def run_trial(trial: Trial, cls: Any) -> tuple[Result, str]:
    """Run one trial; return its result and the first lines of what the class printed."""
    with calm() as printed:
        try:
            trial.run(cls)
            failure = None
        except Failure as found:
            failure = found
        except (KeyboardInterrupt, Lost):
            raise
        except BaseException as error:  # attributes of a student's class may run code of the student's
            failure = Failure(*explain_error(trial.name, error)) if is_theirs(error) else _of_the_grader(error)
    if failure is None:
        return Result(trial.name, trial.part, True, trial.points, trial.points), shorten(clean(printed.text))
    return (
        Result(
            trial.name,
            trial.part,
            False,
            0,
            trial.points,
            clean(failure.cause),
            clean(failure.example),
            clean(failure.hint),
        ),
        shorten(clean(printed.text)),
    )


GRADERS_OWN = "The grader itself fails in this test"


def _of_the_grader(error: BaseException) -> Failure:
    kind, text = type(error).__name__, str(error)
    return Failure(
        f"{GRADERS_OWN} ({kind}: {text}); that is no fault of the class.", "Who grades this gives the points by hand."
    )


@contextmanager
def calm() -> Iterator[Printed]:
    """Suppress prints and warnings, and seed NumPy's global generator; restore all at the end."""
    printed = Printed()
    with (
        global_state_restored(seed=0),
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
        redirect_stdout(printed),
    ):
        warnings.simplefilter("ignore")
        yield printed
