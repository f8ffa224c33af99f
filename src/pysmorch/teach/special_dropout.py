"""Tests of Dropout: its numbers are random, so that they look at what the class has drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import agrees
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers
from pysmorch.teach.checks import Row, check_constructor
from pysmorch.teach.exercises import Exercise, Problem, generator, numbers
from pysmorch.teach.factors import factor_between

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


SHARE_LEFT = "1 - rate, the share that stays"


def _factor_in_words(factor: float) -> str:
    """Say what an entry that stays was multiplied by, in place of 1 / (1 - rate)."""
    named = {
        1.0: f"is not scaled; it has to be divided by {SHARE_LEFT}",
        1 / RATE: f"is divided by rate; it has to be divided by {SHARE_LEFT}",
        RATE: f"is multiplied by rate; it has to be divided by {SHARE_LEFT}",
        1 - RATE: f"is multiplied by 1 - rate; it has to be divided by {SHARE_LEFT}",
        1 / (1 - RATE) ** 2: f"is divided by 1 - rate twice; it has to be divided by {SHARE_LEFT}, once",
        -1 / (1 - RATE): "has the wrong sign",
        1 / (1 + RATE): f"is divided by 1 + rate; it has to be divided by {SHARE_LEFT}",
        1 + RATE: f"is multiplied by 1 + rate; it has to be divided by {SHARE_LEFT}",
        (1 - RATE) ** -0.5: "is divided by the root of 1 - rate; the root is not needed",
        2.0: f"is multiplied by 2, as for a rate of 1/2; it has to be divided by {SHARE_LEFT}",
        RATE / (1 - RATE): "is divided by 1 - rate and multiplied by rate; only the former is needed",
        (1 - RATE) / RATE: f"is multiplied by 1 - rate and divided by rate; it has to be divided by {SHARE_LEFT}",
    }
    for value, words in named.items():
        if abs(factor - value) < 1e-6:
            return f"What stays {words}."
    return f"What stays is multiplied by {factor:.4g} instead of 1 / (1 - rate) = {1 / (1 - RATE):.4g}: 1 becomes {factor:.4g}."


def check_dropout_forward(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Entries are 0 or x / (1 - rate), the former with probability rate."""
    attempt, found = _after_dropout(exercise, cls)
    left = found[found != 0]
    if agrees(found, np.ones_like(found), 1e-6) and _drops_in_prediction(attempt):
        raise Failure(
            "training is read the wrong way round: entries are dropped where it is False, and nothing happens where it is True.",
            "training is True at first; False stands for prediction.",
        )
    rate_is_left = (
        left.size and abs(left[0] - 1 / RATE) < 1e-6 and abs((found == 0).mean() - (1 - RATE)) < FRACTION_ERROR
    )
    if rate_is_left and np.ptp(left) < 1e-6:
        raise Failure(
            "rate is taken for the share that stays; it is the share that is dropped: what stays is divided by rate instead of "
            "1 - rate.",
            "Is the rate that of dropping or that of keeping?",
        )
    hint = "What stays is made larger, so that the mean stays as it was."
    if not left.size:
        raise Failure(
            "Every entry is dropped.", "Is the mask made of true and false by comparing random numbers with rate?"
        )
    if not np.isfinite(left).all():
        raise Failure(f"Entries become {left[~np.isfinite(left)][0]}: is something divided by the mask?", hint)
    if np.ptp(left) > 1e-6 and len(left) > 0.99 * found.size:
        raise Failure(
            "No entry is dropped: random numbers are added to the entries or multiplied with them; they have to become a mask of 0 "
            "and 1, by comparing them with rate.",
            hint,
        )
    if np.ptp(left) > 1e-6:
        raise Failure(
            "What stays gets a random factor, a different one for each entry: the random numbers have to become a mask "
            "of 0 and 1, by comparing them with rate.",
            hint,
        )
    share = float((found == 0).mean())
    wrong_share = _share_in_words(found, share)
    wrong_factor = (
        ""
        if abs(left[0] - 1 / (1 - RATE)) < 1e-6
        else (
            f"With rate {RATE}, an entry of 1 that stays becomes {left[0]:.4g} instead of {1 / (1 - RATE):.4g}. "
            f"{_factor_in_words(float(left[0]))}"
        )
    )
    if wrong_share or wrong_factor:
        raise Failure(
            " ".join(filter(None, (wrong_factor, wrong_share))),
            hint if wrong_factor else "Is the rate that of dropping or that of keeping?",
        )


def _drops_in_prediction(attempt: Attempt) -> bool:
    if not hasattr(attempt.layer, "training"):
        return False
    attempt.layer.training = False
    out = as_numbers(attempt.forward())
    return out is not None and bool((out == 0).any())


NORMAL_BELOW = 0.6554
"""The share of standard normal numbers below RATE."""


def _share_in_words(found: Array, share: float) -> str:
    """Say why another share of the entries is dropped than rate; empty where it is rate, entry by entry."""
    dropped = found == 0
    for axis, which in ((1, "rows"), (0, "columns")):
        if dropped.any() and not dropped.all() and (dropped.all(axis) | ~dropped.any(axis)).all():
            return f"Whole {which} are dropped: each entry has a random number of its own (of the shape of the input)."
    if abs(share - RATE) <= FRACTION_ERROR:
        return ""
    begin = f"With rate {RATE}, {share:.0%} of the entries are dropped"
    named = {
        0.0: "the mask is not applied, or nothing is random",
        1 - RATE: "what has to stay is dropped (the comparison with rate is the wrong way round)",
        0.5: "the mask does not depend on rate",
        1 - NORMAL_BELOW: "the random numbers are normal (randn); they have to be even between 0 and 1 (random)",
        NORMAL_BELOW: "the random numbers are normal (randn); they have to be even between 0 and 1 (random)",
        RATE**2: "two masks are drawn, or rate is squared",
        1 - (1 - RATE) ** 2: "two masks are applied, one after the other",
    }
    for value, words in named.items():
        if abs(share - value) <= FRACTION_ERROR:
            return f"{begin}: {words}."
    return f"{begin}."


def check_dropout_backward(exercise: Exercise, cls: Any, p: Problem) -> None:
    """What was dropped passes nothing back."""
    attempt, out = _after_dropout(exercise, cls)
    attempt.backward()
    found, dwnstrm = as_numbers(attempt.found("pass_back")), attempt.problem.dwnstrm
    if found is None or not agrees(found, dwnstrm * out, 1e-5):
        raise Failure(
            _wrong_backward(found, dwnstrm, out),
            "By which factor did forward multiply this entry, in this very pass?",
        )


def _wrong_backward(found: Array | None, d: Array, out: Array) -> str:
    """Name the mask and the factor that were used in the backward pass."""
    plain = "What is passed back is not dwnstrm times the mask of the last forward pass, with its factor 1 / (1 - rate)"
    if found is None or found.shape != d.shape:
        return f"{plain}; it does not have the shape of the input."
    if agrees(found, d, 1e-5):
        return "dwnstrm is passed back as it came: the mask of the forward pass belongs in the backward pass too."
    if agrees(found, out, 1e-5) or agrees(found, (out != 0) * 1.0, 1e-5):
        return "dwnstrm does not appear in what is passed back: it is the mask alone."
    if not found.any():
        return "Everything found is 0: nothing is passed back."
    factors = found / d
    used = factors[factors != 0]
    if np.ptp(used) > 1e-6:
        return f"{plain}."
    forward_factor, factor = float(out[out != 0][0]) if out.any() else 0.0, float(used[0])
    scale = (
        ""
        if abs(factor - forward_factor) < 1e-6
        else (
            f" It is multiplied by {factor:.4g} and was multiplied by {forward_factor:.4g} in forward: the same factor belongs in the backward pass."
        )
    )
    mask, right = factors != 0, out != 0
    if np.array_equal(mask, right):
        return f"The mask is right, but not the factor.{scale}"
    if np.array_equal(mask, ~right):
        return (
            f"The mask is the wrong way round: what was dropped passes gradient back, and what stayed does not.{scale}"
        )
    if mask.all():
        return f"The mask is missing in the backward pass: what was dropped passes gradient back.{scale}"
    return f"{plain}: another mask is used, or a new one is drawn in backward.{scale}"


def check_dropout_masks(exercise: Exercise, cls: Any, p: Problem) -> None:
    """Each pass has a mask of its own."""
    attempt, out = _after_dropout(exercise, cls)
    again = as_numbers(attempt.forward())
    if again is not None and np.array_equal(out, again) and (out == 0).any():
        raise Failure(
            "Every pass drops the same entries.",
            "When is the mask drawn, and is a seed set in forward?",
        )


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
        raise Failure(
            _wrong_prediction(p.x, attempt.problem.dwnstrm, out, back), "In prediction, Dropout does nothing."
        )


def _wrong_prediction(x: Array, d: Array, out: Array | None, back: Array | None) -> str:
    changed = "Entries are changed though training is False"
    if out is None or out.shape != x.shape:
        return f"{changed}: forward does not return an array of the shape of the input."
    factor = factor_between(out, x)
    if factor is not None and abs(factor - 1) > 1e-6:
        scaled = {1 - RATE: "multiplied by 1 - rate", 1 / (1 - RATE): "divided by 1 - rate", RATE: "multiplied by rate"}
        words = next((w for v, w in scaled.items() if abs(factor - v) < 1e-6), f"multiplied by {factor:.4g}")
        return f"{changed}: they are {words}. The scaling belongs to training, so that prediction does nothing."
    if factor is not None and (back is None or not agrees(back, d, 1e-6)):
        return f"{changed}: forward is right, but backward still applies a mask or a factor."
    if (out == 0).any():
        return f"{changed}: entries are dropped in prediction."
    return f"{changed}."


DROPOUT_CHECKS: list[Row] = [
    ("is made as it should", "constructor", 1, check_constructor),
    ("forward returns 0 with probability rate, else x / (1 - rate)", "forward", 3, check_dropout_forward),
    ("the gradient for the input is passed back", "backward", 3, check_dropout_backward),
    ("every pass has a mask of its own", "care", 1, check_dropout_masks),
    ("nothing is dropped in prediction", "care", 1, check_dropout_in_prediction),
]
