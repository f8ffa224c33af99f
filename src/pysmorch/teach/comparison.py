"""Compares the results of a student's class with the expected ones, and explains a difference: sentence, example and hint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import (
    ANY_FACTOR,
    Guess,
    agrees,
    first_that_fits,
    guess_by_formulas,
    guesses_by_numbers,
    is_close,
)
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers, pass_on
from pysmorch.teach.example_table import example
from pysmorch.teach.exercises import Exercise, Problem
from pysmorch.teach.finding import Finding, first_explanation
from pysmorch.teach.follows import follows_from_forward, right_for_its_forward
from pysmorch.teach.generators import GENERATORS, a_part_is_missing
from pysmorch.teach.pairs import a_factor_alone, with_a_factor
from pysmorch.teach.pointwise import POINTWISE, derivative_as_a_sum
from pysmorch.teach.positions import POSITIONS
from pysmorch.teach.reading import probably
from pysmorch.teach.terms import TERMS
from pysmorch.teach.wrong_formulas import known_mistakes

NAMES = {"output": "what forward returns", "G": "G", "pass_back": "what is passed back"}

W_HINT = "The constructor makes W; only an optimizer changes it."


def is_right(attempt: Attempt, what: str, found: Any) -> bool:
    """Whether "output", "G" or "pass_back" is what it has to be."""
    numbers = as_numbers(found)
    return numbers is not None and agrees(numbers, attempt.expected(what), attempt.tolerance)


def compare(attempt: Attempt, what: str, found: Any, *, explain: bool = True) -> None:
    """Compare "output", "G" or "pass_back" with what is right; raise a Failure that explains the difference.

    Numbers that are far from usual ones fit many a formula by chance; without `explain` only the difference is told.
    """
    if is_right(attempt, what, found):
        return
    expected, numbers = attempt.expected(what), as_numbers(found)
    if not attempt.W_is_kept():
        raise Failure("W is another one after the passes than before.", W_HINT)
    if numbers is None:
        cause = _cause_of_type(what, found)
    else:
        cause = (_cause if explain else _plain_difference)(attempt, what, numbers, expected)
    hint = attempt.exercise.hints.get(what, "")
    raise Failure(cause, hint, example(attempt.problem, what, expected, found if numbers is None else numbers))


def _cause_of_type(what: str, found: Any) -> str:
    return f"{_begin(what)} is not an array of real numbers, but {_kind_of(found)}."


def _begin(what: str) -> str:
    return NAMES[what][0].upper() + NAMES[what][1:]


def _kind_of(found: Any) -> str:
    if isinstance(found, np.ndarray):
        return f"an array of {found.dtype}"
    return "nothing (None)" if found is None else f"of type {type(found).__name__}"


def _cause(attempt: Attempt, what: str, found: Array, expected: Array) -> str:
    """Return the first sentence that fits: a formula that is known, a shape, a number that is none, a factor, ..."""
    p = attempt.problem
    formulas = known_mistakes(attempt.exercise).get(what, {}), _for_every_class(attempt.exercise, what)
    own, general = (
        guess_by_formulas(found, expected, {sentence: partial(formula, p) for sentence, formula in table.items()})
        for table in formulas
    )
    finding = Finding(attempt.exercise, p, what, found, expected)
    by_numbers = guesses_by_numbers(found, expected, p.dwnstrm if what == "pass_back" else None, len(p.x))
    elsewhere = partial(_elsewhere, attempt, what)
    known = first_that_fits(
        [
            partial(first_explanation, (partial(follows_from_forward, attempt),), finding),
            own,
            partial(_shape_or_zeros, attempt, what, found, expected),
            general,
            partial(first_explanation, (a_part_is_missing, *POINTWISE), finding),
            partial(first_explanation, (partial(a_factor_alone, elsewhere),), finding),
            partial(_by_numbers, by_numbers),
            partial(_random_numbers, attempt, what, found),
            partial(
                first_explanation,
                (partial(with_a_factor, formulas, elsewhere), derivative_as_a_sum, *TERMS, *POSITIONS, *GENERATORS),
                finding,
            ),
            partial(first_explanation, (partial(right_for_its_forward, attempt),), finding),
            partial(probably, attempt.cls, attempt.name, what),
        ]
    )
    return known or _plain_difference(attempt, what, found, expected)


def _by_numbers(guesses: list[Guess]) -> str:
    known = first_that_fits(guesses)
    return "" if known.endswith(ANY_FACTOR) else known


def _elsewhere(attempt: Attempt, what: str) -> Finding | None:
    """Return the same result of the class for the usual sizes."""
    exercise = attempt.exercise
    try:
        other, value = pass_on(attempt, exercise.problem(exercise.usual_sizes), what)
    except Failure:
        return None
    found = as_numbers(value)
    return None if found is None else Finding(exercise, other.problem, what, found, other.expected(what))


def _random_numbers(attempt: Attempt, what: str, found: Array) -> str:
    """Say so where a second pass on the same numbers gives others."""
    if what != "output" or attempt.changed():
        return ""
    try:
        again = as_numbers(attempt.forward())
    except Failure:
        return ""
    if again is None or again.shape != found.shape or np.array_equal(again, found, equal_nan=True):
        return ""
    return "forward returns other numbers each time, though nothing has changed: does it draw random numbers?"


def _shape_or_zeros(attempt: Attempt, what: str, found: Array, expected: Array) -> str:
    if found.size == expected.size and agrees(found.reshape(expected.shape), expected, attempt.tolerance):
        return f"The numbers are right, but the shape is {found.shape} and has to be {expected.shape}."
    if what == "output" and not found.any() and expected.any():
        return "forward returns 0: it still has to be written, or whole numbers were divided."
    return ""


def _plain_difference(attempt: Attempt, what: str, found: Array, expected: Array) -> str:
    """Say where the numbers differ, for a mistake that is not known."""
    if found.shape != expected.shape:
        like = {"output": "", "G": ", that of W", "pass_back": ", that of the input"}[what]
        return f"{_begin(what)} has shape {found.shape}, but has to have {expected.shape}{like}."
    if not np.isfinite(found).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(found))[0]]
        return f"{_begin(what)} is {found[tuple(index)]}{f' at {index}' if index else ''}."
    if expected.size == 1:
        return f"{_begin(what)} is {found.item():.6g} instead of {expected.item():.6g}."
    wrong = int((~is_close(found, expected, attempt.tolerance)).sum())
    return f"{wrong} of the {expected.size} entries of {NAMES[what]} are wrong."


def _for_every_class(exercise: Exercise, what: str) -> dict[str, Callable[[Problem], Any]]:
    """Wrong formulas that are possible everywhere."""

    def right(p: Problem) -> Array:
        return exercise.expected(p, what)

    def of_row(row: slice) -> Callable[[Problem], Any]:
        return lambda p: exercise.expected(replace(p, x=p.x[row], dwnstrm=p.dwnstrm[row]), what)

    rounded = {
        "The decimals are lost: the numbers became whole ones.": lambda p: np.trunc(right(p)),
        "The numbers are rounded to whole ones.": lambda p: np.rint(right(p)),
        "The numbers have three digits only: they were put into an array of float16.": (
            lambda p: right(p).astype(np.float16)
        ),
    }
    if what == "output":
        return {"forward returns its input as it came.": lambda p: p.x, **rounded}
    if what == "G":
        return {
            "This is what the first row of the batch gives alone: the sum over the batch is missing.": of_row(slice(1)),
            "This is what the last row of the batch gives alone: the sum over the batch is missing.": of_row(
                slice(-1, None)
            ),
            "G is dwnstrm as it came.": lambda p: p.dwnstrm,
            "G is the input.": lambda p: p.x,
            "G is W itself.": lambda p: p.W,
            **rounded,
        }
    return {
        "dwnstrm is passed back as it came: the derivative of the layer itself is not applied.": lambda p: p.dwnstrm,
        "The gradient for W is passed back instead of that for the input.": lambda p: exercise.gradient(p, "W"),
        "The input is passed back instead of a gradient.": lambda p: p.x,
        "The output is passed back instead of a gradient.": exercise.output,
        "W is passed back instead of a gradient.": lambda p: p.W,
        **rounded,
    }
