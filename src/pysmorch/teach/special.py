"""Tests of single classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers, call
from pysmorch.teach.checks import (
    PLAIN_CHECKS,
    Check,
    Row,
    Trial,
    check_out_dims,
    check_pass_back,
    compare_all,
    failure_of,
    refuse_what_is_wrong_anyway,
)
from pysmorch.teach.exercises import Exercise, Problem, generator, numbers

# Relu.


def check_kink(exercise: Exercise, cls: Any, p: Problem) -> None:
    """At an input of 0 nothing is passed back."""
    at_zero = Problem(np.array([[0.0, 1.0, -1.0]]), dwnstrm=np.array([[2.0, 3.0, 4.0]]))
    attempt = Attempt(exercise, cls, at_zero)
    attempt.forward()
    attempt.backward()
    found = as_numbers(attempt.found("pass_back"))
    plain = failure_of(check_pass_back, exercise, cls, p)
    if plain is not None:
        raise plain
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
            plain = failure_of(PLAIN_CHECKS["output" if found is out else "pass_back"], exercise, cls, p)
            if plain is not None:
                raise plain
            overflow = found is not None and np.isnan(found).any()
            why = " An exponential is infinite there, and infinity over infinity is nan." if overflow else ""
            raise Failure(
                f"For inputs of {_row(x)}, {subject} {_row(found)} instead of {_row(right)}.{why}",
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
        raise Failure(_exponentiated(max(largest), p.x), SHIFT_HINT)


def _exponentiated(largest: float, x: Array) -> str:
    """Say what was taken away before exp, by the largest number that exp got."""
    names = {
        "nothing is taken away from the logits": x,
        "it is taken of minus the logits": -x,
        "the mean of the row is taken away": x - x.mean(1, keepdims=True),
        "the mean of the column is taken away": x - x.mean(0),
        "the mean of all logits is taken away": x - x.mean(),
        "the smallest logit of the row is taken away": x - x.min(1, keepdims=True),
        "the smallest logit of all is taken away": x - x.min(),
        "the largest logit of the column is taken away": x - x.max(0),
        "the smallest of the rows' largest logits is taken away": x - x.max(1).min(),
        "the largest logit is added": x + x.max(1, keepdims=True),
        "the logits are taken away from the largest": x.max(1, keepdims=True) - x,
        "the sum of the row is taken away": x - x.sum(1, keepdims=True),
        "the norm of the row is taken away": x - np.linalg.norm(x, axis=1, keepdims=True),
        "the logits are divided by the largest": x / x.max(1, keepdims=True),
    }
    for name, array in names.items():
        if abs(array.max() - largest) < 1e-6 * largest:
            return f"exp is taken of a positive number: {name}; take away its largest entry (that of each row)."
    return f"exp is taken of a positive number ({largest:.4g}); for large logits it overflows."


def check_extreme(x: Array, labels: Array, cause: str, hint: str) -> Check:
    """Return a check of a loss on logits that are too much for a plain formula."""

    def check(exercise: Exercise, cls: Any, p: Problem) -> None:
        attempt = Attempt(exercise, cls, Problem(x, labels=labels))
        refuse_what_is_wrong_anyway(attempt)
        try:
            with np.errstate(over="raise"):
                out = attempt.forward()
                attempt.backward()
            compare_all(attempt, out, explain=False)
        except Failure as failure:
            if "overflow" in failure.cause:
                raise Failure(f"{TOO_LARGE} {failure.cause}", SHIFT_HINT) from failure
            if not failure.stopped:
                _refuse_a_limit(attempt, out, hint)
            raise Failure(f"{cause} {failure.cause}", hint, failure.example) from failure

    return check


def _refuse_a_limit(attempt: Attempt, out: Any, hint: str) -> None:
    """Raise Failure where the loss is far too small: a small number in the logarithm is a limit for it."""
    found, expected = as_numbers(out), attempt.expected("output")
    if found is not None and found.size == 1 and 1 < found.item() < 800 < expected.item():
        raise Failure(
            f"The loss is {found.item():.4g} instead of {expected.item():.6g}: a small number that is added to the probabilities "
            "(or a limit for them, np.clip) before the logarithm is a limit for the loss too.",
            hint,
        )


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
    refuse_what_is_wrong_anyway(attempt)
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
            f"forward does not return the array {which}{_instead(out, found, array)}.",
            "Which attribute holds the array, and who sets it?",
            f"expected    {_row(array)}\nfound       {shown}",
        )


def _instead(out: Any, found: Array | None, array: Array) -> str:
    """Say what comes out of a Data layer instead of its array, where that is known."""
    if out is None:
        return ", but nothing (None): is there a return?"
    if found is None:
        return f", but something of type {type(out).__name__}"
    known = {
        "its transpose": array.T,
        "all entries in one row": array.ravel(),
        "its first row alone": array[0],
        "its last row alone": array[-1],
        "its first column alone": array[:, 0],
        "its shape": np.array(array.shape, dtype=np.float64),
        "whole numbers: the decimals are lost": np.trunc(array),
        "zeros": np.zeros_like(array),
        "the array with its mean taken away": array - array.mean(),
        "the array divided by its largest absolute value": array / np.abs(array).max(),
        "the array with each column normalised": (array - array.mean(0)) / array.std(0),
        "the array scaled from 0 to 1": (array - array.min()) / np.ptp(array),
        "twice the array": 2 * array,
        "minus the array": -array,
    }
    fits = (f", but {words}" for words, value in known.items() if agrees(found, value, 1e-6))
    return next(fits, "")


def _check_data_forward(cls: Any) -> None:
    _hands_on(call("Data(...)", cls, _array()), _array(), "that the constructor got")


def _check_data_backward(cls: Any) -> None:
    array, dwnstrm = _array(), np.ones((3, 2))
    layer = call("Data(...)", cls, array)
    _hands_on(layer, array, "that the constructor got")
    call("Data.backward", layer.backward, dwnstrm)
    if not np.array_equal(array, _array()) or not (dwnstrm == 1).all():
        raise Failure("backward changes an array.", "Data has no parameters: backward has nothing to do.")
    try:
        _hands_on(layer, array, "after a backward pass")
    except Failure as failure:
        raise Failure(
            "backward changes what forward returns: Data has no parameters, and backward has nothing to do.",
            failure.hint,
            failure.example,
        ) from failure


def _check_set_data(cls: Any) -> None:
    _check_data_forward(cls)
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
    _check_data_forward(cls)
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
