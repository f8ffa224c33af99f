"""Tests of every loss: labels that are whole numbers, and labels that are given later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.teach.attempt import Attempt, Failure, as_numbers, call
from pysmorch.teach.checks import OTHER_SEED, Row, both_passes, compare_all
from pysmorch.teach.exercises import Exercise, Problem


def check_whole_labels(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Labels of an integer type."""
    attempt = Attempt(exercise, cls, replace(p, labels=np.rint(p.labels).astype(np.int64)))
    compare_all(attempt, both_passes(attempt))


def check_labels_method(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Labels that are given later."""
    attempt = Attempt(exercise, cls, p)
    names = ("set_data", "set_labels") if exercise.name == "SquareLoss" else ("set_labels", "set_data")
    method = next((getattr(attempt.layer, n) for n in names if hasattr(attempt.layer, n)), None)
    if method is None:
        raise Failure(f"{exercise.name} has no method {names[0]}.", f"{names[0]}(labels) takes other labels.")
    labels = exercise.problem(p.sizes, p.seed + OTHER_SEED).labels
    call(names[0], method, labels.copy())
    attempt.problem = replace(attempt.problem, labels=labels)
    out = both_passes(attempt)
    before = replace(attempt.problem, labels=p.labels)
    array = as_numbers(out)
    if (
        array is not None
        and agrees(array, exercise.expected(before, "output"), exercise.tolerance)
        and not agrees(array, exercise.expected(attempt.problem, "output"), exercise.tolerance)
    ):
        raise Failure("New labels are given, but the old ones are used.", "Where are the labels stored?")
    compare_all(attempt, out)


LOSS_CHECKS: list[Row] = [
    ("labels may be whole numbers", "care", 1, check_whole_labels),
    ("labels can be given later", "care", 1, check_labels_method),
]
