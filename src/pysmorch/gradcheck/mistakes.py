"""Known mistakes in gradients and values, recognised by the numbers that they give. `check` and the grader name mistakes with these.

A guess is a function without arguments that returns a sentence where its mistake fits the numbers found, else an empty text. The
guesses are tried in order, from the most particular to the most general, and the first sentence counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pysmorch.layers.arguments import Array

Guess = Callable[[], str]

ANY_FACTOR = "a constant factor is wrong."
"""Ends the sentence for a factor that is none of the usual ones; for a single number it says nothing."""

CLOSE = 1e-5
"""Relative distance at which numbers found are taken to be those of a mistake."""


def first_that_fits(guesses: Iterable[Guess]) -> str:
    """Return the sentence of the first guess that fits; empty where none does."""
    return next(filter(None, (guess() for guess in guesses)), "")


def guesses_by_numbers(found: Array, expected: Array, dwnstrm: Array | None, num_data: int) -> list[Guess]:
    """Return the guesses that need the numbers alone.

    Parameters
    ----------
    found : array
        The gradient that was found, with respect to W or the input.
    expected : array
        What it should be; NaN where that is not known.
    dwnstrm : array or None
        The gradient with respect to the output, where the gradient is one with respect to the input.
    num_data : int
        The batch size.
    """
    guesses = [lambda: constant_factor(found, expected, num_data), lambda: transposed(found, expected)]
    if dwnstrm is not None:
        guesses += [lambda: mask(found, expected, dwnstrm), lambda: unchanged(found, dwnstrm)]
    return guesses


def guess_by_formulas(found: Array, expected: Array, formulas: Mapping[str, Callable[[], Any]]) -> Guess:
    """Return the guess that the numbers are those of one of several wrong formulas, which are given by their sentences."""
    return lambda: next(
        (sentence for sentence, formula in formulas.items() if is_formula(found, expected, formula)), ""
    )


def is_formula(found: Array, expected: Array, formula: Callable[[], Any]) -> bool:
    """Return whether the numbers found are those of a wrong formula; axes of length one do not matter."""
    try:
        with np.errstate(all="ignore"):
            wrong = np.squeeze(np.asarray(formula(), dtype=np.float64))
    except (TypeError, ValueError, AttributeError, IndexError):  # not every formula fits every shape
        return False
    return agrees(np.squeeze(found), wrong, CLOSE) and not agrees(np.squeeze(expected), wrong, CLOSE)


def agrees(found: Array, expected: Array, tolerance: float) -> bool:
    """Return whether two arrays have the same shape and the same numbers; a number may be an array of one entry."""
    if expected.ndim == 0 and found.size == 1:
        found = found.reshape(())
    return found.shape == expected.shape and bool(np.all(is_close(found, expected, tolerance)))


def is_close(found: Array, expected: Array, tolerance: float) -> Array:
    """Return which entries agree, relative to their size and a tenth of the largest one."""
    size = np.abs(expected)
    with np.errstate(all="ignore"):
        return np.abs(found - expected) <= tolerance * (size + 0.1 * np.max(size, initial=0.0)) + 1e-9


def alike(found: Array, expected: Array) -> bool:
    """Return whether two arrays agree in the entries that are known, and are not all zero."""
    return (
        found.shape == expected.shape and bool(entrywise(found, expected).all()) and bool(np.nanmax(abs(expected)) > 0)
    )


def entrywise(found: Array, expected: Array) -> Array:
    """Return which entries agree, relative to their size or a thousandth of the largest one; unknown ones do."""
    with np.errstate(invalid="ignore"):
        scale = np.nanmax(np.abs(expected), initial=0.0)
        return np.isnan(expected) | (np.abs(found - expected) <= CLOSE * np.maximum(np.abs(expected), 1e-3 * scale))


def constant_factor(found: Array, expected: Array, n: int) -> str:
    """Name a wrong factor that all entries have; n is the batch size."""
    if found.shape != expected.shape:
        return ""
    known = np.isfinite(expected)
    f, e = found[known], expected[known]
    if not e.any():
        return ""
    if not f.any():
        return "Everything found is 0: the gradient is not computed, or not passed on."
    factor = float(f @ e / (e @ e))
    if not alike(found, factor * expected):
        return ""
    named = {
        -1.0: "Everything has the wrong sign.",
        2.0: "Everything is 2 times too large: a factor of 2.",
        0.5: "Everything is half of what it should be: a factor of 2 is missing.",
        -2.0: "Everything is 2 times too large and has the wrong sign.",
        float(n): f"Everything is {n} times too large, the size of the batch: a factor 1/batch is missing.",
        1 / n: f"Everything is {n} times too small, the size of the batch: divided by the batch once too often.",
    }
    for value, sentence in named.items():
        if abs(factor - value) <= CLOSE * abs(value):
            return sentence
    return f"Everything is {factor:.8g} times what it should be: {ANY_FACTOR}"


def transposed(found: Array, expected: Array) -> str:
    """Say so where rows and columns are exchanged."""
    if expected.ndim != 2 or min(expected.shape) < 2:
        return ""
    if found.shape == expected.T.shape and alike(found, expected.T):
        return "This is the transpose of what it should be."
    if found.size == expected.size and alike(found, expected.T.reshape(found.shape)):
        return "These are the entries of the transpose, reshaped: the transpose of what it should be."
    return ""


def mask(found: Array, expected: Array, dwnstrm: Array) -> str:
    """Say so where gradient is let through although the output does not depend on the input."""
    if not dwnstrm.shape == found.shape == expected.shape:
        return ""
    known = np.isfinite(expected)
    scale = np.nanmax(np.abs(expected), initial=0.0)
    closed = known & (np.abs(expected) <= 1e-9 * scale)
    if not closed.any() or closed.sum() == known.sum():
        return ""
    if entrywise(found, expected)[~closed].all():
        return (
            f"The mask is not applied: the output does not depend on {int(closed.sum())} entries of the input, "
            "where 0 must be passed back."
        )
    if all((entrywise(array, dwnstrm) | (np.abs(array) <= 1e-9 * scale)).all() for array in (found, expected)):
        return "Gradient is let through at the wrong entries: the mask was taken from the wrong array."
    return ""


def unchanged(found: Array, dwnstrm: Array) -> str:
    """Say so where the gradient is dwnstrm, unchanged."""
    if alike(found, dwnstrm):
        return "The gradient is passed back as it came: the derivative of the layer itself is not applied."
    return ""
