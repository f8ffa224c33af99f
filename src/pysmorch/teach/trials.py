"""Which trials a class has to go through, and how one is run: on numbers that count, then for the smallest example."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

from pysmorch.teach.attempt import Failure
from pysmorch.teach.checks import (
    PARTS,
    PLAIN_CHECKS,
    SHARED_CHECKS,
    STATE_CHECKS,
    Check,
    Row,
    Trial,
    check_constructor,
    check_forward,
    check_G,
    check_pass_back,
    failure_of,
)
from pysmorch.teach.exercise_table import EXERCISES
from pysmorch.teach.exercises import Exercise
from pysmorch.teach.gradient_checker import GRADIENT_CHECKER_TRIALS
from pysmorch.teach.pieces import PIECES
from pysmorch.teach.reading import probably
from pysmorch.teach.special import DATA_TRIALS, SPECIAL_CHECKS, check_padding
from pysmorch.teach.special_dropout import DROPOUT_CHECKS
from pysmorch.teach.special_losses import LOSS_CHECKS


def trials_of(name: str, cls: Any, parts: Sequence[str] | str | None = None) -> list[Trial]:
    """Return the tests for a class or function of this name, or only those of some parts.

    Raises ValueError, with the names that are known, for another name or part.
    """
    chosen = PARTS if parts is None else (parts,) if isinstance(parts, str) else tuple(parts)
    for part in chosen:
        if part not in PARTS:
            raise ValueError(f"parts must be among {', '.join(PARTS)}, but has {part!r}")
    return [trial for trial in _all_trials(name, cls) if trial.part in chosen]


def _all_trials(name: str, cls: Any) -> list[Trial]:
    if name == "check_gradient":
        return GRADIENT_CHECKER_TRIALS
    if name == "Data":
        return DATA_TRIALS
    if name in PIECES:
        return PIECES[name]
    exercise = EXERCISES[name]
    if name == "Dropout":
        return [_trial(exercise, *row) for row in [*DROPOUT_CHECKS, *SHARED_CHECKS]]
    rows: list[Row] = [("is made as it should", "constructor", 1, check_constructor)]
    rows.append((f"forward returns {exercise.formula}", "forward", 3, check_forward))
    if exercise.labels is None and exercise.problem(exercise.sizes).W is not None:
        rows.append(("G is the gradient for W", "backward", 3, check_G))
    rows.append(("the gradient for the input is passed back", "backward", 3, check_pass_back))
    rows += [*STATE_CHECKS, *SHARED_CHECKS, *(LOSS_CHECKS if exercise.labels else []), *SPECIAL_CHECKS.get(name, [])]
    if name == "Conv2d" and _takes_padding(cls):
        rows += [(f'padding="{p}" is right', "backward", 1, check_padding(p)) for p in ("same", "valid")]
    return [_trial(exercise, *row) for row in rows]


def _takes_padding(cls: Any) -> bool:
    try:
        return "padding" in inspect.signature(cls).parameters
    except Exception:  # a metaclass of the student's may do anything
        return False


def _trial(exercise: Exercise, name: str, part: str, points: int, check: Check) -> Trial:
    return Trial(name, part, points, lambda cls: run_check(exercise, cls, check))


def run_check(exercise: Exercise, cls: Any, check: Check) -> None:
    """Run a check on the numbers that count; when it fails, look for the smallest example and for the sizes' part in it."""
    try:
        check(exercise, cls, exercise.problem(exercise.sizes))
    except Failure as found:
        check, failure = _check_of_forward(exercise, cls, check, found)
        cause = _cause_in_sizes(exercise, cls, check, failure) or failure.cause
        smaller = _smallest_example(exercise, cls, check, cause)
        raise Failure(cause, failure.hint, smaller or failure.example) from failure


def _check_of_forward(exercise: Exercise, cls: Any, check: Check, failure: Failure) -> tuple[Check, Failure]:
    """Return the plain check of forward and its failure where it is forward that stops in a check of a gradient."""
    if failure.stopped and check in PLAIN_CHECKS.values():
        forward = failure_of(check_forward, exercise, cls, exercise.problem(exercise.sizes))
        if forward is not None and forward.cause == failure.cause:
            return check_forward, forward
    return check, failure


def _smallest_example(exercise: Exercise, cls: Any, check: Check, cause: str) -> str:
    """Return the first of the small examples that fails for the same cause, or else the first that fails."""
    first = ""
    for sizes in exercise.small_sizes:
        for seed in range(3):
            failure = failure_of(check, exercise, cls, exercise.problem(sizes, seed))
            if failure is None or not failure.example:
                continue
            if _without_numbers(failure.cause) in _without_numbers(cause):
                return failure.example
            first = first or failure.example
    return first


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+", "", text)


def _cause_in_sizes(exercise: Exercise, cls: Any, check: Check, failure: Failure) -> str:
    """Say so when a class fails only for the sizes that count: sizes are written as numbers, or axes are mixed up."""
    usual = failure_of(check, exercise, cls, exercise.problem(exercise.usual_sizes))
    if usual is None:
        works = (
            f"This works for x of shape {exercise.problem(exercise.usual_sizes).x.shape} but not for "
            f"{exercise.problem(exercise.sizes).x.shape}: sizes are written as numbers instead of taken from the arrays."
        )
        return f"{failure.cause} {works}" if failure.stopped else works
    if not failure.stopped or check not in PLAIN_CHECKS.values():
        return ""
    if exercise.name in ("Conv2d", "Flatten"):
        return _with_the_source(exercise, cls, check, failure.cause)
    square = failure_of(check, exercise, cls, exercise.problem((4,) * len(exercise.sizes)))
    if square is not None and square.stopped:
        return _with_the_source(exercise, cls, check, failure.cause)
    found = (
        square.cause
        if square and not re.match(r"\d+ of the|.* instead of \d", square.cause)
        else probably(cls, exercise.name, "output" if check is check_forward else "pass_back", stopped=True)
        or "Two axes are mixed up."
    )
    return f"{found} It runs only where all sizes are equal, else {failure.cause}"


def _with_the_source(exercise: Exercise, cls: Any, check: Check, cause: str) -> str:
    """Return what stopped a pass, and what looks wrong in the source of the class."""
    what = next(what for what, plain in PLAIN_CHECKS.items() if plain is check)
    return f"{cause} {probably(cls, exercise.name, what, stopped=True)}".strip()
