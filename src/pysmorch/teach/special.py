"""Tests of single classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers, call
from pysmorch.teach.checks import Check, Row, Trial, check_constructor, check_out_dims, compare_all
from pysmorch.teach.exercises import Exercise, Problem, generator, numbers

# Relu.


def check_kink(exercise: Exercise, cls: Any, p: Problem) -> None:
    """At an input of 0 nothing is passed back."""
    at_zero = Problem(np.array([[0.0, 1.0, -1.0]]), dwnstrm=np.array([[2.0, 3.0, 4.0]]))
    attempt = Attempt(exercise, cls, at_zero)
    attempt.forward()
    attempt.backward()
    found = as_numbers(attempt.found("pass_back"))
    if found is None or found.shape != (1, 3):
        raise Failure("What is passed back does not have the shape of the input.", exercise.hints["pass_back"])
    if abs(found[0, 0]) > 1e-9:
        example = (
            "x           0  1  -1\n"
            "dwnstrm     2  3   4\n"
            "expected    0  3   0\n"
            f"found       {'  '.join(f'{v:g}' for v in found[0])}"
        )
        raise Failure(
            "At an input of exactly 0 gradient is let through; the derivative of max(x, 0) at 0 is taken as 0 here.",
            "Does the mask hold for x = 0?",
            example,
        )


# Sigmoid and Tanh.


def check_far_from_0(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Values far from 0 give what is right, not inf or nan."""
    x = np.array([[-1e4, -800.0, 800.0, 1e4]])
    high = (x > 0).astype(float)
    expected = high if exercise.name == "Sigmoid" else 2 * high - 1
    attempt = Attempt(exercise, cls, Problem(x, dwnstrm=np.ones_like(x)))
    out = as_numbers(attempt.forward())
    attempt.backward()
    back = as_numbers(attempt.found("pass_back"))
    for subject, found, right in (("forward returns", out, expected), ("backward passes back", back, 0 * x)):
        if found is None or not agrees(found, right, 1e-5):
            raise Failure(
                f"For inputs of {_row(x)}, {subject} {_row(found)} instead of {_row(right)}.",
                "Which exponential grows without bound, and can the formula be written with its inverse?",
            )


def _row(array: Array | None) -> str:
    return "something else" if array is None else ", ".join(f"{v + 0.0:g}" for v in array.ravel()[:6])


# CrossEntropy.


TOO_LARGE = "Logits around 10000 are too much:"
SHIFT_HINT = "What can be taken away from all logits of a row, without changing the softmax, so that none is above 0?"


def check_exponents(exercise: Exercise, cls: Any, p: Problem) -> None:
    """No positive number is exponentiated."""
    attempt = Attempt(exercise, cls, p)
    with attempt.watched_exp() as largest:
        attempt.forward()
        attempt.backward()
    if max(largest, default=0.0) > 1e-9:
        raise Failure(
            f"exp is taken of a positive number ({max(largest):.4g}); for large logits it overflows.",
            SHIFT_HINT,
        )


def check_extreme(x: Array, labels: Array, cause: str, hint: str) -> Check:
    """Return a check of a loss on logits that are too much for a plain formula."""

    def check(exercise: Exercise, cls: Any, p: Problem) -> None:
        attempt = Attempt(exercise, cls, Problem(x, labels=labels))
        try:
            with np.errstate(over="raise"):
                out = attempt.forward()
                attempt.backward()
            compare_all(attempt, out)
        except Failure as failure:
            if "overflow" in failure.cause:
                raise Failure(f"{TOO_LARGE} {failure.cause}", SHIFT_HINT) from failure
            raise Failure(f"{cause} {failure.cause}", hint, failure.example) from failure

    return check


_LOGITS = np.array([[0.3, -0.5, 1.2], [-1.1, 0.4, 0.6]])
_ONE_HOT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

CROSS_ENTROPY_CHECKS: list[Row] = [
    ("no positive number is exponentiated", "care", 1, check_exponents),
    (
        "large logits are right",
        "care",
        1,
        check_extreme(
            _LOGITS + 1e4,
            _ONE_HOT,
            TOO_LARGE,
            SHIFT_HINT,
        ),
    ),
    (
        "rows of very different size are right",
        "care",
        1,
        check_extreme(
            _LOGITS + np.array([[1e4], [-1e4]]),
            _ONE_HOT,
            "Rows with logits around 10000 and around -10000 in one batch are too much (is each row's own maximum taken away?):",
            "Which maximum belongs to a row, and over which axis is it taken?",
        ),
    ),
    (
        "a label of probability 0 is right",
        "care",
        1,
        check_extreme(
            np.array([[1e4, 0.0, 0.0], [0.0, 0.0, 1e4]]),
            np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
            "The logarithm of 0 is taken where the probability of the label is too small for a number:",
            "log(exp(a) / b) can be written without the quotient.",
        ),
    ),
]

# Bias, Scale and Normalize, which work on images too.


IMAGES = (2, 3, 2, 4)
"""Images, rows, columns and channels."""


def check_images(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Images are right, for a class with a parameter for each channel; others are made for rows alone."""
    try:
        attempt = Attempt(exercise, cls, exercise.problem(IMAGES, p.seed))
    except Failure:
        return
    of_channels: list[Any] = [getattr(attempt.layer, name, None) for name in ("W", "running_mean")]
    if not any(np.size(array) == IMAGES[-1] for array in of_channels):
        return
    try:
        out = attempt.forward()
        attempt.backward()
        compare_all(attempt, out)
    except Failure as failure:
        hint = "Take sums and means over all axes but the last: tuple(range(array.ndim - 1)) names them."
        raise Failure(f"For images of shape {IMAGES}: {failure.cause}", hint) from failure


FOR_IMAGES: Row = ("images are right, where they are taken", "care", 1, check_images)

SPECIAL_CHECKS: dict[str, list[Row]] = {
    "Bias": [FOR_IMAGES],
    "Scale": [FOR_IMAGES],
    "Normalize": [FOR_IMAGES],
    "Relu": [("at an input of 0 the derivative is 0", "backward", 1, check_kink)],
    "Sigmoid": [("inputs far from 0 are right", "care", 1, check_far_from_0)],
    "Tanh": [("inputs far from 0 are right", "care", 1, check_far_from_0)],
    "CrossEntropy": CROSS_ENTROPY_CHECKS,
}


# Conv2d.


def check_padding(padding: str) -> Check:
    """Return a check of a convolution that is made with this padding."""

    def check(exercise: Exercise, cls: Any, p: Problem) -> None:
        attempt = Attempt(exercise, cls, exercise.with_dwnstrm(replace(p, setting=padding)), padding=padding)
        out = attempt.forward()
        attempt.backward()
        compare_all(attempt, out)

    return check


# Data.


def _check_data_constructor(cls: Any) -> None:
    check_out_dims(call("Data(...)", cls, _array()), (3, 2))


def _array(seed: int = 0, rows: int = 3) -> Array:
    return numbers(generator(seed), rows, 2)


def _hands_on(layer: Any, array: Array, which: str) -> None:
    out = call("Data.forward", layer.forward)
    found = as_numbers(out)
    if found is None or not agrees(found, array, 1e-12):
        shown = "nothing (None)" if out is None else _row(found)
        raise Failure(
            f"forward does not return the array {which}.",
            "Which attribute holds the array, and who sets it?",
            f"expected    {_row(array)}\nfound       {shown}",
        )


def _check_data_forward(cls: Any) -> None:
    _hands_on(call("Data(...)", cls, _array()), _array(), "that the constructor got")


def _check_data_backward(cls: Any) -> None:
    array, dwnstrm = _array(), np.ones((3, 2))
    layer = call("Data(...)", cls, array)
    call("Data.forward", layer.forward)
    call("Data.backward", layer.backward, dwnstrm)
    if not np.array_equal(array, _array()) or not (dwnstrm == 1).all():
        raise Failure("backward changes an array.", "Data has no parameters: backward has nothing to do.")
    _hands_on(layer, array, "after a backward pass")


def _check_set_data(cls: Any) -> None:
    first = _array()
    layer = call("Data(...)", cls, first)
    for array, which in ((_array(1), "that set_data got"), (_array(2, rows=5), "with more rows that set_data got")):
        call("Data.set_data", layer.set_data, array)
        if not np.array_equal(first, _array()):
            raise Failure(
                "set_data writes into the array of the constructor, which belongs to others.",
                "Keep the new array instead of writing into the old one.",
            )
        _hands_on(layer, array, which)


def _check_two_data(cls: Any) -> None:
    first = call("Data(...)", cls, _array())
    call("Data(...)", cls, _array(1))
    _hands_on(first, _array(), "that it was made with, after a second Data was made")


DATA_TRIALS = [
    Trial("is made as it should", "constructor", 1, _check_data_constructor),
    Trial("forward returns the array", "forward", 3, _check_data_forward),
    Trial("backward does nothing", "backward", 1, _check_data_backward),
    Trial("set_data takes another array", "care", 2, _check_set_data),
    Trial("two of them do not disturb each other", "care", 1, _check_two_data),
]


# Dropout.

RATE = 0.4

MANY = 20000
"""Entries from which the fraction of zeros is estimated; five standard deviations are less than FRACTION_ERROR then."""

FRACTION_ERROR = 0.02


def _after_dropout(exercise: Exercise, cls: Any) -> tuple[Attempt, Array]:
    """Return a layer after a forward pass on ones, and what came out."""
    x = np.ones((MANY // 10, 10))
    dwnstrm = numbers(generator(1), *x.shape)
    attempt = Attempt(exercise, cls, Problem(x, dwnstrm=dwnstrm, setting=RATE))
    found = as_numbers(attempt.forward())
    if found is None or found.shape != x.shape:
        raise Failure("What forward returns does not have the shape of the input.")
    return attempt, found


def check_dropout_forward(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Entries are 0 or x / (1 - rate), the former with probability rate."""
    _, found = _after_dropout(exercise, cls)
    wrong = found[(found != 0) & (np.abs(found - 1 / (1 - RATE)) > 1e-6)]
    if wrong.size:
        raise Failure(
            f"With rate {RATE}, an entry of 1 that stays becomes {wrong[0]:.4g} instead of {1 / (1 - RATE):.4g}.",
            "What stays is made larger, so that the mean stays as it was.",
        )
    fraction = float((found == 0).mean())
    if abs(fraction - RATE) > FRACTION_ERROR:
        raise Failure(
            f"With rate {RATE}, {fraction:.0%} of the entries are dropped.",
            "Is the rate that of dropping or that of keeping?",
        )


def check_dropout_backward(exercise: Exercise, cls: Any, p: Problem) -> None:
    """What was dropped passes nothing back."""
    attempt, out = _after_dropout(exercise, cls)
    attempt.backward()
    found, dwnstrm = as_numbers(attempt.found("pass_back")), attempt.problem.dwnstrm
    if found is None or not agrees(found, dwnstrm * out, 1e-5):
        as_it_came = found is not None and agrees(found, dwnstrm, 1e-5)
        raise Failure(
            "dwnstrm is passed back as it came."
            if as_it_came
            else "What is passed back is not dwnstrm times the mask of the last forward pass, with its factor 1 / (1 - rate).",
            "By which factor did forward multiply this entry, in this very pass?",
        )


def check_dropout_masks(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Each pass has a mask of its own."""
    attempt, out = _after_dropout(exercise, cls)
    if np.array_equal(out, attempt.forward()):
        raise Failure("Every pass drops the same entries.", "When is the mask drawn?")


def check_dropout_in_prediction(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Nothing is dropped where training is False."""
    attempt = Attempt(exercise, cls, p)
    if not hasattr(attempt.layer, "training"):
        raise Failure("Dropout has no attribute training.", "training is True at first; False stands for prediction.")
    attempt.layer.training = False
    out = as_numbers(attempt.forward())
    attempt.backward()
    back = as_numbers(attempt.found("pass_back"))
    if out is None or back is None or not agrees(out, p.x, 1e-6) or not agrees(back, attempt.problem.dwnstrm, 1e-6):
        raise Failure("Entries are changed though training is False.", "In prediction, Dropout does nothing.")


DROPOUT_CHECKS: list[Row] = [
    ("is made as it should", "constructor", 1, check_constructor),
    ("forward returns 0 with probability rate, else x / (1 - rate)", "forward", 3, check_dropout_forward),
    ("the gradient for the input is passed back", "backward", 3, check_dropout_backward),
    ("every pass has a mask of its own", "care", 1, check_dropout_masks),
    ("nothing is dropped in prediction", "care", 1, check_dropout_in_prediction),
]
