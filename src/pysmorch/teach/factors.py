"""Factors that are wrong, in words: one found number is taken apart into a sign, a 2 and sizes of the batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from pysmorch.gradcheck.mistakes import CLOSE
from pysmorch.layers.base import Array

ONE_NUMBER_CLOSE = 3e-7
"""Relative distance at which a single number, which fits many a formula by chance, is taken to be that of a mistake."""

COLUMNS = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])."
ENTRIES = "Divided by the number of all entries (np.mean) instead of the number of rows M."
NOT_DIVIDED = "The factor 1/M is missing: the loss is an average over the rows of the batch."

TWOS = {
    "": 1.0,
    "A factor of 2 too much.": 2.0,
    "A factor of 2 is missing.": 0.5,
    "A factor of 4 too much.": 4.0,
    "A factor of 4 is missing.": 0.25,
}


ALONE = {
    "The sign is wrong.": "Everything has the wrong sign.",
    "A factor of 2 too much.": "Everything is 2 times too large: a factor of 2.",
    "A factor of 2 is missing.": "Everything is half of what it should be: a factor of 2 is missing.",
    "Everything is divided by the number of rows.": (
        "Everything is divided by the number of rows, the size of the batch: divided by the batch once too often."
    ),
    "Everything is multiplied by the number of rows.": (
        "Everything is too large by the number of rows, the size of the batch: a factor 1/batch is missing."
    ),
}
"""What is said of a factor that is the only mistake."""


def factor_between(found: Array, formula: Array) -> float | None:
    """Return the number c for which found = c * formula; None where there is none. Axes of length one do not matter."""
    found, formula = np.squeeze(found), np.squeeze(formula)
    if found.shape != formula.shape or not np.isfinite(formula).all() or not np.isfinite(found).all():
        return None
    square = float(np.sum(formula * formula))
    if not square:
        return None
    factor = float(np.sum(found * formula)) / square
    fits = np.abs(found - factor * formula) <= CLOSE * np.abs(factor) * np.max(np.abs(formula))
    return factor if factor and fits.all() else None


def factors_of_a_loss(rows: int, columns: int) -> dict[str, float]:
    """Return the factors by which a loss, or its gradient, is wrong where one size stands for another."""
    M, K = float(rows), float(columns)
    return {
        "": 1.0,
        NOT_DIVIDED: M,
        "Divided by the number of rows M twice.": 1 / M,
        COLUMNS: M / K,
        ENTRIES: 1 / K,
        "Multiplied by the number of columns.": K,
        "Multiplied by the number of columns, and the factor 1/M is missing.": M * K,
        "Multiplied by the number of rows M instead of divided by it: are brackets missing?": M * M,
        "Divided by the number of rows M and by that of all entries.": 1 / (M * K),
        "Divided by the square root of M instead of M.": math.sqrt(M),
        "Divided by the square root of the number of all entries instead of M.": math.sqrt(M / K),
        "Divided by M + 1 instead of M.": M / (M + 1),
        **({"Divided by M - 1 instead of M.": M / (M - 1)} if rows > 1 else {}),
    }


def factors_of_a_layer(sizes: Mapping[str, int]) -> dict[str, float]:
    """Return the factors by which a result of a layer is wrong where it is divided or multiplied by a size."""
    words = {"": 1.0}
    for what, size in sizes.items():
        words[f"Everything is divided by {what}."] = 1 / size
        words[f"Everything is multiplied by {what}."] = float(size)
    for what, size in sizes.items():
        words[f"Everything is divided by the square root of {what}."] = size**-0.5
        words[f"Everything is multiplied by the square root of {what}."] = size**0.5
    return words


def in_words(factor: float, sizes: Mapping[str, float], one_number: bool = False) -> list[str]:
    """Return all ways to make a factor of a size, a 2 and a sign, in words, the simplest first."""
    tolerance = ONE_NUMBER_CLOSE if one_number else CLOSE
    fits = [parts for value, parts in _products(sizes) if parts and abs(factor - value) <= tolerance * abs(value)]
    return [" ".join(parts) for parts in sorted(fits, key=len)]


def _products(sizes: Mapping[str, float]) -> Iterator[tuple[float, list[str]]]:
    signs = {"": 1.0, "The sign is wrong.": -1.0}
    for (a, size), (b, two), (c, sign) in product(sizes.items(), TWOS.items(), signs.items()):
        yield size * two * sign, [part for part in (a, b, c) if part]
