"""Which trials a class has to go through, and how one is run: on numbers that count, then for the smallest example."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pysmorch.teach.attempt import Attempt, Failure
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
from pysmorch.teach.gradient_scales import SCALE_TRIALS
from pysmorch.teach.pieces import PIECES
from pysmorch.teach.reading import probably
from pysmorch.teach.running_statistics import MORE_CHECKS, RUN_ONCE
from pysmorch.teach.special import DATA_TRIALS, SPECIAL_CHECKS, check_exponents, check_padding
from pysmorch.teach.special_dropout import DROPOUT_CHECKS, check_dropout_backward, check_dropout_masks
from pysmorch.teach.special_losses import LOSS_CHECKS
from pysmorch.teach.stopped import why_it_stopped

SHARES = {"forward": 35.0, "backward": 50.0, "care": 15.0}
"""Points for the parts of each class; how it is made belongs to the forward pass."""

PLAIN_BACKWARD = (check_G, check_pass_back, check_dropout_backward)
"""Checks of a plain backward pass: without one of them, what else there is to see of a backward pass is worth nothing."""

AS_MANY_FILTERS = (3, 5, 4, 6, 6, 3)
"""Sizes for Conv2d with which a matrix of channels and filters may be the wrong way round."""

_PLAIN_DIFFERENCE = re.compile(r"\d+ of the|.* instead of \d")
"""How a sentence begins that names no mistake."""

FORWARD_ALONE = (check_exponents, check_dropout_masks)
"""Checks of care that a class passes or fails by its forward pass."""


def trials_of(
    name: str,
    cls: Any,
    parts: Sequence[str] | str | None = None,
    exercises: Mapping[str, Exercise] = EXERCISES,
) -> list[Trial]:
    """Return the tests for a class or function of this name, or only those of some parts.

    Raises ValueError, with the names that are known, for another name or part.
    """
    chosen = PARTS if parts is None else (parts,) if isinstance(parts, str) else tuple(parts)
    for part in chosen:
        if part not in PARTS:
            raise ValueError(f"parts must be among {', '.join(PARTS)}, but has {part!r}")
    return [trial for trial in with_points(_all_trials(name, cls, exercises)) if trial.part in chosen]


def with_points(trials: Sequence[Trial]) -> list[Trial]:
    """Return the tests with points that make up the shares of a class; within a share they keep their proportions.

    A class without tests of care or of a backward pass has the rest for its backward pass, or else for its forward pass.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(_share_of(trial), []).append(trial)
    shares = {share: points for share, points in SHARES.items() if share in groups}
    shares["backward" if "backward" in groups else "forward"] += sum(SHARES.values()) - sum(shares.values())
    units = {share: shares[share] / sum(trial.points for trial in group) for share, group in groups.items()}
    return [replace(trial, points=trial.points * units[_share_of(trial)]) for trial in trials]


def _share_of(trial: Trial) -> str:
    return "forward" if trial.part == "constructor" else trial.part


def _all_trials(name: str, cls: Any, exercises: Mapping[str, Exercise]) -> list[Trial]:
    if name in exercises and exercises[name].right is not None:
        return _trials(exercises[name], [*_plain_rows(exercises[name]), *STATE_CHECKS, *SHARED_CHECKS])
    if name == "check_gradient":
        return [*GRADIENT_CHECKER_TRIALS, *SCALE_TRIALS]
    if name == "Data":
        return DATA_TRIALS
    if name in PIECES:
        return PIECES[name]
    exercise = exercises[name]
    if name == "Dropout":
        return _trials(exercise, [*DROPOUT_CHECKS, *SHARED_CHECKS])
    rows = [*_plain_rows(exercise), *MORE_CHECKS.get(name, [])]
    rows += [*STATE_CHECKS, *SHARED_CHECKS, *(LOSS_CHECKS if exercise.labels else []), *SPECIAL_CHECKS.get(name, [])]
    if name == "Conv2d" and _takes_padding(cls):
        rows += [(f'padding="{p}" is right', "backward", 1, check_padding(p)) for p in ("same", "valid")]
    return _trials(exercise, rows)


def _plain_rows(exercise: Exercise) -> list[Row]:
    """How a class is made, and a plain pass."""
    rows: list[Row] = [("is made as it should", "constructor", 1, check_constructor)]
    rows.append((f"forward returns {exercise.formula}", "forward", 3, check_forward))
    if exercise.labels is None and exercise.problem(exercise.sizes).W is not None:
        rows.append(("G is the gradient for W", "backward", 3, check_G))
    rows.append(("the gradient for the input is passed back", "backward", 3, check_pass_back))
    return rows


def _takes_padding(cls: Any) -> bool:
    try:
        return "padding" in inspect.signature(cls).parameters
    except Exception:  # a metaclass of the student's may do anything
        return False


def _trials(exercise: Exercise, rows: Sequence[Row]) -> list[Trial]:
    plain = tuple(name for name, _, _, check in rows if check in PLAIN_BACKWARD)
    return [
        Trial(name, part, points, partial(_run, exercise, check), plain if _waits(part, check) else ())
        for name, part, points, check in rows
    ]


def _waits(part: str, check: Check) -> bool:
    return part in ("backward", "care") and check not in PLAIN_BACKWARD and check not in FORWARD_ALONE


def _run(exercise: Exercise, check: Check, cls: Any) -> None:
    if check in RUN_ONCE:
        check(exercise, cls, exercise.problem(exercise.sizes))
    else:
        run_check(exercise, cls, check)


def run_check(exercise: Exercise, cls: Any, check: Check) -> None:
    """Run a check on the numbers that count; when it fails, look for the smallest example and for the sizes' part in it."""
    try:
        check(exercise, cls, exercise.problem(exercise.sizes))
    except Failure as found:
        check, failure = _first_that_stops(exercise, cls, check, found)
        cause = _cause_in_sizes(exercise, cls, check, failure) or failure.cause
        smaller = _smallest_example(exercise, cls, check, cause)
        names = exercise.names
        raise Failure(
            _renamed(cause, names), _renamed(failure.hint, names), smaller or failure.example, failure.stopped
        ) from failure


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """Return a sentence with the attributes of the student's class as they are named there."""
    return re.sub(r"\b\w+\b", lambda word: names.get(word[0], word[0]), text) if names else text


def _first_that_stops(exercise: Exercise, cls: Any, check: Check, failure: Failure) -> tuple[Check, Failure]:
    """Return the first plain check that stops in the same line, and its failure: forward in a check of a gradient, G in that of what
    is passed back.
    """
    if failure.stopped and check in PLAIN_CHECKS.values():
        for earlier in PLAIN_CHECKS.values():
            first = failure_of(earlier, exercise, cls, exercise.problem(exercise.sizes))
            if first is not None and first.cause == failure.cause:
                return earlier, first
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
    if usual is None and check not in PLAIN_CHECKS.values() and check is not check_constructor:
        return ""
    if usual is None:
        works = (
            f"This works for x of shape {exercise.problem(exercise.usual_sizes).x.shape} but not for "
            f"{exercise.problem(exercise.sizes).x.shape}: sizes are written as numbers instead of taken from the arrays."
        )
        return f"{failure.cause} {works}" if failure.stopped else works
    if not failure.stopped or check not in PLAIN_CHECKS.values():
        return ""
    if exercise.name in ("Conv2d", "Flatten"):
        return _stopped_on_images(exercise, cls, check, failure.cause)
    square = failure_of(check, exercise, cls, exercise.problem((4,) * len(exercise.sizes)))
    if square is not None and square.stopped:
        return _with_the_source(exercise, cls, check, failure.cause)
    found = (
        square.cause
        if square and not _PLAIN_DIFFERENCE.match(square.cause)
        else probably(cls, exercise.name, "output" if check is check_forward else "pass_back", stopped=True)
        or "Two axes are mixed up."
    )
    return f"{found} It runs only where all sizes are equal, else {failure.cause}"


def _stopped_on_images(exercise: Exercise, cls: Any, check: Check, cause: str) -> str:
    """Return what stopped a pass on images, and why: by what it gives where channels and filters are equally many, or by the error."""
    if exercise.name == "Conv2d":
        square = failure_of(check, exercise, cls, exercise.problem(AS_MANY_FILTERS))
        if square is not None and not square.stopped and not _PLAIN_DIFFERENCE.match(square.cause):
            return f"{square.cause} It runs only where there are as many filters as channels, else {cause}"
    method = "forward" if check is check_forward else "backward"
    problem = Attempt(exercise, cls, exercise.problem(exercise.sizes)).problem  # with the padding of the class
    why = why_it_stopped(exercise.name, cls, problem, method, cause)
    return f"{cause} {why}" if why else _with_the_source(exercise, cls, check, cause)


def _with_the_source(exercise: Exercise, cls: Any, check: Check, cause: str) -> str:
    """Return what stopped a pass, and what looks wrong in the source of the class."""
    what = next(what for what, plain in PLAIN_CHECKS.items() if plain is check)
    return f"{cause} {probably(cls, exercise.name, what, stopped=True)}".strip()
